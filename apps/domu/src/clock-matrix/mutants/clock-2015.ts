/*
 * clock.c up to 2017. Resume binds the timer's event and nothing else. The handler calls hardclock() for every tick between
 * the system time it remembers and the one it reads; the timecounter has 32 bits, and only hardclock() winds it up.
 *
 *     host up for longer   the handler calls hardclock() for time that never was: an hour is 360,000 calls, and monotonic
 *                          time jumps by it
 *     younger host         no tick is due until the host has been up as long as the old one; time runs on for 4.295 s,
 *                          falls back, and runs on again
 *     same domain          Xen's periodic timer, which saves a new domain, was stopped at boot, and the one-shot has fired
 *                          into a closed port: no tick comes ever again
 */
import { NS_PER_TICK } from '@port-xen/clock';
import { SingleShotClock } from './single-shot-clock.ts';

const WRAP_NS = 2 ** 32;
/** Virtual time of a hardclock(). */
const HARDCLOCK_NS = 1000;

export class Clock2015 extends SingleShotClock {
  override since_ns(low: number, high: number): number {
    const ns = super.since_ns(low, high);
    return ns - Math.floor(ns / WRAP_NS) * WRAP_NS;
  }

  override count(): number {
    const due = Math.floor(this.untilNow_ns() / NS_PER_TICK);
    if (due <= 0) return 0;
    this.cpu.spend(due * HARDCLOCK_NS);
    this.advance(due);
    return due;
  }

  override startTicks(): void {
    if (this.d.resumes === 0) super.startTicks();
    else this.d.armed_tick = 0;
  }
}
