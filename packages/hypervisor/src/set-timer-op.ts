/*
 * HYPERVISOR_set_timer_op(timeout) (do_set_timer_op, xen/common/sched/core.c): the singleshot timer, at a system time.
 */
import type { GuestVcpu } from './guest-vcpu.ts';

/** Linux's jiffies wrap: a time that is negative or this far ahead is taken for one in 100 ms. About 13 days. */
const TIMEOUT_FAR_NS = 2 ** 50;
const TIMEOUT_SUBSTITUTE_NS = 100_000_000;

/** @param low of the timeout, 64 bits with @param high: 0 stops the timer, a past time fires at once */
export const setTimerOp = (vcpu: GuestVcpu, low: number, high: number): number => {
  if (low === 0 && high === 0) {
    vcpu.timers.disarm();
    return 0;
  }
  const { clock } = vcpu.domain.xen;
  const now = clock.now_ns();
  const timeout_ns = clock.hostTime_ns(low, high);
  const absurd = high < 0 || timeout_ns - now >= TIMEOUT_FAR_NS;
  vcpu.timers.arm(absurd ? now + TIMEOUT_SUBSTITUTE_NS : timeout_ns);
  return 0;
};
