import { xen2_shared_info } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import { BytesMemory } from '@port-xen/layout';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ticksToNs, Xen2Time } from '../src/xen2-time.ts';

const NS_PER_S = 1_000_000_000n;
const INTO = 1024;

interface Moment {
  readonly tsc: bigint;
  readonly system_ns: bigint;
  readonly hertz: bigint;
  readonly wall_s: number;
  readonly wall_us: number;
}

/** Xen 2's clock in plain memory, and a counter that says what it is told. */
class Xen2Clock {
  readonly memory = new BytesMemory(new Uint8Array(2048));
  readonly time: Xen2Time;
  now = 0n;
  /** Before each read of many words. */
  beforeLoad: () => void = () => {};

  constructor() {
    const { memory } = this;
    const cpu = {
      id: 0,
      memory,
      load: (address: number, count: number): Int32Array => {
        this.beforeLoad();
        return Int32Array.from({ length: count }, (_, i) => memory.ld32(address + 4 * i));
      },
      tscSince: (low: number, high: number): number =>
        Number(this.now - (BigInt(high >>> 0) * 2n ** 32n + BigInt(low >>> 0))),
    } as unknown as Cpu;
    this.time = new Xen2Time(cpu, 0);
  }

  get info() {
    return xen2_shared_info.at(this.memory, 0);
  }

  write({ tsc, system_ns, hertz, wall_s, wall_us }: Moment): void {
    const { offset } = xen2_shared_info;
    const put = (at: number, value: bigint): void => {
      this.memory.st32(at, Number(BigInt.asIntN(32, value)));
      this.memory.st32(at + 4, Number(BigInt.asIntN(32, value >> 32n)));
    };
    put(offset.cpu_freq, hertz);
    put(offset.tsc_timestamp, tsc);
    put(offset.system_time, system_ns);
    this.info.wc_sec = wall_s;
    this.info.wc_usec = wall_us;
  }

  stored(): bigint {
    this.time.store(INTO);
    const { memory } = this;
    return (BigInt(memory.ld32(INTO + 4)) << 32n) | BigInt(memory.ld32(INTO) >>> 0);
  }
}

const moment = fc.record({
  tsc: fc.bigInt(0n, 2n ** 62n),
  system_ns: fc.bigInt(0n, 2n ** 61n),
  hertz: fc.bigInt(100_000_000n, 10_000_000_000n),
  wall_s: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  wall_us: fc.integer({ min: 0, max: 999_999 }),
});

test('CLK-17: ticks of any counter become nanoseconds exactly, rounded down', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 53n), moment, (delta, { hertz }) => {
      const ns = (delta * NS_PER_S) / hertz;
      fc.pre(ns < 2n ** 53n);
      expect(BigInt(ticksToNs(Number(delta), Number(hertz)))).toBe(ns);
    }),
  );
  expect(ticksToNs(-1, 1e9)).toBe(0);
});

test('CLK-17: now is the moment that Xen wrote, and what the counter has gone on; the wall clock is of the same moment', () => {
  fc.assert(
    fc.property(moment, fc.bigInt(0n, 2n ** 45n), (m, ago) => {
      const clock = new Xen2Clock();
      clock.write(m);
      clock.now = m.tsc + ago;
      const ns = (ago * NS_PER_S) / m.hertz;
      expect(clock.stored()).toBe(m.system_ns + ns);
      const low = Number(BigInt.asIntN(32, m.system_ns));
      expect(clock.time.nsSince(low, Number(m.system_ns >> 32n))).toBe(Number(ns));
      const epoch = { tv_sec: 0, tv_nsec: 0 };
      clock.time.epoch(epoch);
      const wall = BigInt(m.wall_s) * NS_PER_S + BigInt(m.wall_us) * 1000n;
      expect(BigInt(epoch.tv_sec) * NS_PER_S + BigInt(epoch.tv_nsec) + m.system_ns).toBe(wall);
      expect(clock.time.tscKhz).toBe(Math.round(Number(m.hertz) / 1000));
    }),
  );
});

test('CLK-17: a moment that is being written is not taken', () => {
  const old = { tsc: 1000n, system_ns: 5000n, hertz: NS_PER_S, wall_s: 7, wall_us: 0 };
  const next = { ...old, tsc: 90_000n, system_ns: 2n ** 40n };
  const clock = new Xen2Clock();
  clock.write(old);
  clock.now = next.tsc;
  let reads = 0;
  clock.beforeLoad = () => {
    reads++;
    if (reads === 1) {
      clock.info.time_version1 = 1;
      clock.write({ ...next, tsc: old.tsc });
    } else {
      clock.write(next);
      clock.info.time_version2 = 1;
    }
  };
  expect(clock.stored()).toBe(next.system_ns);
  expect(reads).toBe(2);
});
