import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { allCells, drawCells } from '../src/clock-matrix/cells.ts';
import { matrixTable } from '../src/clock-matrix/matrix-table.ts';
import { nothingMeasured } from '../src/clock-matrix/measures.ts';
import { MUTANTS } from '../src/clock-matrix/mutants/index.ts';
import { cellsOf, driftReport, matrixGuests, matrixReport } from '../src/clock-matrix/report.ts';
import { type Outcome, runCell } from '../src/clock-matrix/run-cell.ts';
import { tenYears } from '../src/clock-matrix/ten-years.ts';
import { makeGuest } from '../src/guest.ts';

const CELLS = 150;
const SAVES = 200;
/** Cells in which each clock of the past is run. */
const EXHIBITS = 6;
/** A busy machine is slower. */
const PATIENCE_MS = 600_000;

const guests = matrixGuests();

test('a guest keeps its clocks over every kind of absence', { timeout: PATIENCE_MS }, () => {
  const outcomes = drawCells(allCells(), CELLS, 1).map((cell) => runCell(cell, 1, guests));
  expect(outcomes.filter(({ faults }) => faults.length > 0)).toEqual([]);
  expect(outcomes).toHaveLength(CELLS);
});

test('a guest that does not leave keeps its clocks, whether the suspend was cancelled or refused', () => {
  // A draw from all cells has few of these.
  const cells = allCells().filter(
    (cell) => cell.kind !== 'restore' && cell.tscKhz === 2_400_000 && cell.away_s === 1,
  );
  const outcomes = cells.map((cell) => runCell(cell, 1, guests));
  expect(outcomes.filter(({ faults }) => faults.length > 0)).toEqual([]);
  expect(outcomes).toHaveLength(6);
});

test('ten years and two hundred saves lose nothing', { timeout: PATIENCE_MS }, () => {
  const result = tenYears(SAVES, 1, makeGuest(false));
  expect(result.faults).toEqual([]);
  expect(Math.abs(result.drift_ns)).toBeLessThan(SAVES / 10);
  expect(result.ticks).toBeGreaterThan(SAVES * 100);
  expect(result.years).toBeGreaterThan(8);
});

/** What users saw of each clock of the past, in one of the cells at least. */
const SEEN: Readonly<Record<string, RegExp>> = {
  freeze: /stands still.*had not ended/s,
  storm: /360001 ticks were made up|was not seen again/,
  sawtooth: /monotonic time went back by 4\.2.*had not ended/s,
  silence: /had not ended/,
  stale: /the wall clock is \d+\.\d+ s (ahead|behind)/,
};

describe.each(Object.entries(MUTANTS))('%s', (name, { shows }) => {
  test('the matrix shows what that clock does wrong', { timeout: PATIENCE_MS }, () => {
    const past = matrixGuests(name);
    const cells = cellsOf({ cells: EXHIBITS, seed: 2, all: false, mutant: name });
    const outcomes = cells.map((cell) => {
      expect(shows(cell)).toBe(true);
      return runCell(cell, 1, past).faults;
    });
    expect(outcomes.filter((faults) => faults.length === 0)).toEqual([]);
    expect(outcomes.flat().join('\n')).toMatch(SEEN[name] as RegExp);
  });
});

test('the table has a sign for every cell and no other', () => {
  const cells = allCells();
  const outcomes = cells.map((cell, i): Outcome => {
    const faults = i % 3 === 0 ? ['something'] : [];
    return { cell, faults, measured: nothingMeasured() };
  });
  const signsOf = (some: readonly Outcome[]): string =>
    matrixTable(some)
      .filter((line) => line.includes('GHz'))
      .map((row) => row.slice(26))
      .join('');
  const signs = signsOf(outcomes);
  expect(signs.match(/o/g)).toHaveLength(Math.floor((cells.length * 2) / 3));
  expect(signs.match(/X/g)).toHaveLength(Math.ceil(cells.length / 3));
  expect(signs).not.toContain('.');
  expect(signsOf([])).toMatch(/^[. ]+$/);
});

/** Output without its numbers: a nanosecond more or less is no news for the page. */
const kind = (text: string): string => text.replace(/\d[\d.]*/g, 'N');

/** Command lines that the page shows, with what it says they print. */
const shown = (): [command: string, output: string][] => {
  const path = new URL('../../../docs/questions/2-tcp-and-clocks.md', import.meta.url);
  const blocks = readFileSync(path, 'utf8').matchAll(/```\n\$ domu (clock-.*)\n([\s\S]*?)```/g);
  return [...blocks].map(([, command, output]) => [command as string, output as string]);
};

test.each(shown())(
  'the page shows what `domu %s` prints',
  { timeout: PATIENCE_MS },
  (command, output) => {
    const flag = (name: string): string | undefined =>
      new RegExp(`--${name} (\\S+)`).exec(command)?.[1];
    const seed = Number(flag('seed') ?? 1);
    const mutant = flag('mutant');
    const { lines } = command.startsWith('clock-drift')
      ? driftReport(Number(flag('saves')), seed)
      : matrixReport({ cells: Number(flag('cells')), seed, all: false, ...(mutant && { mutant }) });
    expect(kind(output)).toBe(kind(`${lines.join('\n')}\n`));
  },
);
