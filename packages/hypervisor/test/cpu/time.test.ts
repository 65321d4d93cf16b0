import {
  __HYPERVISOR_vcpu_op,
  VCPUOP_register_vcpu_info,
  vcpu_info,
  vcpu_time_info,
  XEN_PVCLOCK_TSC_STABLE_BIT,
} from '@port-xen/abi';
import type { Tsc } from '@port-xen/vcpu';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MachineMemory } from '../../src/machine-memory.ts';
import { writeTimeInfo } from '../../src/pvclock.ts';
import { countOfTicks, ticksAt, timeScale } from '../../src/time-scale.ts';
import { ARGS, type Guest, Machine } from './machine.ts';

const DAY_NS = 86_400e9;

const wide = ({ low, high }: Tsc): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0);

const tscOf = (g: Guest): bigint => {
  const tsc = { low: 0, high: 0 };
  g.vcpu.readTsc(tsc);
  return wide(tsc);
};

interface TimeInfo {
  readonly version: number;
  readonly stamp: bigint;
  readonly system_ns: bigint;
  readonly mul: number;
  readonly shift: number;
  readonly flags: number;
}

const timeInfo = (g: Guest, id = 0): TimeInfo => {
  const at = g.cpu(id).infoAddress + vcpu_info.offset.time;
  const { memory } = g.xen;
  const view = vcpu_time_info.at(memory, at);
  const long = (offset: number): bigint =>
    wide({ low: memory.ld32(at + offset), high: memory.ld32(at + offset + 4) });
  return {
    version: view.version,
    stamp: long(vcpu_time_info.offset.tsc_timestamp),
    system_ns: long(vcpu_time_info.offset.system_time),
    mul: view.tsc_to_system_mul,
    shift: view.tsc_shift,
    flags: view.flags,
  };
};

/** System time as a guest computes it: the 96-bit product. */
const guestTime = (info: TimeInfo, tsc: bigint): bigint => {
  const delta = tsc - info.stamp;
  const shifted = info.shift < 0 ? delta >> BigInt(-info.shift) : delta << BigInt(info.shift);
  return info.system_ns + ((shifted * BigInt(info.mul)) >> 32n);
};

describe('scales', () => {
  test('HV-TIME-1: mul and shift are those of set_time_scale', () => {
    expect(timeScale(2_400_000)).toEqual({ mul: 3579139413, shift: -1 });
    expect(timeScale(1_000_000)).toEqual({ mul: 2 ** 31, shift: 1 });
    expect(timeScale(2_000_000)).toEqual({ mul: 2 ** 31, shift: 0 });
    expect(timeScale(5_000_000)).toEqual({ mul: 3435973836, shift: -2 });
    expect(timeScale(100)).toEqual({ mul: 2621440000, shift: 14 });
  });

  test('HV-TIME-2: ticks are exact for any uptime and frequency', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 2 ** 24 - 1 }),
        fc.integer({ min: 0, max: 2 ** 52 - 1 }),
        (ns, khz, start) => {
          const tsc = { low: 0, high: 0 };
          ticksAt(ns, khz, countOfTicks(0, khz, start), tsc);
          const exact = (BigInt(ns) * BigInt(khz)) / 1_000_000n + BigInt(start);
          expect(BigInt.asUintN(64, wide(tsc))).toBe(BigInt.asUintN(64, exact));
        },
      ),
    );
  });
});

