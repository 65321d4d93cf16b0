/*
 * The Internet checksum (RFC 1071): one's complement of the one's complement sum of big-endian 16-bit words.
 * Sums are kept unfolded: a Number holds the sum of any packet.
 */
import { get16, get32 } from './in-addr.ts';

/** The sum of the words in [from, to); an odd last byte counts as the high half of a word. */
export const sumOf = (bytes: Uint8Array, from: number, to: number, sum = 0): number => {
  let total = sum;
  let i = from;
  for (const even = to - ((to - from) & 1); i < even; i += 2) {
    total += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  }
  return i < to ? total + ((bytes[i] as number) << 8) : total;
};

/** Folds a sum to 16 bits. */
export const fold = (sum: number): number => {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return folded;
};

/** The checksum of the bytes in [from, to). It is 0 over bytes that contain their own right checksum. */
export const inCksum = (bytes: Uint8Array, from: number, to: number, sum = 0): number =>
  ~fold(sumOf(bytes, from, to, sum)) & 0xffff;

/** The sum of the pseudo-header of UDP and TCP (RFC 768; RFC 9293, 3.1). */
export const pseudoSum = (src: number, dst: number, proto: number, length: number): number =>
  (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + proto + length;

/** The pseudo-header's sum for the addresses of the IP header that starts at `at`. */
export const pseudoSumOf = (packet: Uint8Array, at: number, length: number): number =>
  pseudoSum(get32(packet, at + 12), get32(packet, at + 16), get16(packet, at + 8) & 0xff, length);
