/*
 * Pages that come into frames nobody has written yet. Those are zero already, and much of what a guest has is: a page of
 * zeroes is left out, so that the machine below need not give memory for it. What a run of pages begins with tells what
 * to expect: when it is no zeroes, the rest goes straight into its frames.
 */
import type { BodyReader } from '@port-xen/migration-stream';

const PAGE = 4096;
/** Bytes that are looked at on the way: they stay in the processor's cache. */
const STAGE = 16 * PAGE;

const isZero = (words: Int32Array, from: number, to: number): boolean => {
  for (let i = from; i < to; i += 4) {
    const a = (words[i] as number) | (words[i + 1] as number);
    const b = (words[i + 2] as number) | (words[i + 3] as number);
    if ((a | b) !== 0) return false;
  }
  return true;
};

/** Reads pages into frames that are zero. */
export class FreshPages {
  readonly #words = new Int32Array(STAGE / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  /** Fills `into`, whole pages that are zero. */
  read(into: Uint8Array, readPage: BodyReader): void {
    let at = 0;
    for (let zeroes = true; zeroes && at < into.length; ) {
      const part = this.#bytes.subarray(0, Math.min(STAGE, into.length - at));
      readPage(part);
      zeroes = this.#scatter(part, into, at);
      at += part.length;
    }
    if (at < into.length) readPage(into.subarray(at));
  }

  /** Copies the pages of `part` that are not zero. @returns whether any was zero */
  #scatter(part: Uint8Array, into: Uint8Array, at: number): boolean {
    let zeroes = false;
    for (let from = 0; from < part.length; from += PAGE) {
      if (isZero(this.#words, from / 4, (from + PAGE) / 4)) zeroes = true;
      else into.set(part.subarray(from, from + PAGE), at + from);
    }
    return zeroes;
  }
}
