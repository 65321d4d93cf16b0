/*
 * An Ethernet header:
 *
 *     0         6         12    14
 *     | dst     | src     | type | payload …
 */
import { get16, put16 } from './in-addr.ts';

export const ETHER_ADDR_LEN = 6;
export const ETHER_HDR_LEN = 14;
export const ETHERTYPE_IP = 0x0800;
export const ETHERTYPE_ARP = 0x0806;

export const etherBroadcast = (): Uint8Array => new Uint8Array(ETHER_ADDR_LEN).fill(0xff);

/** Fills in the header of a frame. */
export const putEther = (
  frame: Uint8Array,
  dst: Uint8Array,
  src: Uint8Array,
  type: number,
): void => {
  frame.set(dst, 0);
  frame.set(src, ETHER_ADDR_LEN);
  put16(frame, 12, type);
};

export const etherDst = (frame: Uint8Array): Uint8Array => frame.subarray(0, 6);
export const etherType = (frame: Uint8Array): number => get16(frame, 12);

/** The group bit: multicast or broadcast. */
export const isGroup = (address: Uint8Array): boolean => ((address[0] as number) & 1) !== 0;

export const sameAddress = (a: Uint8Array, b: Uint8Array): boolean =>
  a.every((byte, i) => byte === b[i]);
