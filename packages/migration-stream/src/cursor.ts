/*
 * A place in a file that is read once, front to back: the bytes consumed so far, the record that is being
 * read, and the errors that name both.
 *
 * It asks the source for exactly the bytes that it needs and never for more, so that what follows a stream
 * (libxl's own records after libxc's, a migration's handshake after the whole image) is left for others.
 * Memory is never taken on a length's word: a body grows as its bytes arrive.
 */
import { BytesMemory } from '@port-xen/layout';
import { StreamError } from './stream-error.ts';

/** Where a save file comes from: a file, a socket, bytes in memory. */
export interface Source {
  /**
   * Reads the next bytes into `into`, fewer than it holds if need be.
   *
   * @returns how many; 0 only at the end
   */
  read(into: Uint8Array): number;
  /**
   * Passes over the next bytes, as far as there are any: for a source that can without reading them.
   *
   * @returns how many; fewer than `length` only at the end
   */
  skip?(length: number): number;
}

const SCRATCH_SIZE = 64 * 1024;

export class Cursor {
  readonly #source: Source;
  readonly #scratch = new Uint8Array(SCRATCH_SIZE);
  /** What {@link take} gave last, from address 0 on, until the next read. */
  readonly memory = new BytesMemory(this.#scratch);
  /** The same as little-endian 32-bit words. */
  readonly words = new Int32Array(this.#scratch.buffer);
  /** The record that is being read, for errors. */
  record: string | undefined;
  /** Offset of its header. */
  recordOffset = 0;
  /** Where its body begins, and how long that is, padding included. */
  #body = { offset: 0, length: 0 };
  #offset = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Bytes consumed. */
  get offset(): number {
    return this.#offset;
  }

  /** A record's header was read, which is at `offset` and says `length`. */
  enterRecord(name: string, offset: number, length: number): void {
    this.record = name;
    this.recordOffset = offset;
    this.#body = { offset: this.#offset, length: Math.ceil(length / 8) * 8 };
  }

  /** Between records again. */
  leaveRecord(): void {
    this.record = undefined;
    this.recordOffset = this.#offset;
  }

  /** Fills `into`. @throws StreamError when the file ends before */
  fill(into: Uint8Array, what: string): void {
    for (let done = 0; done < into.length; ) {
      const got = this.#read(done === 0 ? into : into.subarray(done));
      if (got === 0) throw this.#truncated(into.length, what, done);
      done += got;
    }
  }

  /** The next `length` bytes, at most 64 KiB, until the next read: also through `memory` and `words`. */
  take(length: number, what: string): Uint8Array {
    const bytes = this.#scratch.subarray(0, length);
    this.fill(bytes, what);
    return bytes;
  }

  /** The next `length` bytes, to keep. */
  body(length: number, what: string): Uint8Array<ArrayBuffer> {
    let bytes = new Uint8Array(Math.min(length, SCRATCH_SIZE));
    let done = 0;
    while (done < length) {
      if (done === bytes.length) {
        const larger = new Uint8Array(Math.min(length, done * 2));
        larger.set(bytes);
        bytes = larger;
      }
      this.fill(bytes.subarray(done), what);
      done = bytes.length;
    }
    return bytes;
  }

  /** Passes over the next `length` bytes, without reading them when the source can. */
  skip(length: number, what: string): void {
    let done = 0;
    if (length > SCRATCH_SIZE && this.#source.skip !== undefined) {
      done = this.#counted(this.#source.skip(length), length);
    }
    while (done < length) {
      const got = this.#read(this.#scratch.subarray(0, Math.min(length - done, SCRATCH_SIZE)));
      if (got === 0) throw this.#truncated(length, what, done);
      done += got;
    }
  }

  /** An error about the record that is being read, or about the byte that comes next. */
  error(words: string, expected: string, found: string, offset?: number): StreamError {
    return new StreamError({
      words,
      expected,
      found,
      offset: offset ?? (this.record === undefined ? this.#offset : this.recordOffset),
      record: this.record,
    });
  }

  #read(into: Uint8Array): number {
    return this.#counted(this.#source.read(into), into.length);
  }

  /** Bytes that the source says it has given or passed over. */
  #counted(got: number, most: number): number {
    if (!Number.isInteger(got) || got < 0 || got > most) {
      throw new RangeError(`expected a source to read 0 … ${most} bytes, found ${got}`);
    }
    this.#offset += got;
    return got;
  }

  /** Of a record it tells the whole: in which portions it is read is the reader's own business. */
  #truncated(length: number, what: string, done: number): StreamError {
    const whole = this.record === undefined ? length : this.#body.length;
    const found = this.record === undefined ? done : this.#offset - this.#body.offset;
    const end = `the end of the file after ${found}`;
    return this.error('Savefile truncated.', `${whole} bytes of ${what}`, end);
  }
}
