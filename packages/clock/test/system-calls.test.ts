import { __HYPERVISOR_sched_op, SCHEDOP_shutdown } from '@port-xen/abi';
import { EFAULT, EINVAL, ENOENT, ENOMEM, EPERM } from '@port-xen/kern';
import { MODES, USER_BASE } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, hostWith, ProbeGuest } from './probe.ts';

const MS = 1e6;
const S = 1e9;
const TICK = 10 * MS;
const NOWHERE = 0x7000_0000;
const CLOCK_VIRTUAL = 1;
const NEW_YEAR_S = 1_767_225_600;

const CTL_KERN = 1;
const KERN_CLOCKRATE = 12;
const KERN_HARDCLOCK_TICKS = 80;
const KERN_BOOTTIME = 83;
const CTL_MACHDEP = 7;
const MACHDEP_XEN_RUNSTATE = 1024;
const MACHDEP_XEN_CLOCK = 1025;

/** As soon as the domain has suspended it is paused for so long: a checkpoint that takes its time. */
const pauseWhenSuspended = ({ host, domid }: ProbeGuest, time_ns: number): void => {
  let isOver = false;
  host.sim.trace.listen((_kind, of, [number, cmd]) => {
    if (isOver || of !== domid || number !== __HYPERVISOR_sched_op || cmd !== SCHEDOP_shutdown) {
      return;
    }
    isOver = true;
    host.sim.after(0, () => host.xl.pause(domid));
    host.sim.after(time_ns, () => host.xl.unpause(domid));
  });
};

