import { vcpu_time_info } from '@port-xen/abi';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addNs, nsSince, scaleDelta, storeSystemTime } from '../src/pvclock.ts';
import { expectedNs, FlatTime, type Stamp, TIME } from './flat-time.ts';

const MUL = { min: 0, max: 2 ** 32 - 1 };
const INTO = 128;

const stamps = fc.record({
  tsc: fc.bigInt(0n, (1n << 63n) - 1n),
  system_ns: fc.bigInt(0n, (1n << 62n) - 1n),
  mul: fc.integer({ min: 2 ** 31, max: 2 ** 32 - 1 }),
  shift: fc.integer({ min: -4, max: 4 }),
});
/** Ticks since the stamp: as many as a second has at 5 GHz, and a great deal more. */
const deltas = fc.oneof(fc.bigInt(0n, 1n << 33n), fc.bigInt(0n, 1n << 47n));

test('CLK-2: the product is exact in all its 96 bits', () => {
  fc.assert(
    fc.property(
      fc.bigInt(0n, (1n << 53n) - 1n),
      fc.integer(MUL),
      fc.integer({ min: -31, max: 20 }),
      (delta, mul, shift) => {
        const shifted = shift < 0 ? delta >> BigInt(-shift) : delta << BigInt(shift);
        const exact = (shifted * BigInt(mul)) >> 32n;
        fc.pre(shifted < 1n << 53n && exact < 1n << 53n);
        expect(BigInt(scaleDelta(Number(delta), mul, shift))).toBe(exact);
      },
    ),
    { numRuns: 2000 },
  );
});

test('CLK-2: a TSC behind its stamp counts as no time', () => {
  expect(scaleDelta(-1, 2 ** 31, 0)).toBe(0);
  expect(scaleDelta(-(2 ** 52), 2 ** 31, 1)).toBe(0);
});

test('CLK-3: a system time of any size is stored exactly, and differences are exact', () => {
  fc.assert(
    fc.property(stamps, deltas, fc.integer({ min: 0, max: 2 ** 52 }), (stamp, delta, ago) => {
      const now = stamp.tsc + delta;
      const flat = new FlatTime(() => now);
      flat.write(stamp);
      const expected = expectedNs(stamp, now);
      storeSystemTime(flat.cpu, TIME, INTO);
      expect(flat.words(INTO)).toBe(expected);
      const base = expected - BigInt(ago);
      fc.pre(base >= 0n);
      flat.setWords(INTO, base);
      const low = flat.memory.ld32(INTO);
      expect(nsSince(flat.cpu, TIME, low, flat.memory.ld32(INTO + 4))).toBe(ago);
    }),
    { numRuns: 1000 },
  );
});

test('CLK-3: adding to a system time carries', () => {
  fc.assert(
    fc.property(
      fc.bigInt(1n << 54n, 1n << 62n),
      fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
      (start, ns) => {
        const flat = new FlatTime(() => 0n);
        flat.setWords(INTO, start);
        addNs(flat.memory, INTO, ns);
        expect(flat.words(INTO)).toBe(start + BigInt(ns));
      },
    ),
  );
});

/** Reads while a writer takes one of its steps before each load. @param steps that it takes at all */
const readWithWriter = (before: Stamp, after: Stamp, offset: number, now: bigint): bigint => {
  const flat = new FlatTime(() => now);
  flat.write(before);
  flat.version = 2;
  // Xen's order: odd version, the new values in two parts, even version; a step before each load from `offset` on.
  const writer = [
    () => {
      flat.version = 3;
    },
    () => flat.setWords(TIME + vcpu_time_info.offset.system_time, after.system_ns),
    () => flat.write(after),
    () => {
      flat.version = 4;
    },
  ];
  let loads = 0;
  flat.beforeLoad = () => {
    if (loads++ >= offset) writer.shift()?.();
  };
  storeSystemTime(flat.cpu, TIME, INTO);
  return flat.words(INTO);
};

test('CLK-1: a reader that a writer comes in between of gets the old time or the new one, never a mixture', () => {
  fc.assert(
    fc.property(
      stamps,
      fc.bigInt(1n, 1n << 34n),
      fc.bigInt(0n, 1n << 33n),
      fc.integer({ min: 0, max: 24 }),
      (before, later, delta, offset) => {
        const after = { ...before, tsc: before.tsc + later, system_ns: before.system_ns + 7n };
        const now = after.tsc + delta;
        const read = readWithWriter(before, after, offset, now);
        expect([expectedNs(before, now), expectedNs(after, now)]).toContain(read);
      },
    ),
    { numRuns: 1000 },
  );
});

test('CLK-1: an odd version is waited out', () => {
  const stamp = { tsc: 1000n, system_ns: 5n, mul: 2 ** 31, shift: 1 };
  const flat = new FlatTime(() => 3000n);
  flat.version = 7;
  let loads = 0;
  flat.beforeLoad = () => {
    if (++loads !== 30) return;
    flat.write(stamp);
    flat.version = 8;
  };
  expect(nsSince(flat.cpu, TIME, 0, 0)).toBe(Number(expectedNs(stamp, 3000n)));
});
