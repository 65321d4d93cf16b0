/*
 * Callouts (callout(9)): "call func(arg) in n ticks". A list in guest memory, ordered by due tick; ties keep the order
 * in which they were set.
 *
 * hardclock() counts ticks and, when the first callout is due, schedules softclock(), which runs all that are due.
 */
import { i64, struct, u32, u64, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import type { Softint } from './softint.ts';
import { IPL_SOFTCLOCK } from './spl.ts';
import { leaf, type Text } from './text.ts';

export const CALLOUT_PENDING = 1;
export const CALLOUT_FIRED = 2;

/** A callout, wherever its owner keeps it. */
export const callout = struct('callout', {
  c_next: i64,
  c_time: u64,
  c_func: i64,
  c_arg: i64,
  c_flags: u32,
});

export const callout_data = struct('callout_data', {
  /** Ticks since boot (`hardclock_ticks`). */
  ticks: u64,
  c_head: i64,
  softclock: i64,
});

export class Callout {
  readonly cpu: Cpu;
  readonly data: number;
  readonly softint: Softint;

  constructor(cpu: Cpu, data: number, softint: Softint) {
    this.cpu = cpu;
    this.data = data;
    this.softint = softint;
  }

  get #d(): View<typeof callout_data> {
    return callout_data.at(this.cpu.memory, this.data);
  }

  #at(address: number): View<typeof callout> {
    return callout.at(this.cpu.memory, address);
  }

  /** Once, at boot. */
  init(): void {
    this.#d.softclock = this.softint.establish(IPL_SOFTCLOCK, this.cpu.sym('softclock'), 0);
  }

  get ticks(): number {
    return this.#d.ticks;
  }

  /** The tick at which the first callout is due; Infinity when none is set. */
  get firstDue(): number {
    const head = this.#d.c_head;
    return head === 0 ? Number.POSITIVE_INFINITY : this.#at(head).c_time;
  }

  /** callout_reset(9): (re)sets the callout at `address`. */
  reset(address: number, ticks: number, func: number, arg: number): void {
    this.stop(address);
    const c = this.#at(address);
    const d = this.#d;
    c.c_time = d.ticks + Math.max(1, ticks);
    c.c_func = func;
    c.c_arg = arg;
    c.c_flags = CALLOUT_PENDING;
    let previous = 0;
    let next = d.c_head;
    while (next !== 0 && this.#at(next).c_time <= c.c_time) {
      previous = next;
      next = this.#at(next).c_next;
    }
    c.c_next = next;
    if (previous === 0) d.c_head = address;
    else this.#at(previous).c_next = address;
  }

  /** callout_stop(9). @returns whether it had already fired */
  stop(address: number): boolean {
    const c = this.#at(address);
    if ((c.c_flags & CALLOUT_PENDING) === 0) return (c.c_flags & CALLOUT_FIRED) !== 0;
    const d = this.#d;
    if (d.c_head === address) d.c_head = c.c_next;
    else {
      let previous = d.c_head;
      while (this.#at(previous).c_next !== address) previous = this.#at(previous).c_next;
      this.#at(previous).c_next = c.c_next;
    }
    c.c_flags = 0;
    return false;
  }

  /**
   * Ticks passed: called by the clock at IPL_SCHED. Any number of them costs one pass: a callout that is due runs once,
   * however long ago that was.
   */
  hardclock(ticks = 1): void {
    const d = this.#d;
    d.ticks += ticks;
    if (this.firstDue <= d.ticks) this.softint.schedule(d.softclock);
  }

  /** Runs every callout that is due, in order. */
  softclock(): void {
    const d = this.#d;
    while (d.c_head !== 0 && this.#at(d.c_head).c_time <= d.ticks) {
      const c = this.#at(d.c_head);
      d.c_head = c.c_next;
      c.c_flags = CALLOUT_FIRED;
      this.cpu.call(c.c_func, c.c_arg);
    }
  }
}

export const calloutText: Text<Callout> = {
  softclock: leaf((m) => m.softclock()),
};
