import { XenstoreError } from '@port-xen/xenstore';

/** How many different paths may wait for a slow reader of a watch. */
const WAITING_MAX = 65_536;

/**
 * The events of one watch, as an async iterator of the paths that changed. A path that changes again before it is
 * read is told once. Leaving the loop ends the watch.
 */
export class WatchStream implements AsyncIterableIterator<string> {
  readonly #waiting = new Set<string>();
  readonly #end: () => Promise<void>;
  #wake: { resolve: () => void; reject: (reason: Error) => void } | undefined;
  #failure: Error | undefined;
  #ended = false;

  /** @param end stops the watch at the daemon */
  constructor(end: () => Promise<void>) {
    this.#end = end;
  }

  /** An event came. */
  push(path: string): void {
    if (this.#ended) return;
    if (this.#waiting.size >= WAITING_MAX) {
      this.fail(
        new XenstoreError('ENOSPC', `watch of which ${WAITING_MAX} events wait to be read`),
      );
      return;
    }
    this.#waiting.add(path);
    this.#wake?.resolve();
  }

  /** No event comes any more; the reader is told why after what waits. */
  fail(reason: Error): void {
    this.#failure = reason;
    this.#wake?.reject(reason);
  }

  async next(): Promise<IteratorResult<string>> {
    while (!this.#ended) {
      for (const path of this.#waiting) {
        this.#waiting.delete(path);
        return { value: path, done: false };
      }
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve, reject) => {
        this.#wake = { resolve, reject };
      });
      this.#wake = undefined;
    }
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<string>> {
    if (!this.#ended) {
      this.#ended = true;
      this.#wake?.resolve();
      if (this.#failure === undefined) await this.#end();
    }
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
