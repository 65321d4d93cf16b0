/*
 * A host that has been up for longer than a double has nanoseconds tells its guests the time to the nanosecond all the same.
 */
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  EVTCHNOP_bind_virq,
  RUNSTATE_blocked,
  SCHEDOP_poll,
  VCPU_SSHOTTMR_future,
  VCPUOP_get_runstate_info,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VIRQ_TIMER,
  vcpu_info,
  vcpu_time_info,
  XEN_ETIME,
} from '@port-xen/abi';
import { RAX, RDI, RIP } from '@port-xen/vcpu';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ARGS, type Guest, Machine, TEXT, va } from './machine.ts';

const DAY_NS = 86_400e9;
/** Ten years and thirty days. */
const OLD_NS = 3683 * DAY_NS;
/** Whole seconds are exact as a Number; the odd nanoseconds come from the world's clock. */
const UPTIMES_NS = [0, 100 * DAY_NS, 105 * DAY_NS, OLD_NS];

const halves = (value: bigint): [low: number, high: number] => [
  Number(BigInt.asIntN(32, value)),
  Number(BigInt.asIntN(32, value >> 32n)),
];

/** System time as it is. */
const systemTime = ({ machine }: Guest, uptime_ns: number): bigint =>
  BigInt(uptime_ns) + BigInt(machine.sim.now_ns);

const wordOf = (g: Guest, address: number): bigint =>
  (BigInt(g.ld32(address + 4)) << 32n) | BigInt(g.ld32(address) >>> 0);

const setTimer = (g: Guest, timeout: bigint): number => {
  const { registers } = g.vcpu;
  registers.set(RAX, __HYPERVISOR_set_timer_op);
  registers.setPair(RDI, ...halves(timeout));
  registers.set(RIP, TEXT + 2);
  g.vcpu.syscall();
  return registers.get(RAX);
};

/** A guest with VIRQ_TIMER bound and no periodic timer. */
const timed = (uptime_ns: number): { g: Guest; machine: Machine; fired: () => boolean } => {
  const machine = new Machine({ uptime_ns });
  const g = machine.guest();
  machine.runFor(1_234_567);
  g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, g.words(va(12), VIRQ_TIMER, 0, 0));
  const port = g.ld32(va(12) + 8);
  g.call(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
  g.xen.memory.st32(g.domain.sharedInfo + 2048, 0);
  return { g, machine, fired: () => g.pending(port) };
};

