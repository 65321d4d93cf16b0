/*
 * The checksum that a sender left blank (RFC 9293 section 3.1, RFC 768), over a pseudo header, the transport header and its data:
 *
 *     14            14 + ihl                                      14 + total length
 *     │ IPv4 header │ TCP: 20 bytes and more, checksum @16 · data │ padding of short frames
 *                   │ UDP: 8 bytes, checksum @6            · data │
 *
 * What the field holds does not matter: some senders put the sum of the pseudo header there, some leave it as it was.
 */
import { ETHER_HDR_LEN, type Frame } from './frame.ts';

const ETHERTYPE_IP = 0x0800;
const MORE_FRAGMENTS_OR_OFFSET = 0x3fff;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Where a frame's transport checksum is, and what it is the checksum of. */
interface Place {
  readonly at: number;
  readonly protocol: number;
  readonly start: number;
  readonly end: number;
}

const be16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

/** @returns nothing for what is not a whole TCP segment or UDP datagram in an IPv4 packet */
const placeOf = (bytes: Uint8Array): Place | undefined => {
  const ip = ETHER_HDR_LEN;
  if (bytes.length < ip + 20 || be16(bytes, 12) !== ETHERTYPE_IP) return undefined;
  const ihl = ((bytes[ip] as number) & 15) * 4;
  const start = ip + ihl;
  const end = ip + be16(bytes, ip + 2);
  if ((bytes[ip] as number) >> 4 !== 4 || ihl < 20 || end > bytes.length) return undefined;
  if ((be16(bytes, ip + 6) & MORE_FRAGMENTS_OR_OFFSET) !== 0) return undefined;
  const protocol = bytes[ip + 9] as number;
  if (protocol === IPPROTO_TCP && end >= start + 20)
    return { at: start + 16, protocol, start, end };
  if (protocol === IPPROTO_UDP && end >= start + 8) return { at: start + 6, protocol, start, end };
  return undefined;
};

/** Sum of big-endian 16-bit words, a last byte being a high half. */
const sum = (bytes: Uint8Array, start: number, end: number): number => {
  let total = 0;
  const even = end - ((end - start) & 1);
  for (let at = start; at < even; at += 2) total += be16(bytes, at);
  return even < end ? total + ((bytes[even] as number) << 8) : total;
};

/** Whether there is a checksum in the frame that could have been left blank. */
export const hasTransportChecksum = (bytes: Uint8Array): boolean => placeOf(bytes) !== undefined;

/** The frame with its checksum in it: itself, or a copy when it was blank. */
export const completed = (frame: Frame): Frame => {
  if (frame.checksum !== 'blank') return frame;
  const bytes = frame.bytes.slice();
  const place = placeOf(bytes);
  if (place === undefined) return { bytes, checksum: 'none' };
  const { at, protocol, start, end } = place;
  bytes[at] = 0;
  bytes[at + 1] = 0;
  // Both addresses, the protocol, the length.
  let total = sum(bytes, ETHER_HDR_LEN + 12, ETHER_HDR_LEN + 20) + protocol + (end - start);
  total += sum(bytes, start, end);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x1_0000);
  let checksum = ~total & 0xffff;
  // In UDP zero says that there is none.
  if (checksum === 0 && protocol === IPPROTO_UDP) checksum = 0xffff;
  bytes[at] = checksum >> 8;
  bytes[at + 1] = checksum & 0xff;
  return { bytes, checksum: 'none' };
};
