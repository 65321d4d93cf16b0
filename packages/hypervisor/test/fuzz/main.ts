/*
 * The longer run: for so many minutes, and so many hypercalls at least. Prints per sub-operation successes and errors; exit status
 * 1 at the first thing that is wrong, and when a sub-operation did not succeed often enough.
 *
 *     fuzz -- [--minutes N] [--at-least CALLS] [--successes N] [--seed S] [--moves N]
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { Fuzz, NEVER, report } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    'at-least': { type: 'string', default: '0' },
    successes: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    moves: { type: 'string', default: 'Infinity' },
  },
  // As pnpm passes them on.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
});
const [seed, moves, atLeast, successes] = [
  values.seed,
  values.moves,
  values['at-least'],
  values.successes,
].map(Number) as [number, number, number, number];
const end = performance.now() + Number(values.minutes) * 60_000;
const fuzz = new Fuzz(seed);
while (fuzz.moves < moves && (performance.now() < end || fuzz.calls < atLeast)) {
  fuzz.run(Math.min(fuzz.moves + 50_000, moves));
}
fuzz.finish();
console.log(report(fuzz));
console.log(
  `seed ${seed}: ${fuzz.moves} moves, ${fuzz.calls} hypercalls, ${fuzz.deaths} domains ended, ${fuzz.changes} changes of frames looked at`,
);
const seldom = [...fuzz.tallies].filter(
  ([name, tally]) => !NEVER.has(name) && tally.successes < successes,
);
assert.deepEqual(
  seldom.map(([name, tally]) => `${name}: ${tally.successes}`),
  [],
  `expected ${successes} successes of each`,
);
