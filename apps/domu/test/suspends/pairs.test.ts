import { expect, test } from 'vitest';
import { Hunt, outcomesOf, report } from './hunt.ts';
import { huntedKernel } from './hunted-kernel.ts';
import { OUTCOMES } from './life.ts';

const PAIRS = 2000;

test('a guest with two disks under load, suspended at any event with any outcome, loses nothing, and nothing is left behind', () => {
  const hunt = new Hunt(huntedKernel(), 1);
  hunt.run(PAIRS);
  process.stdout.write(report(hunt));
  expect(hunt.fault).toBeUndefined();
  const pairs = new Set(hunt.pairs.map(({ event, outcome }) => `${event} ${outcome}`));
  expect(pairs.size).toBeGreaterThanOrEqual(0.95 * PAIRS);
  for (const outcome of OUTCOMES) {
    const some = hunt.pairs.filter((pair) => pair.outcome === outcome);
    // While devices are connecting, too.
    expect(some.some(({ settled }) => settled)).toBe(true);
    expect(some.some(({ settled }) => !settled)).toBe(true);
  }
}, 600_000);

test('over the controller interface, too', () => {
  const hunt = new Hunt(huntedKernel(false, 'xen-2.0'), 2);
  hunt.run(150);
  process.stdout.write(report(hunt));
  expect(hunt.fault).toBeUndefined();
  for (const outcome of outcomesOf('xen-2.0')) {
    expect(hunt.pairs.some((pair) => pair.outcome === outcome)).toBe(true);
  }
}, 600_000);

test('in amnesia, too', () => {
  const hunt = new Hunt(huntedKernel(true), 3);
  hunt.run(20);
  expect(hunt.fault).toBeUndefined();
}, 600_000);
