import { createHost } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import { amnesiac, guest } from './cycle.ts';

/** Runs a program to its end on a host whose clock says 2026-01-01 00:00. @returns what it printed, and how long it took */
const run = (program: string, kernel: typeof guest): { console: string; took_s: number } => {
  const host = createHost({ mib: 40 });
  let ended: number | undefined;
  host.xl.onExit((_, reason) => {
    ended = reason;
  });
  const domid = host.bootKernel({
    elf: kernel.elf,
    engine: kernel.engine,
    memoryMib: 16,
    cmdline: `init=${program}`,
  });
  host.runUntil('the guest to end', () => ended !== undefined, 1000e9);
  expect(ended).toBe(0);
  return { console: host.consoleText(domid), took_s: host.sim.now_ns / 1e9 };
};

describe.each([
  ['plain', guest],
  ['amnesia', amnesiac],
] as const)('%s', (_, kernel) => {
  test.each([
    ['date', 'Thu Jan  1 00:00:00 UTC 2026\n'],
    ['date 202802291234.56', 'Tue Feb 29 12:34:56 UTC 2028\n'],
    ['date -a 01010001', 'Thu Jan  1 00:00:00 UTC 2026\n'],
    ['date 202602290000', 'usage: date [-a] [[[cc]yy]mmddHHMM[.SS]]\n'],
    ['date a b c', 'usage: date [-a] [[[cc]yy]mmddHHMM[.SS]]\n'],
    ['sleep', 'usage: sleep seconds\n'],
    ['sleep 1e9', 'usage: sleep seconds\n'],
  ])('%s', (program, line) => {
    expect(run(program, kernel).console).toContain(line);
  });

  test('sleep takes as long as it is told', () => {
    const { took_s } = run('sleep 77.25', kernel);
    expect(took_s).toBeGreaterThan(77.25);
    expect(took_s).toBeLessThan(77.4);
  });

  test('clockwatch finds nothing wrong with clocks that are left alone', () => {
    const { console: printed } = run('clockwatch 2', kernel);
    expect(printed.match(/^clockwatch \d+: mono /gm)).toHaveLength(2);
    expect(printed).toContain('clockwatch: 2 rounds, 0 faults\n');
  });
});
