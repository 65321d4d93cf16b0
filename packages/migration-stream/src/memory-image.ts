/*
 * An image that is nowhere but in memory: a sink while it is written, a file as soon as it is read. What a sink is given is its own only
 * until `write` returns, so it is copied; bytes that it is made of are not.
 */
import type { ImageFile } from './image-file.ts';
import type { Sink } from './record-output.ts';

export class MemoryImage implements Sink, ImageFile {
  /** One after the other. */
  #parts: Uint8Array[];
  #size: number;

  /** @param bytes what it begins with; nobody may change them from now on */
  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#parts = [bytes];
    this.#size = bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  /** All of it; nobody may change it. */
  get bytes(): Uint8Array {
    if (this.#parts.length === 1) return this.#parts[0] as Uint8Array;
    const whole = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#parts = [whole];
    return whole;
  }

  write(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) {
      this.#parts.push(chunk.slice());
      this.#size += chunk.length;
    }
  }

  readAt(offset: number, into: Uint8Array): number {
    const some = this.bytes.subarray(offset, offset + into.length);
    into.set(some);
    return some.length;
  }
}
