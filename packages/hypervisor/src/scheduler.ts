/*
 * Who gets a processor of the host, and when. vCPUs that want one stand in one line; whoever is first and ready gets the next free
 * processor for a slice of at most 1 ms, and stands at the end of the line again if it wants more. So a guest that never yields
 * delays each other one by a slice at a time.
 *
 *     line ──► processor 0, free at t0 ──┐
 *         └──► processor 1, free at t1 ──┴──► the end of the line, or out of it
 *
 * Processors work side by side in virtual time, though one loop serves them: a slice ends later than the event that it is, and who ran in
 * it is not ready before its end.
 */
import type { Sim } from '@port-xen/sim';

/** Who runs. */
export interface Runner {
  /** Runs for a slice, if it still may. @returns whether it did */
  slice(): boolean;
}

interface Waiting {
  readonly runner: Runner;
  readonly ready_ns: number;
}

export class Scheduler {
  readonly slice_ns = 1_000_000;
  readonly #sim: Sim;
  readonly #line: Waiting[] = [];
  readonly #freeAt_ns: Float64Array;
  /** A processor that will look at the line. */
  readonly #armed: boolean[];

  constructor(sim: Sim, processors: number) {
    this.#sim = sim;
    this.#freeAt_ns = new Float64Array(processors);
    this.#armed = new Array(processors).fill(false);
  }

  /** Puts somebody at the end of the line. @param ready_ns when it could run at the earliest, in the world's time */
  enqueue(runner: Runner, ready_ns: number): void {
    this.#line.push({ runner, ready_ns });
    let best = -1;
    this.#freeAt_ns.forEach((free_ns, i) => {
      if (this.#armed[i]) return;
      if (best < 0 || free_ns < (this.#freeAt_ns[best] as number)) best = i;
    });
    if (best >= 0) this.#arm(best, ready_ns);
  }

  #arm(processor: number, ready_ns: number): void {
    this.#armed[processor] = true;
    const at_ns = Math.max(ready_ns, this.#freeAt_ns[processor] as number);
    this.#sim.at(at_ns, () => this.#dispatch(processor));
  }

  #dispatch(processor: number): void {
    this.#armed[processor] = false;
    const now = this.#sim.now_ns;
    for (let i = 0; i < this.#line.length; ) {
      const { runner, ready_ns } = this.#line[i] as Waiting;
      if (ready_ns > now) {
        i++;
        continue;
      }
      this.#line.splice(i, 1);
      if (!runner.slice()) continue;
      this.#freeAt_ns[processor] = this.#sim.now_ns;
      break;
    }
    if (this.#armed[processor] || this.#line.length === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const { ready_ns } of this.#line) next = Math.min(next, ready_ns);
    this.#arm(processor, next);
  }
}
