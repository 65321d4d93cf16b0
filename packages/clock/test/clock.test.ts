import {
  RUNSTATE_blocked,
  RUNSTATE_runnable,
  RUNSTATE_running,
  vcpu_runstate_info,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  type HostTime,
  hostWith,
  ProbeGuest,
} from './probe.ts';

const US = 1000;
const MS = 1e6;
const S = 1e9;
const DAY = 86_400 * S;
const TICK = 10 * MS;
const NEW_YEAR_NS = 1_767_225_600 * S;
/** From the host's asking to the guest's reading. */
const ASKING_NS = 100 * US;
const TIMERS = ['tickless', 'oneshot', 'periodic'] as const;

/** How far apart two times are, ns. */
const apart = (a: bigint, b: bigint | number): number => Math.abs(Number(a - BigInt(b)));

/** What the host's wall clock says now. */
const hostWall = (guest: ProbeGuest, atStart_ns: number): bigint =>
  BigInt(atStart_ns) + BigInt(Math.floor(guest.host.sim.now_ns));

/** Upcalls while `run` runs. */
const upcalls = (guest: ProbeGuest, run: () => void): number => {
  let count = 0;
  guest.host.sim.trace.listen((kind) => {
    if (kind === 'upcall') count++;
  });
  run();
  return count;
};

const ticksAreTime = (guest: ProbeGuest): void => {
  const monotonic = guest.read(CLOCK_MONOTONIC);
  const ticks = guest.call('probe_ticks') * TICK;
  expect(Math.abs(Number(monotonic) - ticks)).toBeLessThanOrEqual(TICK + ASKING_NS);
};

/** Hosts to wake up on: younger, older, of other TSCs, and older than a double has nanoseconds. */
const HOSTS: readonly HostTime[] = [
  { uptime_ns: 60 * S, tscKhz: 1_000_000 },
  { uptime_ns: 3 * S, tscKhz: 5_000_000 },
  { uptime_ns: 30 * DAY, tscKhz: 2_400_000 },
  { uptime_ns: 300 * DAY, tscKhz: 3_333_333 },
  { uptime_ns: 3653 * DAY, tscKhz: 2_100_000 },
];

