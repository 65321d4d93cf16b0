/*
 * What clock.c up to 2017 and xen_clock.c since have in common: the one-shot timer is armed for every tick by the tick
 * before it, also in an idle guest, and nobody reads the host's wall clock on resume.
 */
import { Clock, clock_data, Timecounter } from '@port-xen/clock';

export class SingleShotClock extends Clock {
  override timer(): void {
    const d = this.d;
    d.armed_tick = 0;
    d.ticks_at_once = Math.max(d.ticks_at_once, this.count());
    this.arm(1);
  }

  /** From the last tick to now, which on a younger host is before it. */
  untilNow_ns(): number {
    const base = this.cpu.load(this.data + clock_data.offset.hard_base, 2);
    return Timecounter.prototype.since_ns.call(this, base[0] as number, base[1] as number);
  }

  override idle(): void {}
  override event(): void {}
  override busy(): void {}

  /** What the clock remembers is the old host's. */
  override rebase(): void {}

  override resynchronise(): void {}
}
