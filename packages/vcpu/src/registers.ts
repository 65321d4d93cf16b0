/**
 * General registers, in the order of the x86-64 encoding, and the instruction pointer after them.
 * The values index {@link Registers.words} by pairs: low half at 2r, high half at 2r + 1.
 */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;
export const R8 = 8;
export const R9 = 9;
export const R10 = 10;
export const R11 = 11;
export const R12 = 12;
export const R13 = 13;
export const R14 = 14;
export const R15 = 15;
export const RIP = 16;
export const RFLAGS = 17;

const TWO_32 = 0x1_0000_0000;

/**
 * The registers a PV guest can see, as pairs of int32.
 *
 * A 64-bit value that a program means as an address or a count is a Number ({@link get}, {@link set}: signed,
 * exact for |value| < 2^53); the halves are there for the values that are neither.
 */
export class Registers {
  /** Low half of register r at 2r, high half at 2r + 1. */
  readonly words: Int32Array = new Int32Array(36);
  /** Selectors. In guest-kernel mode Xen shows cs 0xe033 and ss 0xe02b. */
  cs = 0xe033;
  ss = 0xe02b;
  ds = 0;
  es = 0;
  fs = 0;
  gs = 0;

  /** The register as a signed Number. */
  get(register: number): number {
    return (this.words[2 * register + 1] as number) * TWO_32 + (this.low(register) >>> 0);
  }

  /** Sets the register from an integer, |value| < 2^53, in two's complement. */
  set(register: number, value: number): void {
    const high = Math.floor(value / TWO_32);
    this.words[2 * register] = value - high * TWO_32;
    this.words[2 * register + 1] = high;
  }

  low(register: number): number {
    return this.words[2 * register] as number;
  }

  high(register: number): number {
    return this.words[2 * register + 1] as number;
  }

  setPair(register: number, low: number, high: number): void {
    this.words[2 * register] = low;
    this.words[2 * register + 1] = high;
  }
}