describe.each(UPTIMES_NS)('HV-TIME-43: a host that has been up for %d ns', (uptime_ns) => {
  test('tells the TSC and the system time of the same moment', () => {
    const machine = new Machine({ uptime_ns, tscKhz: 3_141_592, tscOffset: 271_828 });
    const g = machine.guest();
    machine.runFor(7_000_000_007);
    const at = g.vcpu.infoAddress + vcpu_info.offset.time;
    const { memory } = g.xen;
    const word = (offset: number): bigint =>
      (BigInt(memory.ld32(at + offset + 4)) << 32n) | BigInt(memory.ld32(at + offset) >>> 0);
    const system = word(vcpu_time_info.offset.system_time);
    expect(system).toBe((systemTime(g, uptime_ns) / 1_000_000_000n) * 1_000_000_000n);
    const ticks = (ns: bigint): bigint => (ns * 3_141_592n) / 1_000_000n + 271_828n;
    expect(word(vcpu_time_info.offset.tsc_timestamp)).toBe(ticks(system));
    const tsc = { low: 0, high: 0 };
    g.vcpu.readTsc(tsc);
    expect((BigInt(tsc.high) << 32n) | BigInt(tsc.low >>> 0)).toBe(ticks(systemTime(g, uptime_ns)));
  });

  test('says to the nanosecond when a vCPU entered its state', () => {
    const { g } = timed(uptime_ns);
    const entered = systemTime(g, uptime_ns);
    g.vcpu.runstate.change(RUNSTATE_blocked);
    g.call(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, ARGS);
    expect(wordOf(g, ARGS + 8)).toBe(entered);
  });

  test('fires timers at their nanosecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000_000 }), fc.boolean(), (delay, singleshot) => {
        const { g, machine, fired } = timed(uptime_ns);
        const due = systemTime(g, uptime_ns) + BigInt(delay) + 300n;
        if (singleshot) {
          g.words(ARGS, ...halves(due), VCPU_SSHOTTMR_future, 0);
          expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, ARGS)).toBe(0);
        } else expect(setTimer(g, due)).toBe(0);
        const left = Number(due - systemTime(g, uptime_ns));
        machine.runFor(left - 1);
        expect(fired()).toBe(false);
        machine.runFor(1);
        expect(fired()).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test('ends a poll at its nanosecond', () => {
    const { g, machine } = timed(uptime_ns);
    const due = systemTime(g, uptime_ns) + 5_000_301n;
    g.words(ARGS, 0, 0, 0, 0, ...halves(due));
    g.call(__HYPERVISOR_sched_op, SCHEDOP_poll, ARGS);
    const left = Number(due - systemTime(g, uptime_ns));
    machine.runFor(left - 1);
    expect(g.vcpu.blocked).toBe(true);
    machine.runFor(1);
    expect(g.vcpu.blocked).toBe(false);
  });

  test('refuses a time that is a nanosecond past, when that was asked for', () => {
    const { g } = timed(uptime_ns);
    const cost = 300n;
    g.words(ARGS, ...halves(systemTime(g, uptime_ns) + cost - 1n), VCPU_SSHOTTMR_future, 0);
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, ARGS)).toBe(-XEN_ETIME);
    g.words(ARGS, ...halves(systemTime(g, uptime_ns) + cost), VCPU_SSHOTTMR_future, 0);
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, ARGS)).toBe(0);
  });

  test('lets an emulated counter go on to the nanosecond, whatever it stood at', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 60n }), (nsec) => {
        const machine = new Machine({ uptime_ns, tscKhz: 5_000_000 });
        const g = machine.guest();
        const { domctl } = g.xen;
        domctl.setTscInfo(g.domid, { mode: 0, khz: 1_000_003, nsec, incarnation: 0 });
        const tsc = { low: 0, high: 0 };
        machine.runFor(1_000_000_001);
        g.vcpu.readTsc(tsc);
        const run = nsec + 1_000_000_001n;
        expect(BigInt.asUintN(64, (BigInt(tsc.high) << 32n) | BigInt(tsc.low >>> 0))).toBe(
          BigInt.asUintN(64, (run * 1_000_003n) / 1_000_000n),
        );
        expect(domctl.getTscInfo(g.domid).nsec).toBe(run);
      }),
      { numRuns: 30 },
    );
  });
});

describe('a world that has gone on for ten years and thirty days', () => {
  const aged = (drift_ppb: number): Machine => {
    const machine = new Machine({ drift_ppb });
    machine.runFor(OLD_NS);
    return machine;
  };

  test('HV-TIME-32: an emulated counter never stands still between two reads', () => {
    const g = aged(0).guest();
    g.xen.domctl.setTscInfo(g.domid, { mode: 1, khz: 2_400_000, nsec: 0n, incarnation: 0 });
    const reads = Array.from({ length: 5 }, () => {
      const tsc = { low: 0, high: 0 };
      g.vcpu.readTsc(tsc);
      return (BigInt(tsc.high) << 32n) | BigInt(tsc.low >>> 0);
    });
    for (let i = 1; i < reads.length; i++) expect(reads[i]).toBeGreaterThan(reads[i - 1] as bigint);
  });

  test('HV-TIME-41: a timer fires when it is due by the host’s clock, as finely as the world’s time goes', () => {
    for (const drift_ppb of [50_000, -50_000]) {
      const machine = aged(drift_ppb);
      const { clock } = machine.xen;
      for (const ns of [1e3, 1e6, 3600e9]) {
        const due = clock.now_ns() + ns;
        machine.runFor(clock.worldTime_ns(due) - machine.sim.now_ns);
        expect(Math.abs(clock.now_ns() - due)).toBeLessThanOrEqual(256);
      }
    }
  });
});

test('HV-TIME-41: a timer that is due in centuries is set at once, on a host whose crystal is off too', () => {
  for (const drift_ppb of [50_000, -50_000]) {
    const machine = new Machine({ drift_ppb });
    const g = machine.guest();
    g.words(ARGS, ...halves(2n ** 62n), 0, 0);
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, ARGS)).toBe(0);
    machine.runFor(1e6);
    expect(g.vcpu.timers.nextTick_ns).toBeGreaterThan(0);
  }
});
