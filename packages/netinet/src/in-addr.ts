/*
 * IPv4 addresses and bytes in network order. An address is an unsigned 32-bit Number in host order: 10.0.0.1 is 0x0a000001.
 */

export const INADDR_ANY = 0;
export const INADDR_BROADCAST = 0xffff_ffff;

export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

/** Reads a big-endian 16-bit word. */
export const get16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

/** Reads a big-endian 32-bit word, unsigned. */
export const get32 = (bytes: Uint8Array, at: number): number =>
  get16(bytes, at) * 0x1_0000 + get16(bytes, at + 2);

export const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
};

export const put32 = (bytes: Uint8Array, at: number, value: number): void => {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value);
};

/** Whether an address can be one host's: not this network's (0/8), loopback (127/8), multicast or reserved (RFC 1122, 3.2.1.3). */
export const isUnicast = (address: number): boolean => {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
};

/** Dotted quad. */
export const inetNtoa = (address: number): string =>
  [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
