import { expect, test } from 'vitest';
import { CYCLES, Cycler } from './cycles.ts';
import { huntedKernel } from './hunted-kernel.ts';

const TIMES = 100;

test.each(CYCLES)(
  `${TIMES} times %s: every count is the same each time`,
  (cycle) => {
    const cycler = new Cycler(huntedKernel());
    for (let i = 0; i < TIMES; i++) cycler.turn(cycle);
    process.stdout.write(`${TIMES} times ${cycle}: ${[...cycler.seen.keys()].join('\n')}\n`);
    expect(cycler.faults).toEqual([]);
    expect([...cycler.seen.values()]).toEqual([0]);
  },
  600_000,
);
