/*
 * What was typed and is not known to be the guest's. A save takes a guest away with what is in its pages; the rest is still here.
 */
export class Untaken {
  #bytes: Buffer = Buffer.alloc(0);

  typed(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  taken(count: number): void {
    this.#bytes = this.#bytes.subarray(count);
  }

  /** What to say when nobody will take the rest any more; '' when there is none. */
  get sentence(): string {
    const { length } = this.#bytes;
    if (length === 0) return '';
    const text = JSON.stringify(this.#bytes.toString('latin1'));
    return `the domain went before it had taken the last ${length} bytes typed: ${text}`;
  }
}
