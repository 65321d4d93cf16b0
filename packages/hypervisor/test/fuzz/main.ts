/*
 * The longer run: `fuzz -- --minutes N --seed S`. Prints per sub-operation successes and errors; exit status 1 at the first thing
 * that is wrong.
 */
import { parseArgs } from 'node:util';
import { Fuzz, report } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    moves: { type: 'string', default: 'Infinity' },
  },
  // As pnpm passes them on.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
});
const seed = Number(values.seed);
const end = performance.now() + Number(values.minutes) * 60_000;
const fuzz = new Fuzz(seed);
while (performance.now() < end && fuzz.moves < Number(values.moves)) {
  fuzz.run(Math.min(fuzz.moves + 50_000, Number(values.moves)));
}
fuzz.finish();
console.log(report(fuzz));
console.log(
  `seed ${seed}: ${fuzz.moves} moves, ${fuzz.deaths} domains ended, ${fuzz.changes} changes of frames looked at`,
);
