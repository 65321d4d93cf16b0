/*
 * A tick every ten milliseconds, by Xen's one-shot timer, for kernels that bring no clock.
 */
import {
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  VCPUOP_stop_periodic_timer,
  VIRQ_TIMER,
  vcpu_info,
  vcpu_time_info,
} from '@port-xen/abi';
import { IPL_SCHED, leaf, type Text } from '@port-xen/kern';
import type { TestMachine } from './test-machine.ts';

const TICK_NS = 10_000_000;

/** Nanoseconds since Xen started, exact enough for ticks. */
const systemTime_ns = ({ base }: TestMachine): number => {
  const { time } = vcpu_info.at(base.cpu.memory, base.kern.spl.vcpu);
  const stamp = time.address + vcpu_time_info.offset.tsc_timestamp;
  const { memory } = base.cpu;
  const delta = base.cpu.tscSince(memory.ld32(stamp), memory.ld32(stamp + 4));
  const elapsed = delta * 2 ** time.tsc_shift;
  return time.system_time + Math.floor((elapsed * time.tsc_to_system_mul) / 2 ** 32);
};

const armTick = (m: TestMachine): void => {
  m.base.cpu.hypercall(__HYPERVISOR_set_timer_op, systemTime_ns(m) + TICK_NS);
};

export const startTicks = (m: TestMachine): void => {
  const { base, parts } = m;
  if (parts.clock !== undefined) return;
  const port = parts.evtchn.bindVirq(VIRQ_TIMER);
  parts.evtchn.setHandler(port, base.cpu.sym('test_tick'), 0, IPL_SCHED, 'clock');
  parts.evtchn.enable(port);
  base.d.timer_port = port;
  base.cpu.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, base.cpu.id, 0);
  armTick(m);
};

export const stopTicks = ({ parts }: TestMachine): void => {
  if (parts.clock !== undefined) {
    parts.clock.suspendclocks();
    return;
  }
  const port = parts.evtchn.unbindVirq(VIRQ_TIMER);
  parts.evtchn.mask(port);
  parts.evtchn.removeHandler(port);
};

export const ticksText: Text<TestMachine> = {
  test_tick: leaf((m) => {
    m.base.kern.callout.hardclock();
    armTick(m);
  }),
};
