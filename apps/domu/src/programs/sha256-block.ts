/*
 * The SHA-256 compression function (FIPS 180-4, 6.2.2), over 64-byte blocks.
 */

const primes = (count: number): number[] => {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    if (found.every((p) => n % p !== 0)) found.push(n);
  }
  return found;
};

/** The first 32 bits of the fractional part. */
const fraction = (x: number): number => ((x - Math.floor(x)) * 2 ** 32) | 0;

/** The round constants: from the cube roots of the first 64 primes. */
const K: readonly number[] = primes(64).map((p) => fraction(Math.cbrt(p)));

/** The initial hash value: from the square roots of the first 8 primes. */
export const SHA256_INITIAL: readonly number[] = primes(8).map((p) => fraction(Math.sqrt(p)));

/** Takes whole blocks into the hash value. @param state eight words, changed in place */
export const sha256Blocks = (state: Int32Array, data: Uint8Array): void => {
  const w = new Int32Array(64);
  const k = Int32Array.from(K);
  for (let at = 0; at + 64 <= data.length; at += 64) {
    for (let i = 0; i < 16; i++) {
      const j = at + 4 * i;
      w[i] =
        ((data[j] as number) << 24) |
        ((data[j + 1] as number) << 16) |
        ((data[j + 2] as number) << 8) |
        (data[j + 3] as number);
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15] as number;
      const y = w[i - 2] as number;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = ((w[i - 16] as number) + s0 + (w[i - 7] as number) + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    for (let i = 0; i < 64; i++) {
      const S1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + S1 + ((e & f) ^ (~e & g)) + (k[i] as number) + (w[i] as number)) | 0;
      const S0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (S0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const add = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) state[i] = ((state[i] as number) + (add[i] as number)) | 0;
  }
};

/** What follows the last `tail` bytes of a message of `total` bytes: the rest, padded to whole blocks. */
export const sha256Padding = (tail: Uint8Array, total: number): Uint8Array => {
  const padded = new Uint8Array(Math.ceil((tail.length + 9) / 64) * 64);
  padded.set(tail);
  padded[tail.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor((total * 8) / 2 ** 32));
  view.setUint32(padded.length - 4, (total * 8) >>> 0);
  return padded;
};

/** Eight words as 64 hexadecimal digits. */
export const sha256Hex = (state: Int32Array): string =>
  [...state].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
