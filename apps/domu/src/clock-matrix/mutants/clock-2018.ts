/*
 * xen_clock.c since 2018. Resume binds the timer, stops the periodic one and arms the one-shot, but for a moment in the old
 * host's system time; a clamp keeps the clock from going back. On a younger host the clock stands where it stood, no
 * timer interrupts and nobody wakes until the host has been up as long as the old one.
 */
import { SingleShotClock } from './single-shot-clock.ts';

export class Clock2018 extends SingleShotClock {
  override since_ns(low: number, high: number): number {
    const ns = super.since_ns(low, high);
    return ns < 0 ? this.d.suspend_since_tick : ns;
  }

  override count(): number {
    return this.untilNow_ns() < 0 ? 0 : super.count();
  }
}
