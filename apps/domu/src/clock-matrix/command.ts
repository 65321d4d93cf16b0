/*
 * domu clock-matrix: a guest's clocks over every kind of absence. domu clock-drift: over ten years of them.
 */
import { SingleBar } from 'cli-progress';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { MUTANTS } from './mutants/index.ts';
import { cellsOf, driftReport, type MatrixFlags, matrixReport, type Report } from './report.ts';

const CELLS = 150;
const SAVES = 200;

const count = (text: string): number => {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError(`expected a whole number, found ${JSON.stringify(text)}`);
  }
  return value;
};

/** How many are to be run: of none there is nothing to tell. */
const some = (text: string): number => {
  const value = count(text);
  if (value === 0) throw new InvalidArgumentError('expected one or more, found 0');
  return value;
};

/** Runs something with its progress on stderr, if somebody looks, and prints what it found. */
const show = (what: string, total: number, run: (progress: () => void) => Report): void => {
  const format = `{bar} {value}/{total} ${what}`;
  const bar = new SingleBar({ format, stream: process.stderr });
  if (process.stderr.isTTY) bar.start(total, 0);
  const { lines, holds } = run(() => bar.increment());
  bar.stop();
  process.stdout.write(`${lines.join('\n')}\n`);
  if (!holds) process.exitCode = 1;
};

/** Adds `domu clock-matrix` and `domu clock-drift`. */
export const clockMatrixCommand = (program: Command): void => {
  program
    .command('clock-matrix')
    .description(
      'suspends a guest in every way and tells whether its clocks keep what is promised of them; exits 1 if one does not',
    )
    .option('--cells <n>', 'how many cells are drawn', some, CELLS)
    .option('--seed <n>', 'what they are drawn by', count, 1)
    .option('--all', 'every cell', false)
    .addOption(
      new Option(
        '--mutant <name>',
        'run a clock of the past, in the cells in which it shows',
      ).choices(Object.keys(MUTANTS)),
    )
    .action((flags: MatrixFlags) => {
      show('cells', cellsOf(flags).length, (progress) => matrixReport(flags, progress));
    });
  program
    .command('clock-drift')
    .description(
      'saves and restores a guest again and again over ten years and tells what its clocks lost',
    )
    .option('--saves <n>', 'how often', some, SAVES)
    .option('--seed <n>', 'what everything is drawn by', count, 1)
    .action(({ saves, seed }: { saves: number; seed: number }) => {
      show('saves', saves, (progress) => driftReport(saves, seed, progress));
    });
};
