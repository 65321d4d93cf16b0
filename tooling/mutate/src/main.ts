/*
 * Takes each statement out of every suspend and resume routine of the guest in turn, in a copy of the repository, and says which
 * test notices: first those of the package, then those of the whole guest. Who is not noticed survives, and needs a reason.
 *
 *     npm run pnpm -- mutate [PACKAGE…]
 *
 * Two copies are at work at a time, and give way to whatever else the machine does.
 */
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reasonFor } from './survivors.ts';
import { type Task, tasksOf } from './tasks.ts';
import { Workshop } from './workshop.ts';

const WORKSHOPS = 2;
const NICE = 10;

const root = fileURLToPath(new URL('../../../', import.meta.url));
const wanted = process.argv.slice(2);

const tasks = tasksOf(root).filter(
  ({ folder }) => wanted.length === 0 || wanted.includes(basename(folder)),
);
// In the order in which they were asked for.
tasks.sort((a, b) => wanted.indexOf(basename(a.folder)) - wanted.indexOf(basename(b.folder)));
setPriority(NICE);

// The copies go with the process, however it ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

const counts = { caught: 0, excused: 0, survivors: 0 };
const tryOne = async (shop: Workshop, task: Task): Promise<void> => {
  const { folder, path, source, statement } = task;
  const reason = reasonFor(basename(folder), statement.text);
  const caught = await shop.caught(folder, path, source, statement, reason !== undefined);
  let verdict: string;
  if (caught !== undefined) {
    counts.caught++;
    verdict = `caught    ${caught}`;
  } else if (reason !== undefined) {
    counts.excused++;
    verdict = `survived  ${reason}`;
  } else {
    counts.survivors++;
    verdict = 'SURVIVED  no reason is given';
  }
  const what = `${statement.routine}: ${statement.text.slice(0, 90)}`;
  process.stdout.write(`${path}:${statement.line}  ${what}\n    ${verdict}\n`);
};

await Promise.all(
  Array.from({ length: WORKSHOPS }, async () => {
    const shop = new Workshop(root);
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      await tryOne(shop, task);
    }
  }),
);
const { caught, excused, survivors } = counts;
process.stdout.write(
  `${caught} caught, ${excused} survive for a reason, ${survivors} survive without one\n`,
);
process.exitCode = survivors === 0 ? 0 : 1;
