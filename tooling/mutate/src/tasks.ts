import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Statement, statementsOf } from './statements.ts';

/** A statement to be taken out, and where it stands. */
export interface Task {
  /** Of its package, from the repository's root. */
  readonly folder: string;
  readonly path: string;
  readonly source: string;
  readonly statement: Statement;
}

const GUEST_TAGS = /"(kern|guest\d)"/;

/** Every statement of every suspend and resume routine of the guest's packages. */
export const tasksOf = (root: string): Task[] =>
  globSync('packages/*/turbo.json', { cwd: root })
    .sort()
    .filter((turbo) => GUEST_TAGS.test(readFileSync(join(root, turbo), 'utf8')))
    .map(dirname)
    .flatMap((folder) =>
      globSync(`${folder}/src/**/*.ts`, { cwd: root })
        .sort()
        .flatMap((path) => {
          const source = readFileSync(join(root, path), 'utf8');
          return statementsOf(source).map((statement) => ({ folder, path, source, statement }));
        }),
    );
