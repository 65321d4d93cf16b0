import type { Interface } from '@port-xen/toolstack';
import { expect, test } from 'vitest';
import { CYCLES, type Cycle, Cycler } from './cycles.ts';
import { huntedKernel } from './hunted-kernel.ts';

const TIMES = 100;

const TIMES_XEN2 = 30;

const seenIn = (cycle: Cycle, times: number, xen: Interface): Cycler => {
  const cycler = new Cycler(huntedKernel(false, xen));
  for (let i = 0; i < times; i++) cycler.turn(cycle);
  process.stdout.write(`${times} times ${cycle}: ${[...cycler.seen.keys()].join('\n')}\n`);
  return cycler;
};

test.each(CYCLES)(
  `${TIMES} times %s: every count is the same each time`,
  (cycle) => {
    const { faults, seen } = seenIn(cycle, TIMES, 'xen-3.0');
    expect(faults).toEqual([]);
    expect([...seen.values()]).toEqual([0]);
  },
  600_000,
);

test.each(CYCLES)(
  `${TIMES_XEN2} times %s over the controller interface, too: no id and no port is left behind`,
  (cycle) => {
    const { faults, seen } = seenIn(cycle, TIMES_XEN2, 'xen-2.0');
    expect(faults).toEqual([]);
    expect([...seen.values()]).toEqual([0]);
  },
  600_000,
);