describe('pvclock', () => {
  test('HV-TIME-10: a guest computes the host’s system time, within a nanosecond, on any host at any time', () => {
    for (const tscKhz of [1_000_000, 2_400_000, 5_000_000, 33_333]) {
      for (const uptime_ns of [0, 30 * DAY_NS, 100 * DAY_NS]) {
        const machine = new Machine({ tscKhz, uptime_ns, tscOffset: 12_345_678 });
        const g = machine.guest();
        for (const ns of [1, 999_999_999, 5e9 + 7]) {
          machine.runFor(ns);
          const difference = guestTime(timeInfo(g), tscOf(g)) - BigInt(machine.uptime_ns);
          // One tick of the counter, and one nanosecond of rounding.
          expect(Number(-difference)).toBeLessThanOrEqual(Math.ceil(1e6 / tscKhz) + 1);
          expect(difference).toBeLessThanOrEqual(0n);
        }
      }
    }
  });

  test('HV-TIME-11: written under an odd version, which ends even and never the same', () => {
    const versions: number[] = [];
    const store = new Map<number, number>();
    const memory = {
      ld8: (at: number) => store.get(at) ?? 0,
      st8: (at: number, value: number) => {
        store.set(at, value);
        versions.push(store.get(0) as number);
      },
      ld32: (at: number) => store.get(at) ?? 0,
      st32: (at: number, value: number) => {
        store.set(at, value);
        versions.push(store.get(0) as number);
      },
    } as unknown as MachineMemory;
    const scale = timeScale(2_400_000);
    const { clock } = new Machine().xen;
    writeTimeInfo(memory, 0, { low: 1, high: 2 }, clock, 3, scale);
    expect(versions.slice(0, -1).every((version) => version === 1)).toBe(true);
    expect(versions.at(-1)).toBe(2);
    store.set(0, 7);
    writeTimeInfo(memory, 0, { low: 1, high: 2 }, clock, 3, scale);
    expect(store.get(0)).toBe(10);
  });

  test('HV-TIME-12: once a second at most, when the vCPU gets a processor; all vCPUs of a host say the same', () => {
    const machine = new Machine({ processors: 2 });
    const g = machine.guest();
    const other = machine.guest();
    machine.runFor(1e6);
    const { version, flags } = timeInfo(g);
    expect(flags).toBe(XEN_PVCLOCK_TSC_STABLE_BIT);
    machine.runFor(0.9e9);
    expect(timeInfo(g).version).toBe(version);
    machine.runFor(0.2e9);
    expect(timeInfo(g).version).toBe(version + 2);
    expect(timeInfo(g)).toEqual(timeInfo(other));
    expect(timeInfo(g).system_ns).toBe(3601_000_000_000n);
  });

  test('HV-TIME-13: a vCPU that does not run is not told; it is when it does', () => {
    const machine = new Machine();
    const g = machine.guest();
    machine.runFor(1e6);
    machine.xen.domctl.pauseDomain(g.domid);
    machine.runFor(5e9);
    expect(timeInfo(g).system_ns).toBe(3600_000_000_000n);
    machine.xen.domctl.unpauseDomain(g.domid);
    machine.runFor(1e6);
    expect(timeInfo(g).system_ns).toBe(3605_000_000_000n);
  });

  test('HV-TIME-14: time goes on where vcpu_info has moved to', () => {
    const machine = new Machine();
    const g = machine.guest();
    g.longs(ARGS, g.mfn(20), 0);
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, ARGS)).toBe(0);
    machine.runFor(1.5e9);
    expect(timeInfo(g).system_ns).toBe(3601_000_000_000n);
    expect(guestTime(timeInfo(g), tscOf(g))).toBeLessThanOrEqual(BigInt(machine.uptime_ns));
  });
});

describe('wall clock', () => {
  const wallclock = (g: Guest) => {
    const { wc_version, wc_sec, wc_sec_hi, wc_nsec } = g.sharedInfo;
    return { version: wc_version, s: wc_sec_hi * 2 ** 32 + wc_sec, ns: wc_nsec };
  };

  test('HV-TIME-20: what the clock said at system time 0, from the first context on', () => {
    const g = new Machine({ uptime_ns: 3600e9 + 250, wallclock_ns: 1_767_225_600e9 }).guest();
    expect(wallclock(g)).toEqual({ version: 2, s: 1_767_225_600 - 3601, ns: 999_999_750 });
  });

  test('HV-TIME-21: settime and the domain’s offset change it, each under a new version', () => {
    const machine = new Machine();
    const g = machine.guest();
    machine.runFor(10e9);
    machine.xen.domctl.setTimeOffset(g.domid, -7200);
    expect(wallclock(g)).toEqual({ version: 4, s: 1_767_225_600 - 3600 - 7200, ns: 0 });
    machine.xen.setWallclock(2_000_000_000e9);
    expect(wallclock(g)).toEqual({ version: 6, s: 2_000_000_000 - 3610 - 7200, ns: 0 });
  });

  test('HV-TIME-22: seconds beyond 32 bits', () => {
    const g = new Machine({ wallclock_ns: 5_000_000_000e9 }).guest();
    expect(wallclock(g).s).toBe(5_000_000_000 - 3600);
  });
});

