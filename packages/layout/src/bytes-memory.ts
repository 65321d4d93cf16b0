import type { Memory } from './memory.ts';

/**
 * A byte array as a memory: `base` is the address of its first byte.
 *
 * An access that leaves the array throws a RangeError.
 */
export class BytesMemory implements Memory {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, base = 0) {
    this.bytes = bytes;
    this.base = base;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  ld8(address: number): number {
    return this.#view.getUint8(address - this.base);
  }
  ld16(address: number): number {
    return this.#view.getUint16(address - this.base, true);
  }
  ld32(address: number): number {
    return this.#view.getInt32(address - this.base, true);
  }
  st8(address: number, value: number): void {
    this.#view.setUint8(address - this.base, value);
  }
  st16(address: number, value: number): void {
    this.#view.setUint16(address - this.base, value, true);
  }
  st32(address: number, value: number): void {
    this.#view.setInt32(address - this.base, value, true);
  }
  read(address: number, into: Uint8Array): void {
    into.set(this.#range(address, into.length));
  }
  write(address: number, from: Uint8Array): void {
    this.#range(address, from.length).set(from);
  }

  #range(address: number, length: number): Uint8Array {
    const start = address - this.base;
    if (start < 0 || start + length > this.bytes.length) {
      throw new RangeError(
        `expected ${length} bytes within [${this.base}, ${this.base + this.bytes.length}), found address ${address}`,
      );
    }
    return this.bytes.subarray(start, start + length);
  }
}
