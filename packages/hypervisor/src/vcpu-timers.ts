/*
 * A vCPU's two timers, both of which raise VIRQ_TIMER (xen/common/sched/core.c).
 *
 *     singleshot   set_timer_op, VCPUOP_set_singleshot_timer: at a system time, whatever the vCPU does then
 *     periodic     100 Hz from the vCPU's creation until VCPUOP_stop_periodic_timer; it ticks only while the vCPU has a processor:
 *                  a tick that fell due while it waited comes when it gets one, and a blocked vCPU is not woken
 *
 * Neither is part of a vCPU's context: a restored domain has the periodic one and no other.
 */
import { VIRQ_TIMER } from '@port-xen/abi';
import type { GuestVcpu } from './guest-vcpu.ts';

const PERIOD_DEFAULT_NS = 10_000_000;

export class VcpuTimers {
  readonly #vcpu: GuestVcpu;
  #singleshot = 0;
  #period_ns = PERIOD_DEFAULT_NS;
  /** Host time; of the first one: when Xen started. */
  #lastTick_ns: number;

  constructor(vcpu: GuestVcpu) {
    this.#vcpu = vcpu;
    this.#lastTick_ns = -1e9 * vcpu.domain.xen.clock.epoch_s;
  }

  /** Arms the singleshot timer. @param timeout_ns host time; a past one fires at once */
  arm(timeout_ns: number): void {
    const { sim, clock } = this.#vcpu.domain.xen;
    sim.cancel(this.#singleshot);
    this.#singleshot = sim.at(clock.worldTime_ns(timeout_ns), () => this.#fire());
  }

  /** Stops the singleshot timer. */
  disarm(): void {
    this.#vcpu.domain.xen.sim.cancel(this.#singleshot);
  }

  /** vcpu_set_periodic_timer; 0 stops it. */
  setPeriod(period_ns: number): void {
    this.#period_ns = period_ns;
    this.tick();
  }

  /** vcpu_periodic_timer_work: a tick, if one is due. */
  tick(): void {
    if (this.#period_ns === 0) return;
    const now = this.#vcpu.domain.xen.clock.now_ns();
    if (now < this.#lastTick_ns + this.#period_ns) return;
    this.#lastTick_ns = now;
    this.#fire();
  }

  /** When the next tick is due, in the world's time; Infinity without a period. */
  get nextTick_ns(): number {
    if (this.#period_ns === 0) return Number.POSITIVE_INFINITY;
    return this.#vcpu.domain.xen.clock.worldTime_ns(this.#lastTick_ns + this.#period_ns);
  }

  #fire(): void {
    this.#vcpu.domain.evtchn.sendVirq(VIRQ_TIMER, this.#vcpu.id);
  }
}
