/** Puts a state stream together, little-endian. */
export class StateWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value).u8(value >>> 8);
  }

  u32(value: number): this {
    return this.u16(value).u16(value >>> 16);
  }

  bytes(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Zeros up to the next multiple of 8. */
  align(): this {
    while (this.#length % 8 !== 0) this.u8(0);
    return this;
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const bytes = new Uint8Array(2 * (this.#length + count));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}

/** Takes a part of a state stream apart, in either byte order; what lies outside throws. */
export class StateReader {
  readonly #stream: Uint8Array;
  readonly #end: number;
  readonly #big: boolean;
  #at: number;

  constructor(stream: Uint8Array, from: number, to: number, big: boolean) {
    this.#stream = stream;
    this.#at = from;
    this.#end = to;
    this.#big = big;
  }

  u8(): number {
    return this.bytes(1)[0] as number;
  }

  u16(): number {
    const [a, b] = [this.u8(), this.u8()];
    return this.#big ? (a << 8) | b : a | (b << 8);
  }

  u32(): number {
    const [a, b] = [this.u16(), this.u16()];
    return (this.#big ? (a << 16) | b : a | (b << 16)) >>> 0;
  }

  /** A word of the header, which is big-endian in every stream. */
  u32Big(): number {
    const word = this.bytes(4);
    return new DataView(word.buffer, word.byteOffset).getUint32(0);
  }

  /** The next `count` bytes, copied. */
  bytes(count: number): Uint8Array {
    if (count > this.#end - this.#at) {
      throw this.error(`${count} bytes more`, `${this.#end - this.#at}`);
    }
    this.#at += count;
    return this.#stream.slice(this.#at - count, this.#at);
  }

  /** A reader of the next `count` bytes, which this one passes over. */
  part(count: number): StateReader {
    if (count > this.#end - this.#at) {
      throw this.error(`a record of ${count} bytes`, `${this.#end - this.#at} left`);
    }
    this.#at += count;
    return new StateReader(this.#stream, this.#at - count, this.#at, this.#big);
  }

  /** Passes over the padding up to the next multiple of 8. */
  align(): void {
    this.#at = Math.min(this.#end, Math.ceil(this.#at / 8) * 8);
  }

  error(expected: string, found: string): Error {
    return new Error(
      `expected ${expected} in the xenstore state stream, found ${found} at byte ${this.#at}`,
    );
  }
}
