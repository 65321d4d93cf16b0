/*
 * ARP packets for IPv4 over Ethernet (RFC 826):
 *
 *     0    2        4   5   6    8         14       18        24
 *     | 1 | 0x0800 | 6 | 4 | op | sha     | spa    | tha     | tpa |
 */
import { ETHER_ADDR_LEN, ETHER_HDR_LEN, ETHERTYPE_ARP, putEther } from './ether.ts';
import { get16, get32, put16, put32 } from './in-addr.ts';

const ARP_LEN = 28;
export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;

/** Who asks or answers, and for whom. */
export interface ArpPacket {
  readonly op: number;
  readonly sha: Uint8Array;
  readonly spa: number;
  readonly tha: Uint8Array;
  readonly tpa: number;
}

/** A whole frame. @param to the Ethernet address that it goes to */
export const buildArp = (packet: ArpPacket, to: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(ETHER_HDR_LEN + ARP_LEN);
  putEther(frame, to, packet.sha, ETHERTYPE_ARP);
  const p = frame.subarray(ETHER_HDR_LEN);
  p.set([0, 1, 8, 0, ETHER_ADDR_LEN, 4]);
  put16(p, 6, packet.op);
  p.set(packet.sha, 8);
  put32(p, 14, packet.spa);
  p.set(packet.tha, 18);
  put32(p, 24, packet.tpa);
  return frame;
};

/** @returns undefined for what is no request or reply of IPv4 over Ethernet */
export const parseArp = (frame: Uint8Array): ArpPacket | undefined => {
  const p = frame.subarray(ETHER_HDR_LEN);
  if (p.length < ARP_LEN || get32(p, 0) !== 0x0001_0800 || get16(p, 4) !== 0x0604) return undefined;
  const op = get16(p, 6);
  if (op !== ARPOP_REQUEST && op !== ARPOP_REPLY) return undefined;
  return { op, sha: p.slice(8, 14), spa: get32(p, 14), tha: p.slice(18, 24), tpa: get32(p, 24) };
};
