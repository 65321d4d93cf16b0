/*
 * What was measured over all cells, as one table: a row for each measure, a column for each way to be away, with the largest value.
 */
import { table } from '../questions/table.ts';
import type { Cell } from './cells.ts';
import { MEASURE_NAMES, MEASURES, type Measure } from './measures.ts';
import type { Outcome } from './run-cell.ts';

const KINDS: readonly Cell['kind'][] = ['restore', 'cancelled', 'refused'];

const shown = (value: number, { unit }: Measure): string =>
  unit === 'ticks' ? `${value} ticks` : `${(value / 1e6).toFixed(3)} ms`;

const limit = ({ unit, limit }: Measure): string =>
  unit === 'ticks' ? `${limit} ticks` : `${limit / 1e6} ms`;

/** @returns the table, a line each */
export const measureTable = (outcomes: readonly Outcome[]): string[] => {
  const kinds = KINDS.filter((kind) => outcomes.some(({ cell }) => cell.kind === kind));
  const rows = MEASURE_NAMES.map((name) => [
    MEASURES[name].text,
    ...kinds.map((kind) => {
      const values = outcomes
        .filter(({ cell }) => cell.kind === kind)
        .map(({ measured }) => measured[name]);
      const largest = values.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
      return shown(largest, MEASURES[name]);
    }),
    limit(MEASURES[name]),
  ]);
  return table(['largest', ...kinds, 'limit'], rows)
    .trimEnd()
    .split('\n');
};
