/*
 * xen_clock.c since 2018. Resume binds the timer, stops the periodic one and arms the one-shot, but for a moment in the old
 * host's system time; a clamp keeps the clock from going back. On a younger host the clock stands where it stood, no
 * timer interrupts and nobody wakes until the host has been up as long as the old one.
 */
import { vcpu_runstate_info } from '@port-xen/abi';
import { SingleShotClock } from './single-shot-clock.ts';

const TWO_32 = 0x1_0000_0000;

export class Clock2018 extends SingleShotClock {
  override since_ns(low: number, high: number): number {
    const ns = super.since_ns(low, high);
    if (ns >= 0) return ns;
    const stop = this.d.left.address + vcpu_runstate_info.offset.state_entry_time;
    const { memory } = this.cpu;
    return (memory.ld32(stop + 4) - high) * TWO_32 + ((memory.ld32(stop) >>> 0) - (low >>> 0));
  }

  override count(): number {
    return this.untilNow_ns() < 0 ? 0 : super.count();
  }
}
