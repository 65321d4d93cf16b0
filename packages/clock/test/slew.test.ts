import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slewed_ns } from '../src/slew.ts';

const totals = fc.integer({ min: -1e13, max: 1e13 });
const elapsed = fc.integer({ min: 0, max: 4e15 });

test('CLK-9: a correction is made at 500 ppm, at 5000 ppm while more than a second is left, and then it is done', () => {
  expect(slewed_ns(128e6, 1e9)).toBe(500_000);
  expect(slewed_ns(-128e6, 1e9)).toBe(-500_000);
  expect(slewed_ns(10e9, 1e9)).toBe(5e6);
  // Nine seconds at 5000 ppm take half an hour, the last one at 500 ppm as long again and a bit.
  expect(slewed_ns(10e9, 1800e9)).toBe(9e9);
  expect(slewed_ns(10e9, 1801e9)).toBe(9e9 + 500_000);
  expect(slewed_ns(10e9, 3800e9)).toBe(10e9);
});

test('CLK-9: it never overshoots, never turns back, and is never faster than 5000 ppm', () => {
  fc.assert(
    fc.property(totals, elapsed, fc.integer({ min: 0, max: 1e12 }), (total, at, more) => {
      const made = slewed_ns(total, at);
      const later = slewed_ns(total, at + more);
      expect(Math.abs(made)).toBeLessThanOrEqual(Math.abs(total));
      const step = total < 0 ? made - later : later - made;
      expect(step).toBeGreaterThanOrEqual(0);
      expect(step).toBeLessThanOrEqual(Math.ceil(more / 200));
    }),
  );
});
