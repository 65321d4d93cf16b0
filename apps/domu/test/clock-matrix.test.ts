import { describe, expect, test } from 'vitest';
import { allCells, drawCells } from '../src/clock-matrix/cells.ts';
import { matrixGuests } from '../src/clock-matrix/command.ts';
import { matrixTable } from '../src/clock-matrix/matrix-table.ts';
import { MUTANTS } from '../src/clock-matrix/mutants/index.ts';
import { type Outcome, runCell } from '../src/clock-matrix/run-cell.ts';
import { tenYears } from '../src/clock-matrix/ten-years.ts';

const CELLS = 150;
const SAVES = 200;
/** Cells in which each clock of the past is run. */
const EXHIBITS = 3;
/** A busy machine is slower. */
const PATIENCE_MS = 600_000;

const guests = matrixGuests();

test('a guest keeps its clocks over every kind of absence', { timeout: PATIENCE_MS }, () => {
  const outcomes = drawCells(allCells(), CELLS, 1).map((cell) => runCell(cell, 1, guests));
  expect(outcomes.filter(({ faults }) => faults.length > 0)).toEqual([]);
  expect(outcomes).toHaveLength(CELLS);
});

test('ten years and two hundred saves lose nothing', { timeout: PATIENCE_MS }, () => {
  const result = tenYears(SAVES, 1, guests.plain);
  expect(result.faults).toEqual([]);
  expect(Math.abs(result.uptime_ns)).toBeLessThan(SAVES);
  expect(result.ticks).toBeGreaterThan(SAVES * 100);
  expect(result.years).toBeGreaterThan(8);
});

/** What users saw of each clock of the past. */
const SEEN: Readonly<Record<string, RegExp>> = {
  freeze: /stands still|had not ended/,
  storm: /360000 ticks were made up|had not ended/,
  sawtooth: /went back|jumped by [0-4]\.|had not ended/,
  silence: /had not ended/,
  stale: /wall clock is/,
};

describe.each(Object.entries(MUTANTS))('%s', (name, { shows }) => {
  test('the matrix shows what that clock does wrong', { timeout: PATIENCE_MS }, () => {
    const past = matrixGuests(name);
    for (const cell of drawCells(allCells().filter(shows), EXHIBITS, 2)) {
      expect(runCell(cell, 1, past).faults.join('\n')).toMatch(SEEN[name] as RegExp);
    }
  });
});

test('the table has a sign for every cell and no other', () => {
  const cells = allCells();
  const outcomes = cells.map((cell, i): Outcome => {
    const faults = i % 3 === 0 ? ['something'] : [];
    return { cell, faults, monotonic_ns: 0, wall_ns: 0, ticksAtOnce: 0 };
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