describe.each(MODES)('%s', (_, options) => {
  describe.each(TIMERS)('%s', (timer) => {
    const boot = (time: HostTime = {}): ProbeGuest =>
      new ProbeGuest(options, timer, hostWith(0, { wallclock_ns: NEW_YEAR_NS, ...time }));

    test('CLK-4: monotonic time is the time that passes, and ticks are monotonic time', () => {
      const guest = boot();
      const before = guest.read(CLOCK_MONOTONIC);
      const start = guest.host.sim.now_ns;
      guest.host.runFor(3.21 * S);
      const passed = guest.read(CLOCK_MONOTONIC) - before;
      expect(apart(passed, guest.host.sim.now_ns - start)).toBeLessThan(ASKING_NS);
      ticksAreTime(guest);
    });

    test.each(HOSTS)('CLK-5: on a host of %o monotonic time goes on where it stood', (time) => {
      const guest = boot({ uptime_ns: 10 * DAY, tscKhz: 2_400_000 });
      guest.host.runFor(1.234 * S);
      const before = guest.read(CLOCK_MONOTONIC);
      guest.move({ host: hostWith(1, { ...time, wallclock_ns: NEW_YEAR_NS + DAY }) });
      const arrived = guest.read(CLOCK_MONOTONIC);
      expect(Number(arrived - before)).toBeGreaterThan(0);
      expect(Number(arrived - before)).toBeLessThan(TICK);
      const start = guest.host.sim.now_ns;
      guest.host.runFor(2.5 * S);
      const passed = guest.read(CLOCK_MONOTONIC) - arrived;
      expect(apart(passed, guest.host.sim.now_ns - start)).toBeLessThan(ASKING_NS);
      ticksAreTime(guest);
      // A sleeper of one tick wakes within two.
      expect(guest.call('probe_sleep', 1)).toBeLessThanOrEqual(2 * TICK);
      expect(guest.call('probe_work', 1000)).toBeGreaterThanOrEqual(98);
      expect(guest.call('probe_at_once')).toBeLessThanOrEqual(3);
    });

    test('CLK-6: one timer ticks at boot, after a restore and after a cancelled suspend', () => {
      const guest = boot();
      const ticking = (): void => {
        const count = upcalls(guest, () => guest.call('probe_work', 1000));
        // A hundred ticks; the command, and xenstore's answers.
        expect(count).toBeGreaterThanOrEqual(95);
        expect(count).toBeLessThanOrEqual(108);
      };
      ticking();
      guest.checkpoint();
      ticking();
      guest.move();
      ticking();
    });

    test('CLK-8: callouts keep their order and their ticks over a restore, and run once', () => {
      const guest = boot();
      const start = guest.call('probe_ticks');
      for (const [i, ticks] of [40, 10, 30, 30].entries()) guest.call('probe_callout', i, ticks);
      guest.host.runFor(0.2 * S);
      guest.move({ host: hostWith(2, { uptime_ns: 5 * S }) });
      guest.host.runFor(0.5 * S);
      expect(guest.ran.map(([which]) => which)).toEqual([1, 2, 3, 0]);
      for (const [which, tick] of guest.ran) {
        const due = start + ([40, 10, 30, 30][which] as number);
        expect(tick).toBeGreaterThanOrEqual(due);
        expect(tick).toBeLessThanOrEqual(due + 3);
      }
    });

    test('CLK-8: after a pause the ticks are counted at once, and each callout that fell due runs once, in order', () => {
      const guest = boot();
      for (const [i, ticks] of [500, 100, 200].entries()) guest.call('probe_callout', i, ticks);
      const before = guest.read(CLOCK_MONOTONIC);
      guest.host.xl.pause(guest.domid);
      guest.host.runFor(3600 * S);
      guest.host.xl.unpause(guest.domid);
      guest.host.runFor(5 * MS);
      expect(guest.ran.map(([which]) => which)).toEqual([1, 2, 0]);
      expect(Number(guest.read(CLOCK_MONOTONIC) - before)).toBeGreaterThan(3600 * S);
      ticksAreTime(guest);
    });

    test('CLK-10: the time away is in uptime and in the wall clock, and not in monotonic time', () => {
      const guest = boot();
      const image = guest.save();
      const left = NEW_YEAR_NS + guest.host.sim.now_ns;
      const wallclock_ns = left + 2 * DAY;
      guest.restore(image, { host: hostWith(1, { uptime_ns: 5 * S, wallclock_ns }) });
      expect(apart(guest.read(CLOCK_REALTIME), hostWall(guest, wallclock_ns))).toBeLessThan(TICK);
      const absence = guest.read(CLOCK_BOOTTIME) - guest.read(CLOCK_MONOTONIC);
      expect(apart(absence, 2 * DAY)).toBeLessThan(TICK);
    });
  });

  test('CLK-5: thirty suspends take nothing from monotonic time but the time that the vCPU was offline', () => {
    /** What the vCPU has lived on this host, by Xen's account. */
    const livedHere = ({ host, domid }: ProbeGuest): number => {
      const record = host.hv.domains.get(domid)?.vcpus[0]?.runstate.bytes(true) as Uint8Array;
      const { time } = vcpu_runstate_info.at(new BytesMemory(record.slice()), 0);
      return time.get(RUNSTATE_running) + time.get(RUNSTATE_runnable) + time.get(RUNSTATE_blocked);
    };
    /** The restored domain is paused for a while, and then waits for a processor for another. */
    const letWait = ({ host, domid }: ProbeGuest): void => {
      host.xl.pause(domid);
      host.runFor(20 * MS);
      const slice = (): boolean => {
        host.sim.spend(MS);
        return true;
      };
      for (let i = 0; i < 3; i++) host.hv.scheduler.enqueue({ slice }, host.sim.now_ns);
      host.xl.unpause(domid);
    };
    const guest = new ProbeGuest(options, 'tickless');
    let lived = -livedHere(guest);
    const before = guest.read(CLOCK_MONOTONIC);
    for (let i = 0; i < 30; i++) {
      guest.host.runFor(7 * MS);
      // The second is told that it was restored.
      if (i % 3 !== 0) {
        guest.checkpoint(i % 3 === 1 ? 'cooperative' : 'reset');
        continue;
      }
      const image = guest.save();
      lived += livedHere(guest);
      const host = hostWith(i, HOSTS[i % HOSTS.length] as HostTime);
      guest.restore(image, { host, beforeItRuns: () => letWait(guest) });
    }
    const after = guest.read(CLOCK_MONOTONIC);
    lived += livedHere(guest);
    // Five microseconds for each would be more than asking takes.
    expect(apart(after - before, lived)).toBeLessThan(ASKING_NS);
  });

  test('CLK-5: a host whose Xen started at the same moment is another host all the same', () => {
    // Both domains are made in the first moment of their worlds: Xen's records of them begin at the same system time.
    const guest = new ProbeGuest(options, 'tickless', hostWith(0, { uptime_ns: 60 * S }));
    guest.host.runFor(3 * S);
    const before = guest.read(CLOCK_MONOTONIC);
    guest.move({ host: hostWith(1, { uptime_ns: 60 * S }) });
    const passed = Number(guest.read(CLOCK_MONOTONIC) - before);
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(S);
  });

  test('CLK-7: an idle guest leaves its timer alone until a callout is due, and its ticks stay true', () => {
    const guest = new ProbeGuest(options, 'tickless');
    guest.call('probe_callout', 1, 100_000);
    const count = upcalls(guest, () => guest.host.runFor(999 * S));
    expect(count).toBeLessThan(5);
    ticksAreTime(guest);
    expect(guest.ran).toEqual([]);
    const set = guest.call('probe_ticks');
    guest.host.runFor(2 * S);
    expect(guest.ran).toHaveLength(1);
    const [[, tick] = [0, 0]] = guest.ran;
    expect(tick).toBeGreaterThanOrEqual(100_000);
    expect(tick).toBeLessThanOrEqual(set + 201);
  });

  test('CLK-7: what an event sets while the guest is idle counts from the event, not from when idleness began', () => {
    const guest = new ProbeGuest(options, 'tickless');
    const { dom0 } = guest.host.hv;
    const port = dom0.bindInterdomain(guest.domid, guest.call('probe_open', 10), () => {});
    guest.host.runFor(50 * S);
    dom0.notify(port);
    guest.host.runFor(50 * MS);
    expect(guest.ran).toEqual([]);
    guest.host.runFor(100 * MS);
    expect(guest.ran).toHaveLength(1);
  });

  test('CLK-7: with a one-shot for every tick an idle guest ticks on', () => {
    const guest = new ProbeGuest(options, 'oneshot');
    const count = upcalls(guest, () => guest.host.runFor(5 * S));
    expect(count).toBeGreaterThanOrEqual(499);
    expect(count).toBeLessThan(510);
  });

  test('CLK-7: a guest that idles for days is not taken for one with a mistaken timer', () => {
    const guest = new ProbeGuest(options, 'tickless');
    expect(upcalls(guest, () => guest.host.runFor(20 * DAY))).toBeLessThan(20 * 24 + 5);
    ticksAreTime(guest);
  });

  test('CLK-11: a wall clock that would go back a little is slewed, one that would go back far is stepped', () => {
    const guest = new ProbeGuest(options, 'tickless', hostWith(0, { wallclock_ns: NEW_YEAR_NS }));
    let image = guest.save();
    let wallclock_ns = NEW_YEAR_NS + guest.host.sim.now_ns - 100 * MS;
    guest.restore(image, { host: hostWith(1, { wallclock_ns }) });
    const ahead = (): number => Number(guest.read(CLOCK_REALTIME) - hostWall(guest, wallclock_ns));
    expect(Math.abs(ahead() - 100 * MS)).toBeLessThan(TICK);
    guest.host.runFor(100 * S);
    expect(Math.abs(ahead() - 50 * MS)).toBeLessThan(TICK);
    guest.host.runFor(150 * S);
    expect(Math.abs(ahead())).toBeLessThan(TICK);
    expect([guest.call('probe_slews'), guest.call('probe_steps')]).toEqual([1, 0]);
    image = guest.save();
    wallclock_ns += guest.host.sim.now_ns - 3600 * S;
    guest.restore(image, { host: hostWith(2, { wallclock_ns }) });
    expect(Math.abs(ahead())).toBeLessThan(TICK);
    expect([guest.call('probe_slews'), guest.call('probe_steps')]).toEqual([1, 1]);
    expect(guest.call('probe_absence_s')).toBe(0);
  });

  test('CLK-11: a cancelled suspend leaves the wall clock as programs have set it', () => {
    const guest = new ProbeGuest(options, 'tickless', hostWith(0, { wallclock_ns: NEW_YEAR_NS }));
    const now = Number(guest.read(CLOCK_REALTIME) / 1_000_000_000n);
    expect(guest.call('sys_clock_settime', CLOCK_REALTIME, guest.give(now + 500, 0))).toBe(0);
    const ahead = (): number => Number(guest.read(CLOCK_REALTIME) - hostWall(guest, NEW_YEAR_NS));
    const before = ahead();
    const monotonic = guest.read(CLOCK_MONOTONIC);
    guest.checkpoint();
    expect(Math.abs(ahead() - before)).toBeLessThan(MS);
    expect(Number(guest.read(CLOCK_MONOTONIC) - monotonic)).toBeLessThan(S);
    // Another host knows nothing of it.
    guest.move({ host: hostWith(1, { wallclock_ns: NEW_YEAR_NS }) });
    expect(Math.abs(ahead())).toBeLessThan(TICK);
  });

  test('CLK-1: the rate is what Xen states', () => {
    const guest = new ProbeGuest(options, 'tickless', hostWith(0, { tscKhz: 3_141_592 }));
    expect(guest.call('probe_tsc_khz')).toBe(3_141_592);
  });
});