describe.each(MODES)('%s', (_, options) => {
  const boot = (): ProbeGuest =>
    new ProbeGuest(options, 'tickless', hostWith(0, { wallclock_ns: NEW_YEAR_S * S }));

  /** sysctl of a node into offset 256. @returns errno or 0 */
  const sysctl = (guest: ProbeGuest, top: number, node: number, room = 64): number => {
    const name = guest.give(top + node * 2 ** 32, room);
    return guest.call('sys___sysctl', name, 2, USER_BASE + 256, name + 8, 0, 0);
  };
  const word = (guest: ProbeGuest, i: number): number => guest.call('probe_peek', 256 + 8 * i);

  test('CLK-12: nanosleep returns when that much monotonic time has passed, within two ticks', () => {
    const guest = boot();
    for (const ns of [1, TICK, 12_345_678, 999_999_999]) {
      const before = guest.read(CLOCK_MONOTONIC);
      expect(guest.call('sys_nanosleep', guest.give(0, ns), 0)).toBe(0);
      const slept = Number(guest.read(CLOCK_MONOTONIC) - before);
      expect(slept).toBeGreaterThanOrEqual(ns);
      expect(slept).toBeLessThan(ns + 2 * TICK);
    }
    const before = guest.read(CLOCK_MONOTONIC);
    expect(guest.call('sys_nanosleep', guest.give(90, 5), 0)).toBe(0);
    expect(Number(guest.read(CLOCK_MONOTONIC) - before)).toBeGreaterThanOrEqual(90 * S + 5);
    expect(guest.call('sys_nanosleep', guest.give(0, 0), 0)).toBe(0);
  });

  test('CLK-12: what is no time to sleep is refused', () => {
    const guest = boot();
    expect(guest.call('sys_nanosleep', NOWHERE, 0)).toBe(-EFAULT);
    for (const [sec, nsec] of [
      [-1, 0],
      [0, -1],
      [0, 1e9],
      [2 ** 40, 0],
    ] as const) {
      expect(guest.call('sys_nanosleep', guest.give(sec, nsec), 0)).toBe(-EINVAL);
    }
  });

  test('CLK-13: every clock is read by its number, and no other', () => {
    const guest = boot();
    expect(Number(guest.read(CLOCK_BOOTTIME) - guest.read(CLOCK_MONOTONIC))).toBeLessThan(TICK);
    const wall = guest.read(CLOCK_REALTIME);
    expect(Number(wall - BigInt(NEW_YEAR_S) * 1_000_000_000n)).toBeLessThan(S);
    expect(guest.call('sys_clock_gettime', CLOCK_VIRTUAL, USER_BASE)).toBe(-EINVAL);
    expect(guest.call('sys_clock_gettime', CLOCK_MONOTONIC, NOWHERE)).toBe(-EFAULT);
    expect(guest.call('sys_clock_getres', CLOCK_MONOTONIC, USER_BASE)).toBe(0);
    expect([guest.call('probe_peek', 0), guest.call('probe_peek', 8)]).toEqual([0, 1]);
    expect(guest.call('sys_clock_getres', CLOCK_MONOTONIC, 0)).toBe(0);
    expect(guest.call('sys_clock_getres', CLOCK_VIRTUAL, USER_BASE)).toBe(-EINVAL);
  });

  test('CLK-14: the wall clock is set at once, monotonic time is not', () => {
    const guest = boot();
    const before = guest.read(CLOCK_MONOTONIC);
    expect(guest.call('sys_clock_settime', CLOCK_REALTIME, guest.give(1e9, 5))).toBe(0);
    expect(Number(guest.read(CLOCK_REALTIME) - 10n ** 18n)).toBeLessThan(TICK);
    expect(guest.call('sys_settimeofday', guest.give(2e9, 250_000), 0)).toBe(0);
    expect(
      Number(guest.read(CLOCK_REALTIME) - (2_000_000_000_250_000_000n / 1000n) * 1000n),
    ).toBeLessThan(TICK);
    expect(guest.call('sys_gettimeofday', USER_BASE, 0)).toBe(0);
    expect(guest.call('probe_peek', 0)).toBe(2e9);
    expect(guest.call('probe_peek32', 8)).toBeGreaterThanOrEqual(250_000);
    expect(guest.call('probe_peek32', 8)).toBeLessThan(270_000);
    expect(Number(guest.read(CLOCK_MONOTONIC) - before)).toBeLessThan(TICK);
    expect(guest.call('sys_clock_settime', CLOCK_MONOTONIC, USER_BASE)).toBe(-EINVAL);
    expect(guest.call('sys_clock_settime', CLOCK_REALTIME, guest.give(0, 1e9))).toBe(-EINVAL);
    expect(guest.call('sys_clock_settime', CLOCK_REALTIME, NOWHERE)).toBe(-EFAULT);
    expect(guest.call('sys_settimeofday', guest.give(0, 1e6), 0)).toBe(-EINVAL);
    expect(guest.call('sys_settimeofday', NOWHERE, 0)).toBe(-EFAULT);
    expect(guest.call('sys_gettimeofday', NOWHERE, 0)).toBe(-EFAULT);
  });

  test('CLK-9: adjtime slews the wall clock, says what was left, and monotonic time goes on as ever', () => {
    const guest = boot();
    const start = guest.host.sim.now_ns;
    const offset = (): number =>
      Number(guest.read(CLOCK_REALTIME) - BigInt(NEW_YEAR_S) * 1_000_000_000n) -
      guest.host.sim.now_ns;
    const before = offset();
    const monotonic = guest.read(CLOCK_MONOTONIC);
    expect(guest.call('sys_adjtime', guest.give(0, 100_000), 0)).toBe(0);
    guest.host.runFor(100 * S);
    expect(Math.abs(offset() - before - 50 * MS)).toBeLessThan(MS);
    // Another one takes the place of what is left, which is told.
    expect(guest.call('sys_adjtime', guest.give(-1, 980_000), USER_BASE)).toBe(0);
    expect(guest.call('probe_peek', 0)).toBe(0);
    expect(Math.abs(guest.call('probe_peek32', 8) - 50_000)).toBeLessThan(1000);
    guest.host.runFor(100 * S);
    expect(Math.abs(offset() - before - 30 * MS)).toBeLessThan(MS);
    expect(guest.call('sys_adjtime', 0, USER_BASE)).toBe(0);
    expect([guest.call('probe_peek', 0), guest.call('probe_peek32', 8)]).toEqual([0, 0]);
    const passed = Number(guest.read(CLOCK_MONOTONIC) - monotonic);
    expect(Math.abs(passed - (guest.host.sim.now_ns - start))).toBeLessThan(MS);
    expect(guest.call('sys_adjtime', NOWHERE, 0)).toBe(-EFAULT);
    expect(guest.call('sys_adjtime', 0, NOWHERE)).toBe(-EFAULT);
    expect(guest.call('sys_adjtime', guest.give(1e9, 0), 0)).toBe(-EINVAL);
  });

  test('CLK-9: a slew under way is carried over a restore only by what it has made', () => {
    const guest = boot();
    guest.call('sys_adjtime', guest.give(0, 100_000), 0);
    guest.host.runFor(50 * S);
    guest.move({ host: hostWith(3, { wallclock_ns: (NEW_YEAR_S + 1000) * S }) });
    const ahead = Number(guest.read(CLOCK_REALTIME) - BigInt(NEW_YEAR_S + 1000) * 1_000_000_000n);
    expect(Math.abs(ahead - guest.host.sim.now_ns)).toBeLessThan(TICK);
    expect(guest.call('sys_adjtime', 0, USER_BASE)).toBe(0);
    expect(guest.call('probe_peek32', 8)).toBe(0);
  });

  test('CLK-15: sysctl tells rate, ticks, boot time and the counters', () => {
    const guest = boot();
    guest.host.runFor(S);
    expect(sysctl(guest, CTL_KERN, KERN_CLOCKRATE)).toBe(0);
    expect([0, 4].map((at) => guest.call('probe_peek32', 256 + at))).toEqual([100, 10_000]);
    expect(guest.call('probe_peek', 72)).toBe(20);
    expect(sysctl(guest, CTL_KERN, KERN_HARDCLOCK_TICKS)).toBe(0);
    expect(guest.call('probe_peek32', 256)).toBeGreaterThanOrEqual(100);
    expect(sysctl(guest, CTL_KERN, KERN_BOOTTIME)).toBe(0);
    expect(word(guest, 0)).toBe(NEW_YEAR_S);
    expect(sysctl(guest, CTL_MACHDEP, MACHDEP_XEN_CLOCK)).toBe(0);
    expect(word(guest, 2)).toBe(0);
    guest.move();
    expect(sysctl(guest, CTL_MACHDEP, MACHDEP_XEN_CLOCK)).toBe(0);
    expect(word(guest, 2)).toBe(1);
  });

  test('CLK-15: what is not there is not read, and nothing is written', () => {
    const guest = boot();
    expect(sysctl(guest, CTL_KERN, 9999)).toBe(-ENOENT);
    expect(sysctl(guest, CTL_KERN, KERN_BOOTTIME, 8)).toBe(-ENOMEM);
    const name = guest.give(CTL_KERN + KERN_BOOTTIME * 2 ** 32, 64);
    const call = (...args: number[]): number => guest.call('sys___sysctl', ...args);
    expect(call(name, 3, USER_BASE, name + 8, 0, 0)).toBe(-EINVAL);
    expect(call(NOWHERE, 2, USER_BASE, name + 8, 0, 0)).toBe(-EFAULT);
    expect(call(name, 2, NOWHERE, name + 8, 0, 0)).toBe(-EFAULT);
    expect(call(name, 2, USER_BASE, NOWHERE, 0, 0)).toBe(-EFAULT);
    expect(call(name, 2, USER_BASE, name + 8, USER_BASE, 8)).toBe(-EPERM);
    expect(call(name, 2, 0, name + 8, 0, 0)).toBe(0);
    expect(guest.call('probe_peek', 72)).toBe(16);
  });

  test('CLK-16: runstates add up to the time that passed, and go on over a restore without the time away', () => {
    const guest = boot();
    const states = (): number[] => {
      expect(sysctl(guest, CTL_MACHDEP, MACHDEP_XEN_RUNSTATE)).toBe(0);
      return [0, 1, 2, 3].map((i) => word(guest, i));
    };
    const sum = (times: readonly number[]): number => times.reduce((a, b) => a + b, 0);
    const check = (): number[] => {
      const times = states();
      expect(Math.abs(sum(times) - Number(guest.read(CLOCK_MONOTONIC)))).toBeLessThan(TICK);
      return times;
    };
    guest.call('probe_work', 500);
    guest.host.runFor(S);
    const before = check();
    expect(before[0]).toBeGreaterThan(0.5 * S);
    expect(before[2]).toBeGreaterThan(0.9 * S);
    guest.move({
      host: hostWith(1, { wallclock_ns: (NEW_YEAR_S + 86_400) * S }),
      beforeItRuns: () => {
        guest.host.xl.pause(guest.domid);
        guest.host.runFor(S);
        guest.host.xl.unpause(guest.domid);
      },
    });
    const after = check();
    for (const i of [0, 1, 2, 3]) {
      expect(after[i]).toBeGreaterThanOrEqual((before[i] as number) - 1);
    }
    pauseWhenSuspended(guest, S);
    guest.checkpoint();
    check();
    guest.host.xl.pause(guest.domid);
    guest.host.runFor(10 * S);
    guest.host.xl.unpause(guest.domid);
    guest.host.runFor(TICK);
    check();
  });
});
