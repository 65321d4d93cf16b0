/*
 * Takes each statement out of every suspend and resume routine of the guest in turn, in a copy of the repository, and says which
 * test notices: first those of the package, then those of the whole guest. Who is not noticed survives, and needs a reason.
 *
 *     npm run pnpm -- mutate [PACKAGE…]
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyRepository } from './copy.ts';
import { firstFailure } from './run-tests.ts';
import { type Statement, statementsOf, without } from './statements.ts';
import { reasonFor } from './survivors.ts';

const GUEST_TAGS = /"(kern|guest\d)"/;
/** Tests of the whole guest, quickest first. */
const WHOLE_GUEST = [
  'test/questions.test.ts',
  'test/any-request.test.ts',
  'test/image-tables.test.ts',
];

const root = fileURLToPath(new URL('../../../', import.meta.url));
const wanted = process.argv.slice(2);
const packages = globSync('packages/*/turbo.json', { cwd: root })
  .filter((path) => GUEST_TAGS.test(readFileSync(join(root, path), 'utf8')))
  .map(dirname)
  .filter((path) => wanted.length === 0 || wanted.includes(basename(path)));

const copy = copyRepository(root);
const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const tryOne = (folder: string, path: string, source: string, statement: Statement): string => {
  writeFileSync(join(copy, path), without(source, statement));
  const caught =
    firstFailure(join(copy, folder)) ?? firstFailure(join(copy, 'apps/domu'), WHOLE_GUEST);
  writeFileSync(join(copy, path), source);
  if (caught !== undefined) return `caught    ${caught}`;
  const reason = reasonFor(basename(folder), statement.text);
  return reason === undefined ? 'SURVIVED  no reason is given' : `survived  ${reason}`;
};

let caught = 0;
let excused = 0;
let survivors = 0;
for (const folder of packages) {
  for (const path of globSync(`${folder}/src/**/*.ts`, { cwd: root }).sort()) {
    const source = readFileSync(join(root, path), 'utf8');
    for (const statement of statementsOf(source)) {
      say(`${path}:${statement.line}  ${statement.routine}: ${statement.text.slice(0, 90)}`);
      const verdict = tryOne(folder, path, source, statement);
      say(`    ${verdict}`);
      if (verdict.startsWith('caught')) caught++;
      else if (verdict.startsWith('survived')) excused++;
      else survivors++;
    }
  }
}
say(`${caught} caught, ${excused} survive for a reason, ${survivors} survive without one`);
process.exitCode = survivors === 0 ? 0 : 1;
