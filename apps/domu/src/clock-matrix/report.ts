/*
 * What the commands print: the matrix as a table or, of few cells, as a list; and what ten years have lost.
 */
import { Clock } from '@port-xen/clock';
import { makeGuest } from '../guest.ts';
import { balkyVariant } from './balky.ts';
import { allCells, drawCells } from './cells.ts';
import { cellText, matrixTable } from './matrix-table.ts';
import { measureTable } from './measure-table.ts';
import { MUTANTS } from './mutants/index.ts';
import { type Guests, type Outcome, runCell } from './run-cell.ts';
import { tenYears } from './ten-years.ts';
import { withWitness } from './witness.ts';

/** Cells whose faults are told in words. */
const TOLD = 10;
/** So few cells are listed. */
const LISTED = 12;

export interface MatrixFlags {
  readonly cells: number;
  readonly seed: number;
  readonly all: boolean;
  /** The name of a clock of the past. */
  readonly mutant?: string;
}

/** What was found. */
export interface Report {
  readonly lines: readonly string[];
  /** Whether everything holds. */
  readonly holds: boolean;
}

/** The kernels to run. @param mutant the name of a clock of the past */
export const matrixGuests = (mutant?: string): Guests => {
  const clock = MUTANTS[mutant ?? '']?.clock ?? Clock;
  return {
    plain: makeGuest(false, withWitness({ clock })),
    balky: makeGuest(false, withWitness(balkyVariant(clock))),
  };
};

/** What is wrong with a cell: the first of each kind. */
const faultLines = ({ faults }: Outcome): string[] => {
  const kinds = new Map<string, string>();
  for (const fault of faults) {
    const kind = fault.replace(/[-\d.]+/g, 'N');
    if (!kinds.has(kind)) kinds.set(kind, `    ${fault}`);
  }
  return [...kinds.values()];
};

const list = (outcomes: readonly Outcome[]): string[] =>
  outcomes.flatMap((outcome) => {
    const sign = outcome.faults.length === 0 ? 'o' : 'X';
    return [`${sign} ${cellText(outcome.cell)}`, ...faultLines(outcome)];
  });

const table = (outcomes: readonly Outcome[]): string[] => {
  const broken = outcomes.filter(({ faults }) => faults.length > 0);
  const told = broken
    .slice(0, TOLD)
    .flatMap((outcome) => [`X ${cellText(outcome.cell)}`, ...faultLines(outcome)]);
  const more = broken.length > TOLD ? [`and ${broken.length - TOLD} more cells`] : [];
  return [...matrixTable(outcomes), '', ...told, ...more];
};

/** The cells that the flags ask for. */
export const cellsOf = (flags: MatrixFlags): ReturnType<typeof allCells> => {
  const mutant = MUTANTS[flags.mutant ?? ''];
  // Clocks of the past know one timer.
  const choice = allCells().filter(
    (cell) => mutant === undefined || (cell.timer === 'oneshot' && mutant.shows(cell)),
  );
  return flags.all ? choice : drawCells(choice, flags.cells, flags.seed);
};

/** Runs the cells. @param progress called after each */
export const matrixReport = (flags: MatrixFlags, progress: () => void = () => {}): Report => {
  const guests = matrixGuests(flags.mutant);
  const outcomes = cellsOf(flags).map((cell) => {
    const outcome = runCell(cell, flags.seed, guests);
    progress();
    return outcome;
  });
  const held = outcomes.filter(({ faults }) => faults.length === 0).length;
  const lines = [
    ...(outcomes.length <= LISTED ? list(outcomes) : table(outcomes)),
    // Of a clock of the past the faults say it all.
    ...(flags.mutant === undefined ? measureTable(outcomes) : []),
    `${held} of ${outcomes.length} cells hold`,
  ];
  return { lines, holds: held === outcomes.length };
};

/** Saves and restores over ten years. @param progress called after each save */
export const driftReport = (
  saves: number,
  seed: number,
  progress: () => void = () => {},
): Report => {
  const result = tenYears(saves, seed, makeGuest(false), progress);
  const holds = result.faults.length === 0;
  const lines = [
    `${result.saves} saves in ${result.years.toFixed(2)} years, ${result.ticks} ticks counted`,
    `off at most: uptime ${result.uptime_ns} ns, monotonic time ${result.monotonic_ns} ns, runstates ${result.runstates_ns} ns, wall clock ${(result.wall_ns / 1e6).toFixed(3)} ms`,
    `off true time by ${(result.rate_ppb / 1000).toFixed(1)} ppm at most, on hosts that are off by 50`,
    ...(holds ? ['nothing lost'] : result.faults.slice(0, TOLD)),
  ];
  return { lines, holds };
};
