/*
 * HalfSipHash-2-4 (Aumasson and Bernstein; the 32-bit member of the SipHash family): a keyed hash of a few words, for initial
 * sequence numbers (RFC 6528), timestamp offsets and ports that nobody outside can guess.
 */

const rotl = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

/** @param words the message, 32 bits each @returns 32 bits, unsigned */
export const halfSipHash = (key0: number, key1: number, words: readonly number[]): number => {
  let v0 = key0;
  let v1 = key1;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ key1;
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) | 0;
      v1 = rotl(v1, 5) ^ v0;
      v0 = rotl(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotl(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotl(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotl(v1, 13) ^ v2;
      v2 = rotl(v2, 16);
    }
  };
  for (const word of words) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  const last = (words.length * 4) << 24;
  v3 ^= last;
  rounds(2);
  v0 ^= last;
  v2 ^= 0xff;
  rounds(4);
  return (v1 ^ v3) >>> 0;
};
