/*
 * The matrix as one table: a row for each pair of hosts, a column for each absence and timer, a sign in each cell.
 *
 *     o  it holds      X  it does not      .  it was not drawn
 */
import { AWAYS_S, type Cell, TIMERS, TSC_KHZ, UPTIMES_S, WALL_ERRORS_S } from './cells.ts';
import type { Outcome } from './run-cell.ts';

const DAY_S = 86_400;
const HOUR_S = 3600;
const LABEL = 26;

/** A span as the table names it: 0, 1s, 1h, 1d. */
const span = (seconds: number): string => {
  const size = Math.abs(seconds);
  const sign = seconds < 0 ? '-' : '';
  if (size >= DAY_S) return `${sign}${size / DAY_S}d`;
  if (size >= HOUR_S) return `${sign}${size / HOUR_S}h`;
  return size === 0 ? '0' : `${sign}${size}s`;
};

const signed = (seconds: number): string => (seconds > 0 ? `+${span(seconds)}` : span(seconds));

const ghz = (khz: number): string => (khz / 1e6).toFixed(1);

/** A cell in words. */
export const cellText = (cell: Cell): string =>
  cell.kind === 'restore'
    ? `restore, uptime ${signed(cell.uptime_s)}, TSC ${ghz(cell.sourceTscKhz)} to ${ghz(cell.targetTscKhz)} GHz, away ${span(cell.away_s)}, wall clock ${signed(cell.wallError_s)}, ${cell.timer}`
    : `${cell.kind}, TSC ${ghz(cell.tscKhz)} GHz, away ${span(cell.away_s)}, ${cell.timer}`;

const rowOf = (cell: Cell): string =>
  cell.kind === 'restore'
    ? `${cell.kind} ${cell.uptime_s} ${cell.sourceTscKhz} ${cell.targetTscKhz}`
    : `${cell.kind} ${cell.tscKhz}`;

const columnOf = (cell: Cell): string =>
  `${cell.timer} ${cell.away_s} ${cell.kind === 'restore' ? cell.wallError_s : 0}`;

/** The signs of a row, in groups of one timer, parted by absence. */
const signsOf = (
  row: string,
  signs: ReadonlyMap<string, string>,
  walls: readonly number[],
): string =>
  TIMERS.map((timer) =>
    AWAYS_S.map((away) =>
      walls.map((wall) => signs.get(`${row} ${timer} ${away} ${wall}`) ?? '.').join(''),
    ).join(' '.repeat(walls.length > 1 ? 1 : 3)),
  ).join('   ');

const heading = (walls: readonly number[]): string[] => {
  const width = AWAYS_S.length * 4 - 1;
  const timers = TIMERS.map((timer) => timer.padEnd(width)).join('   ');
  const aways = TIMERS.map(() => AWAYS_S.map((away) => span(away).padEnd(3)).join(' ')).join('   ');
  const lines = [`${'timer'.padEnd(LABEL)}${timers}`, `${'away'.padEnd(LABEL)}${aways}`];
  if (walls.length > 1) {
    const signs = TIMERS.map(() => AWAYS_S.map(() => '=-+').join(' ')).join('   ');
    lines.push(`${'wall clock right, -1h, +1h'.padEnd(LABEL)}${signs}`);
  }
  return lines.map((line) => line.trimEnd());
};

/** @returns the table, a line each */
export const matrixTable = (outcomes: readonly Outcome[]): string[] => {
  const signs = new Map(
    outcomes.map(({ cell, faults }) => [
      `${rowOf(cell)} ${columnOf(cell)}`,
      faults.length === 0 ? 'o' : 'X',
    ]),
  );
  const lines = [...heading(WALL_ERRORS_S)];
  for (const uptime of UPTIMES_S) {
    for (const from of TSC_KHZ) {
      for (const to of TSC_KHZ) {
        const label = `uptime ${signed(uptime).padEnd(5)} ${ghz(from)}->${ghz(to)} GHz`;
        const row = `restore ${uptime} ${from} ${to}`;
        lines.push(`${label.padEnd(LABEL)}${signsOf(row, signs, WALL_ERRORS_S)}`);
      }
    }
  }
  lines.push('', ...heading([0]));
  for (const kind of ['cancelled', 'refused']) {
    for (const tsc of TSC_KHZ) {
      const label = `${kind.padEnd(12)} ${ghz(tsc)} GHz`;
      lines.push(`${label.padEnd(LABEL)}${signsOf(`${kind} ${tsc}`, signs, [0])}`);
    }
  }
  return lines;
};
