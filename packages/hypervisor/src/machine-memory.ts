/*
 * A host's memory: frames firstMfn … firstMfn + frames - 1, one after the other in a buffer.
 *
 * An address is a machine address, mfn * 4096 + offset. 32-bit words are reached through one Int32Array, whose index stays
 * below 2^31 for up to 8 GiB. Bytes would not: they are reached through one Uint8Array per GiB.
 */
import type { Memory } from '@port-xen/layout';

export const PAGE_SIZE = 4096;
/** 32-bit words of a page. */
export const PAGE_WORDS = 1024;

const RANGE_SHIFT = 18;
const RANGE_FRAMES = 2 ** RANGE_SHIFT;
const RANGE_BYTES = RANGE_FRAMES * PAGE_SIZE;
const MAX_FRAMES = 2 ** 21;

export class MachineMemory implements Memory {
  readonly firstMfn: number;
  readonly frames: number;
  /** The whole memory as words: frame n of the host starts at word n * 1024. */
  readonly words: Int32Array;
  readonly #ranges: Uint8Array[] = [];
  readonly #firstAddress: number;

  /**
   * @param buffer zeroed, at least `byteOffset + frames * 4096` long
   * @param byteOffset a multiple of 4; 4080 puts the frames of an ArrayBuffer on the processor's own page boundaries
   * @param frames at most 2^21
   */
  constructor(buffer: ArrayBuffer, byteOffset: number, firstMfn: number, frames: number) {
    if (!Number.isInteger(frames) || frames < 1 || frames > MAX_FRAMES) {
      throw new RangeError(`expected 1 to ${MAX_FRAMES} frames, found ${frames}`);
    }
    if (buffer.byteLength < byteOffset + frames * PAGE_SIZE) {
      throw new RangeError(
        `expected a buffer of ${byteOffset + frames * PAGE_SIZE} bytes for ${frames} frames at ${byteOffset}, found ${buffer.byteLength}`,
      );
    }
    this.firstMfn = firstMfn;
    this.frames = frames;
    this.#firstAddress = firstMfn * PAGE_SIZE;
    this.words = new Int32Array(buffer, byteOffset, frames * PAGE_WORDS);
    for (let first = 0; first < frames; first += RANGE_FRAMES) {
      const count = Math.min(RANGE_FRAMES, frames - first);
      this.#ranges.push(new Uint8Array(buffer, byteOffset + first * PAGE_SIZE, count * PAGE_SIZE));
    }
  }

  /** Whether the host has a frame of that number. */
  valid(mfn: number): boolean {
    return mfn >= this.firstMfn && mfn < this.firstMfn + this.frames;
  }

  /** Index in {@link words} of the first word of a frame. */
  wordIndex(mfn: number): number {
    return this.#index(mfn) * PAGE_WORDS;
  }

  /** The 4096 bytes of a frame, in place. */
  frameBytes(mfn: number): Uint8Array {
    const index = this.#index(mfn);
    const start = (index & (RANGE_FRAMES - 1)) * PAGE_SIZE;
    return this.#range(index).subarray(start, start + PAGE_SIZE);
  }

  ld8(address: number): number {
    const offset = this.#offset(address, 1);
    return ((this.words[Math.floor(offset / 4)] as number) >>> ((offset & 3) << 3)) & 0xff;
  }

  ld16(address: number): number {
    return this.ld8(address) | (this.ld8(address + 1) << 8);
  }

  ld32(address: number): number {
    const offset = this.#offset(address, 4);
    if ((offset & 3) === 0) return this.words[offset / 4] as number;
    return this.ld16(address) | (this.ld16(address + 2) << 16);
  }

  st8(address: number, value: number): void {
    const offset = this.#offset(address, 1);
    const at = Math.floor(offset / 4);
    const shift = (offset & 3) << 3;
    const others = (this.words[at] as number) & ~(0xff << shift);
    this.words[at] = others | ((value & 0xff) << shift);
  }

  st16(address: number, value: number): void {
    this.#offset(address, 2);
    this.st8(address, value);
    this.st8(address + 1, value >> 8);
  }

  st32(address: number, value: number): void {
    const offset = this.#offset(address, 4);
    if ((offset & 3) === 0) {
      this.words[offset / 4] = value;
      return;
    }
    this.st16(address, value);
    this.st16(address + 2, value >> 16);
  }

  read(address: number, into: Uint8Array): void {
    this.#offset(address, into.length);
    this.#eachPage(address, into.length, (page, done) => into.set(page, done));
  }

  write(address: number, from: Uint8Array): void {
    this.#offset(address, from.length);
    this.#eachPage(address, from.length, (page, done) =>
      page.set(from.subarray(done, done + page.length)),
    );
  }

  /** Copies within the memory, machine addresses; neither end of the range crosses a page. */
  copy(to: number, from: number, length: number): void {
    const [into, outOf] = [this.#offset(to, length), this.#offset(from, length)];
    const range = Math.floor(into / RANGE_BYTES);
    if (range === Math.floor(outOf / RANGE_BYTES)) {
      const start = outOf % RANGE_BYTES;
      (this.#ranges[range] as Uint8Array).copyWithin(into % RANGE_BYTES, start, start + length);
      return;
    }
    const page = this.frameBytes(Math.floor(from / PAGE_SIZE));
    const start = from % PAGE_SIZE;
    this.write(to, page.subarray(start, start + length));
  }

  #eachPage(address: number, length: number, visit: (page: Uint8Array, done: number) => void) {
    for (let done = 0; done < length; ) {
      const start = (address + done) % PAGE_SIZE;
      const count = Math.min(PAGE_SIZE - start, length - done);
      const frame = this.frameBytes(Math.floor((address + done) / PAGE_SIZE));
      visit(frame.subarray(start, start + count), done);
      done += count;
    }
  }

  #range(index: number): Uint8Array {
    return this.#ranges[index >> RANGE_SHIFT] as Uint8Array;
  }

  #index(mfn: number): number {
    if (!this.valid(mfn)) {
      throw new RangeError(
        `expected a frame of this host, ${this.firstMfn} to ${this.firstMfn + this.frames - 1}, found ${mfn}`,
      );
    }
    return mfn - this.firstMfn;
  }

  #offset(address: number, length: number): number {
    const offset = address - this.#firstAddress;
    if (!(offset >= 0 && offset + length <= this.frames * PAGE_SIZE)) {
      throw new RangeError(
        `expected ${length} bytes of this host's memory, found machine address 0x${address.toString(16)}`,
      );
    }
    return offset;
  }
}
