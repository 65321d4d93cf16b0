/**
 * What a struct view needs of a memory: little-endian loads and stores at byte addresses.
 *
 * An address is whatever the memory says it is: a signed 48-bit virtual address, a machine address, an
 * offset into a buffer. Addresses need not be aligned. An implementation throws when an access
 * cannot be made (a page fault, an address out of range); it never returns a wrong value.
 */
export interface Memory {
  /** @returns 0 … 255 */
  ld8(address: number): number;
  /** @returns 0 … 65535 */
  ld16(address: number): number;
  /** @returns a signed 32-bit integer; `>>> 0` makes it unsigned */
  ld32(address: number): number;
  /** Stores the low 8 bits of `value`. */
  st8(address: number, value: number): void;
  /** Stores the low 16 bits of `value`. */
  st16(address: number, value: number): void;
  /** Stores the low 32 bits of `value`. */
  st32(address: number, value: number): void;
  /** Copies `into.length` bytes from `address` on. */
  read(address: number, into: Uint8Array): void;
  /** Copies `from.length` bytes to `address` on. */
  write(address: number, from: Uint8Array): void;
}

const TWO_32 = 0x1_0000_0000;

/** Loads a 64-bit word as a signed Number: exact for |value| < 2^53, all ones is -1. */
export const ldI64 = (memory: Memory, address: number): number =>
  memory.ld32(address + 4) * TWO_32 + (memory.ld32(address) >>> 0);

/** Loads a 64-bit word as an unsigned Number: exact below 2^53. */
export const ldU64 = (memory: Memory, address: number): number =>
  (memory.ld32(address + 4) >>> 0) * TWO_32 + (memory.ld32(address) >>> 0);

/** Stores an integer, |value| < 2^53, as a 64-bit word in two's complement. */
export const st64 = (memory: Memory, address: number, value: number): void => {
  const high = Math.floor(value / TWO_32);
  memory.st32(address, value - high * TWO_32);
  memory.st32(address + 4, high);
};

/** Stores a 64-bit word from its halves. */
export const stPair = (memory: Memory, address: number, low: number, high: number): void => {
  memory.st32(address, low);
  memory.st32(address + 4, high);
};

/** Sets `length` bytes from `address` on to zero. */
export const zero = (memory: Memory, address: number, length: number): void => {
  memory.write(address, new Uint8Array(length));
};

/** Copies `length` bytes; the ranges may overlap. */
export const copy = (memory: Memory, to: number, from: number, length: number): void => {
  const bytes = new Uint8Array(length);
  memory.read(from, bytes);
  memory.write(to, bytes);
};
