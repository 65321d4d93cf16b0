/*
 * domu clock-matrix: a guest's clocks over every kind of absence, as one table.
 */
import { Clock } from '@port-xen/clock';
import { SingleBar } from 'cli-progress';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { makeGuest } from '../guest.ts';
import { balkyVariant } from './balky.ts';
import { allCells, drawCells } from './cells.ts';
import { cellText, matrixTable } from './matrix-table.ts';
import { MUTANTS } from './mutants/index.ts';
import { type Guests, type Outcome, runCell } from './run-cell.ts';
import { tenYears } from './ten-years.ts';

const CELLS = 150;
const SAVES = 200;
/** Cells whose faults are told in words. */
const TOLD = 10;

interface MatrixFlags {
  readonly cells: number;
  readonly seed: number;
  readonly all: boolean;
  readonly mutant?: string;
}

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError(`expected a whole number, found ${JSON.stringify(text)}`);
  }
  return value;
};

/** The kernels to run. @param mutant the name of a clock of the past */
export const matrixGuests = (mutant?: string): Guests => {
  const clock = MUTANTS[mutant ?? '']?.clock ?? Clock;
  return { plain: makeGuest(false, { clock }), balky: makeGuest(false, balkyVariant(clock)) };
};

const ms = (ns: number): string => `${(ns / 1e6).toFixed(3)} ms`;

/** What was largest, and what went wrong. */
const summary = (outcomes: readonly Outcome[]): string[] => {
  const largest = (of: (outcome: Outcome) => number): number =>
    outcomes.reduce((most, outcome) => Math.max(most, Math.abs(of(outcome))), 0);
  const broken = outcomes.filter(({ faults }) => faults.length > 0);
  const lines = [
    `largest: monotonic time off by ${ms(largest((o) => o.monotonic_ns))}, wall clock off by ${ms(largest((o) => o.wall_ns))}, ${largest((o) => o.ticksAtOnce)} ticks made up at once`,
    `${outcomes.length - broken.length} of ${outcomes.length} cells hold`,
  ];
  for (const { cell, faults } of broken.slice(0, TOLD)) {
    lines.push(`${cellText(cell)}:`, ...[...new Set(faults)].slice(0, 4).map((f) => `    ${f}`));
  }
  if (broken.length > TOLD) lines.push(`and ${broken.length - TOLD} more cells`);
  return lines;
};

/** On stderr, if somebody looks. */
const progressBar = (what: string, total: number): SingleBar => {
  const format = `{bar} {value}/{total} ${what}`;
  const bar = new SingleBar({ format, stream: process.stderr });
  if (process.stderr.isTTY) bar.start(total, 0);
  return bar;
};

const run = (flags: MatrixFlags): void => {
  const guests = matrixGuests(flags.mutant);
  const shows = MUTANTS[flags.mutant ?? '']?.shows ?? (() => true);
  const choice = allCells().filter(shows);
  const cells = flags.all ? choice : drawCells(choice, flags.cells, flags.seed);
  const bar = progressBar('cells', cells.length);
  const outcomes = cells.map((cell) => {
    const outcome = runCell(cell, flags.seed, guests);
    bar.increment();
    return outcome;
  });
  bar.stop();
  process.stdout.write(`${[...matrixTable(outcomes), '', ...summary(outcomes)].join('\n')}\n`);
  if (outcomes.some(({ faults }) => faults.length > 0)) process.exitCode = 1;
};

const drift = ({ saves, seed }: { saves: number; seed: number }): void => {
  const bar = progressBar('saves', saves);
  const result = tenYears(saves, seed, makeGuest(false), () => bar.increment());
  bar.stop();
  const lines = [
    `${result.saves} saves in ${result.years.toFixed(2)} years, ${result.ticks} ticks counted`,
    `off at most: uptime ${result.uptime_ns} ns, monotonic time ${ms(result.monotonic_ns)}, wall clock ${ms(result.wall_ns)}`,
    ...(result.faults.length === 0 ? ['nothing lost'] : result.faults.slice(0, TOLD)),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (result.faults.length > 0) process.exitCode = 1;
};

/** Adds `domu clock-matrix` and `domu clock-drift`. */
export const clockMatrixCommand = (program: Command): void => {
  program
    .command('clock-matrix')
    .description(
      'suspends a guest in every way and tells whether its clocks keep what is promised of them',
    )
    .option('--cells <n>', 'how many cells are drawn', count, CELLS)
    .option('--seed <n>', 'what they are drawn by', count, 1)
    .option('--all', 'every cell', false)
    .addOption(
      new Option(
        '--mutant <name>',
        'run a clock of the past, in the cells in which it shows',
      ).choices(Object.keys(MUTANTS)),
    )
    .action(run);
  program
    .command('clock-drift')
    .description(
      'saves and restores a guest again and again over ten years and tells what its clocks lost',
    )
    .option('--saves <n>', 'how often', count, SAVES)
    .option('--seed <n>', 'what is drawn is drawn by', count, 1)
    .action(drift);
};
