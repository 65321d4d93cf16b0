import { EventQueue } from './event-queue.ts';
import { Faults } from './faults.ts';
import { Random } from './random.ts';
import { Trace } from './trace.ts';

/**
 * A world's time: one clock, one queue, one seed.
 *
 * `now_ns` is the time of the event being handled. A processor that works while it handles an event moves it on
 * with {@link spend}; the next event starts at its own time, so that two processors run side by side although
 * one loop serves both.
 */
export class Sim {
  now_ns = 0;
  /** Events handled so far; the number of the one being handled. */
  events = 0;
  readonly random: Random;
  readonly trace: Trace = new Trace();
  readonly faults: Faults = new Faults();
  readonly #queue = new EventQueue();

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Runs `run` at `time_ns`, or now if that is past. @returns the event's number */
  at(time_ns: number, run: () => void): number {
    return this.#queue.push(Math.max(this.now_ns, Math.ceil(time_ns)), run);
  }

  /** Runs `run` in `delay_ns`. @returns the event's number */
  after(delay_ns: number, run: () => void): number {
    return this.at(this.now_ns + delay_ns, run);
  }

  cancel(event: number): void {
    this.#queue.cancel(event);
  }

  /** Time passes within the event being handled. */
  spend(ns: number): void {
    this.now_ns += ns;
  }

  /** When the next event is due; Infinity when none is. */
  get nextTime_ns(): number {
    return this.#queue.nextTime_ns;
  }

  /** Handles the next event. @returns false when there is none */
  step(): boolean {
    const event = this.#queue.pop();
    if (event === undefined) return false;
    this.now_ns = event.time_ns;
    this.events++;
    event.run();
    return true;
  }

  /** Handles events until `done` or until none is left. @returns whether `done` */
  runUntil(done: () => boolean): boolean {
    while (!done()) if (!this.step()) return done();
    return true;
  }

  /** Handles what is due in the next `ns` of virtual time; the clock has gone on so far, whatever there was. */
  runFor(ns: number): void {
    let over = false;
    this.after(ns, () => {
      over = true;
    });
    this.runUntil(() => over);
  }

  tell(subsystem: string, text: string): void {
    this.trace.tell(this.now_ns, subsystem, text);
  }
}
