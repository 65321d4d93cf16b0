import { expect, test } from 'vitest';
import { Hunt, report } from './hunt.ts';
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

test('in amnesia, too', () => {
  const hunt = new Hunt(huntedKernel(true), 3);
  hunt.run(20);
  expect(hunt.fault).toBeUndefined();
}, 600_000);
