/*
 * A disk with one arm. Requests are served one after the other in virtual time; each takes 300 µs give or take
 * 30 %, and a nanosecond for each byte. Now and then the arm finds the second request of the queue nearer than the
 * first and takes it first, as real disks do; so requests complete out of order. It never does so across a
 * request that orders (a barrier or a flush), and never passes the same request twice, so none waits for ever.
 *
 *     queue:  [being served] [next] [after next] …
 *                              └──────┘ swapped one time in eight, unless either orders or `next` was passed
 */
import type { Random, Sim } from '@port-xen/sim';

const SEEK_NS = 300_000;
const SEEK_SPREAD_NS = 90_000;
const NS_PER_BYTE = 1;
const ONE_SWAP_IN = 8;

/** Something to be done when the arm has got there. */
export interface Job {
  readonly bytes: number;
  /** Everything before it is done before it, everything after it after it. */
  readonly orders: boolean;
  run(): void;
}

interface Queued {
  readonly job: Job;
  passed: boolean;
}

/** Serves jobs one at a time, each as a simulation event of its own. */
export class Spindle {
  readonly #sim: Sim;
  readonly #random: Random;
  readonly #queue: Queued[] = [];
  #event: number | undefined;

  /** @param random the disk's own stream */
  constructor(sim: Sim, random: Random) {
    this.#sim = sim;
    this.#random = random;
  }

  /** How many jobs are not done yet, the one being served included. */
  get pending(): number {
    return this.#queue.length;
  }

  submit(job: Job): void {
    this.#queue.push({ job, passed: false });
    if (this.#event === undefined) this.#start();
  }

  /** Forgets every job; none of them is done. */
  abandon(): void {
    if (this.#event !== undefined) this.#sim.cancel(this.#event);
    this.#event = undefined;
    this.#queue.length = 0;
  }

  /** Does every job there is, now and in its order. */
  finish(): void {
    while (this.#queue.length > 0) {
      const { job } = this.#queue.shift() as Queued;
      job.run();
    }
    this.abandon();
  }

  #start(): void {
    const [first, second] = this.#queue;
    if (first === undefined) return;
    if (
      second !== undefined &&
      !first.passed &&
      !first.job.orders &&
      !second.job.orders &&
      this.#random.below(ONE_SWAP_IN) === 0
    ) {
      first.passed = true;
      this.#queue[0] = second;
      this.#queue[1] = first;
    }
    const { job } = this.#queue[0] as Queued;
    const seek_ns = SEEK_NS + this.#random.between(-SEEK_SPREAD_NS, SEEK_SPREAD_NS);
    this.#event = this.#sim.after(seek_ns + job.bytes * NS_PER_BYTE, () => {
      this.#event = undefined;
      this.#queue.shift();
      job.run();
      // The job may have submitted another, or abandoned all.
      if (this.#event === undefined) this.#start();
    });
  }
}
