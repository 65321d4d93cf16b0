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

const IDLE = Number.POSITIVE_INFINITY;
/** Later than any event, and not IDLE. */
const BUSY = Number.MAX_VALUE;

export class Scheduler {
  readonly slice_ns = 1_000_000;
  readonly #sim: Sim;
  readonly #line: Waiting[] = [];
  readonly #freeAt_ns: Float64Array;
  /** When each processor looks at the line next; IDLE when somebody has to tell it. */
  readonly #dispatchAt_ns: Float64Array;
  /** The one event of the queue that is the earliest of these: others' do not cut a slice short. */
  #event = 0;
  #eventAt_ns = IDLE;

  constructor(sim: Sim, processors: number) {
    this.#sim = sim;
    this.#freeAt_ns = new Float64Array(processors);
    this.#dispatchAt_ns = new Float64Array(processors).fill(IDLE);
  }

  /** Puts somebody at the end of the line. @param ready_ns when it could run at the earliest, in the world's time */
  enqueue(runner: Runner, ready_ns: number): void {
    this.#line.push({ runner, ready_ns });
    let best = -1;
    const free_ns = this.#freeAt_ns;
    for (let i = 0; i < free_ns.length; i++) {
      if (this.#dispatchAt_ns[i] !== IDLE) continue;
      if (best < 0 || (free_ns[i] as number) < (free_ns[best] as number)) best = i;
    }
    if (best < 0) return;
    this.#wake(best, ready_ns);
    this.#arm();
  }

  #wake(processor: number, ready_ns: number): void {
    this.#dispatchAt_ns[processor] = Math.max(ready_ns, this.#freeAt_ns[processor] as number);
  }

  /** The processor that looks at the line first. */
  #next(): number {
    let next = 0;
    const at_ns = this.#dispatchAt_ns;
    for (let i = 1; i < at_ns.length; i++) {
      if ((at_ns[i] as number) < (at_ns[next] as number)) next = i;
    }
    return next;
  }

  #arm(): void {
    const at_ns = this.#dispatchAt_ns[this.#next()] as number;
    if (at_ns >= this.#eventAt_ns) return;
    this.#sim.cancel(this.#event);
    this.#eventAt_ns = at_ns;
    this.#event = this.#sim.at(at_ns, () => this.#dispatch(this.#next()));
  }

  #dispatch(processor: number): void {
    this.#eventAt_ns = IDLE;
    this.#dispatchAt_ns[processor] = IDLE;
    const now = this.#sim.now_ns;
    for (let i = 0; i < this.#line.length; ) {
      const { runner, ready_ns } = this.#line[i] as Waiting;
      if (ready_ns > now) {
        i++;
        continue;
      }
      this.#line.splice(i, 1);
      // Who wakes others in its slice wakes other processors: this one is at work.
      this.#dispatchAt_ns[processor] = BUSY;
      const ran = runner.slice();
      this.#dispatchAt_ns[processor] = IDLE;
      if (!ran) continue;
      this.#freeAt_ns[processor] = this.#sim.now_ns;
      break;
    }
    let ready_ns = IDLE;
    for (const waiting of this.#line) ready_ns = Math.min(ready_ns, waiting.ready_ns);
    if (ready_ns !== IDLE) this.#wake(processor, ready_ns);
    this.#arm();
  }
}
