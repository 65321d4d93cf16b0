/*
 * Processors of a host and until when each is taken. A vCPU runs in slices of 1 ms at most; the next in line starts when the
 * processor is free, so a guest that never yields delays others by a slice at a time.
 */
export class Scheduler {
  readonly slice_ns = 1_000_000;
  readonly #freeAt_ns: Float64Array;

  constructor(processors: number) {
    this.#freeAt_ns = new Float64Array(processors);
  }

  /** The processor that is free first. */
  pick(): number {
    let best = 0;
    this.#freeAt_ns.forEach((time, i) => {
      if (time < (this.#freeAt_ns[best] as number)) best = i;
    });
    return best;
  }

  /** When a processor is free, in the world's time. */
  freeAt(processor: number): number {
    return this.#freeAt_ns[processor] as number;
  }

  /** A slice ended. */
  release(processor: number, now_ns: number): void {
    this.#freeAt_ns[processor] = now_ns;
  }
}