describe('TSC modes', () => {
  const set = (g: Guest, mode: number, khz: number, nsec: number, incarnation = 0): void =>
    g.xen.domctl.setTscInfo(g.domid, { mode, khz, nsec: BigInt(nsec), incarnation });
  const get = (g: Guest) => g.xen.domctl.getTscInfo(g.domid);

  test('HV-TIME-30: default on the same frequency is the host’s own counter', () => {
    const machine = new Machine({ tscOffset: 1000 });
    const g = machine.guest();
    const tsc = { low: 0, high: 0 };
    machine.xen.tsc(tsc);
    expect(tscOf(g)).toBe(wide(tsc));
    expect(get(g)).toEqual({ mode: 0, khz: 2_400_000, nsec: 3_600_000_000_416n, incarnation: 1 });
    set(g, 0, 2_400_000, 5e9, 3);
    expect(tscOf(g)).toBe(wide(tsc));
    expect(get(g).incarnation).toBe(4);
  });

  test('HV-TIME-31: default on another frequency is emulated: ticks go on from where they were, at the old rate', () => {
    const machine = new Machine({ tscKhz: 5_000_000 });
    const g = machine.guest();
    set(g, 0, 1_000_000, 77e9);
    expect(tscOf(g)).toBe(77_000_000_000n);
    machine.runFor(3e9);
    expect(tscOf(g)).toBe(80_000_000_000n);
    expect(get(g)).toEqual({ mode: 0, khz: 1_000_000, nsec: 80_000_000_000n, incarnation: 1 });
    expect(guestTime(timeInfo(g), tscOf(g))).toBeLessThanOrEqual(BigInt(machine.uptime_ns + 10));
    expect(guestTime(timeInfo(g), tscOf(g))).toBeGreaterThanOrEqual(BigInt(machine.uptime_ns - 10));
  });

  test('HV-TIME-32: an emulated counter never stands still between two reads', () => {
    const g = new Machine().guest();
    set(g, 1, 2_400_000, 0);
    const reads = Array.from({ length: 5 }, () => tscOf(g));
    for (let i = 1; i < reads.length; i++) {
      expect(reads[i] as bigint).toBeGreaterThan(reads[i - 1] as bigint);
    }
  });

  test('HV-TIME-33: always emulate: ticks since the domain began; khz 0 is the host’s', () => {
    const machine = new Machine();
    const g = machine.guest();
    set(g, 1, 0, 0);
    machine.runFor(2e9);
    expect(tscOf(g)).toBe(4_800_000_000n);
    expect(get(g)).toEqual({ mode: 1, khz: 2_400_000, nsec: 2_000_000_000n, incarnation: 1 });
  });

  test('HV-TIME-34: never emulate: the host’s counter at any rate, and nothing to carry', () => {
    const machine = new Machine({ tscKhz: 5_000_000 });
    const g = machine.guest();
    set(g, 2, 1_000_000, 77e9, 8);
    const tsc = { low: 0, high: 0 };
    machine.xen.tsc(tsc);
    expect(tscOf(g)).toBe(wide(tsc));
    expect(get(g)).toEqual({ mode: 2, khz: 0, nsec: 0n, incarnation: 9 });
  });

  test('HV-TIME-35: a domain that is older than the host it comes to has a counter that began before it', () => {
    const machine = new Machine({ uptime_ns: 1e9, tscKhz: 2_000_000 });
    const g = machine.guest();
    set(g, 1, 1_000_000, 30 * DAY_NS);
    expect(tscOf(g)).toBe(BigInt(30 * DAY_NS));
    machine.runFor(1e6);
    expect(timeInfo(g).stamp).toBe(BigInt(30 * DAY_NS));
    expect(guestTime(timeInfo(g), tscOf(g))).toBe(BigInt(machine.uptime_ns));
    // A counter that begins after the moment of the time info is negative there.
    set(g, 1, 1_000_000, 0);
    machine.runFor(1e6);
    expect(timeInfo(g).stamp).toBe(BigInt(-1e6));
  });

  test('HV-TIME-36: other modes and impossible frequencies are refused', () => {
    const g = new Machine().guest();
    expect(() => set(g, 3, 0, 0)).toThrow('expected a TSC mode of 0 to 2');
    expect(() => set(g, 1, 2 ** 24, 0)).toThrow('2^24 kHz');
    expect(get(g).incarnation).toBe(1);
  });
});

describe('drift', () => {
  test('HV-TIME-40: a host whose crystal is off gains or loses, system time and TSC alike', () => {
    for (const drift_ppb of [50_000, -50_000]) {
      const machine = new Machine({ drift_ppb });
      const g = machine.guest();
      machine.runFor(1000e9);
      const gained = drift_ppb * 1000;
      expect(machine.uptime_ns).toBe(3600e9 + 1000e9 + gained);
      const ticks = ((3600_000_000_000n + 1000_000_000_000n + BigInt(gained)) * 24n) / 10n;
      expect(tscOf(g)).toBe(ticks);
    }
  });

  test('HV-TIME-41: a timer fires at the first moment at which it is due by the host’s clock', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -500_000, max: 500_000 }),
        fc.integer({ min: 0, max: 1e13 }),
        (drift_ppb, ns) => {
          const { sim, xen } = new Machine({ drift_ppb });
          const due = 3600e9 + ns;
          sim.now_ns = Math.max(0, xen.clock.worldTime_ns(due - xen.clock.epoch_s * 1e9));
          expect(xen.uptime_ns()).toBeGreaterThanOrEqual(due);
          if (sim.now_ns > 0) sim.now_ns--;
          else return;
          expect(xen.uptime_ns()).toBeLessThan(due);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('HV-TIME-42: clocks that cannot be are refused', () => {
    expect(() => new Machine({ tscKhz: 0 })).toThrow('expected a TSC of 1');
    expect(() => new Machine({ tscKhz: 2 ** 24 })).toThrow('expected a TSC of 1');
    expect(() => new Machine({ tscOffset: -1 })).toThrow('expected a TSC offset');
  });
});
