import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addTime,
  nsBetween,
  setTime,
  setTimeOfNs,
  subTime,
  type Timespec,
} from '../src/timespec.ts';

const zero = (): Timespec => ({ tv_sec: 0, tv_nsec: 0 });
const total = ({ tv_sec, tv_nsec }: Timespec): bigint =>
  BigInt(tv_sec) * 1_000_000_000n + BigInt(tv_nsec);
const times = fc.record({
  tv_sec: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  tv_nsec: fc.integer({ min: 0, max: 999_999_999 }),
});

test('CLK-3: a 64-bit count of nanoseconds becomes seconds and nanoseconds without a loss', () => {
  fc.assert(
    fc.property(fc.bigInt(-(1n << 63n), (1n << 63n) - 1n), (ns) => {
      const time = zero();
      setTimeOfNs(time, Number(BigInt.asIntN(32, ns)), Number(BigInt.asIntN(32, ns >> 32n)));
      expect(total(time)).toBe(ns);
      expect(time.tv_nsec).toBeLessThan(1e9);
    }),
    { numRuns: 2000 },
  );
});

test('CLK-3: sums and differences of times are exact, also into one of their own terms', () => {
  fc.assert(
    fc.property(times, times, (a, b) => {
      const into = { ...a };
      addTime(into, into, b);
      expect(total(into)).toBe(total(a) + total(b));
      subTime(into, into, b);
      expect(into).toEqual(a);
      setTime(into, a.tv_sec, -b.tv_nsec);
      expect(total(into)).toBe(BigInt(a.tv_sec) * 1_000_000_000n - BigInt(b.tv_nsec));
      expect(Math.sign(nsBetween(a, b))).toBe(
        total(a) < total(b) ? -1 : total(a) > total(b) ? 1 : 0,
      );
    }),
  );
});
