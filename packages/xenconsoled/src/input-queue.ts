/*
 * What was typed and has not fitted into the guest's ring yet: a list of chunks and how much of the first is gone.
 * It holds a megabyte (the `console/limit` that libxl writes); what comes after that is refused, as a pty refuses.
 */

const LIMIT_BYTES = 1_048_576;

/** Bytes on their way to a guest. */
export class InputQueue {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns how many of the bytes were taken */
  add(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, LIMIT_BYTES - this.#bytes);
    if (count > 0) this.#chunks.push(bytes.slice(0, count));
    this.#bytes += count;
    return count;
  }

  /**
   * Gives bytes away until `sink` takes less than it was offered.
   * @param sink how many of the bytes offered it took
   */
  drain(sink: (bytes: Uint8Array) => number): void {
    for (;;) {
      const [first] = this.#chunks;
      if (first === undefined) return;
      const taken = sink(first);
      this.#bytes -= taken;
      if (taken < first.length) {
        this.#chunks[0] = first.subarray(taken);
        return;
      }
      this.#chunks.shift();
    }
  }
}
