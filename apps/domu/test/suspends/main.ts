/*
 * The longer hunt: `hunt -- --minutes N --seed S --cycles C --interface xen-2.0`. First each cycle C times, then suspends for N minutes. Prints what was
 * covered; exit status 1 at the first thing that is wrong.
 */
import { parseArgs } from 'node:util';
import { CYCLES, Cycler } from './cycles.ts';
import { Hunt, report } from './hunt.ts';
import { huntedKernel } from './hunted-kernel.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    cycles: { type: 'string', default: '1000' },
    interface: { type: 'string', default: 'xen-3.0' },
  },
  // As pnpm passes them on.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
});
const kernel = huntedKernel(false, values.interface === 'xen-2.0' ? 'xen-2.0' : 'xen-3.0');
for (const cycle of CYCLES) {
  const cycler = new Cycler(kernel);
  for (let i = 0; i < Number(values.cycles); i++) cycler.turn(cycle);
  for (const [counts, since] of cycler.seen) {
    process.stdout.write(`${cycle}, ${values.cycles} times, after ${since} of them: ${counts}\n`);
  }
  if (cycler.faults.length > 0 || cycler.seen.size > 1) {
    process.stderr.write(`${cycler.faults[0] ?? `${cycle} changes what is held`}\n`);
    process.exit(1);
  }
}

const end = performance.now() + Number(values.minutes) * 60_000;
const hunt = new Hunt(kernel, Number(values.seed));
while (performance.now() < end && hunt.fault === undefined) hunt.live();
process.stdout.write(report(hunt));
if (hunt.fault !== undefined) {
  process.stderr.write(`seed ${values.seed}: ${hunt.fault}\n`);
  process.exitCode = 1;
}
