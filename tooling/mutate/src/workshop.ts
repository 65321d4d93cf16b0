/*
 * A copy of the repository in which one statement at a time is taken out and put back, and the tests that may notice.
 *
 * The tests of the package come first, they take seconds; then those of the packages that are tested with it; then those of the whole
 * guest, the shorter ones first. What they take when nothing is broken is measured, and a run that takes many times as much of a
 * processor is one that waits for ever. A statement that may be missed, for a reason, is looked for by the tests of its package alone.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { copyRepository } from './copy.ts';
import { firstFailure } from './run-tests.ts';
import { type Statement, without } from './statements.ts';

/** Tests that run one after the other. */
interface Stage {
  readonly folder: string;
  /** All of the folder's when it is empty. */
  readonly files: readonly string[];
}

/** Tests of the whole guest: suspended, restored and cancelled at every moment. */
const WHOLE_GUEST: readonly Stage[] = [
  {
    folder: 'apps/domu',
    files: ['questions', 'image-tables', 'suspends/stale-handles', 'suspends/slow-cancel'],
  },
  {
    folder: 'apps/domu',
    files: ['any-request', 'suspends/cycles', 'suspends/requests', 'suspends/pairs'],
  },
].map(({ folder, files }) => ({ folder, files: files.map((name) => `test/${name}.test.ts`) }));
interface Manifest {
  readonly name: string;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifestIn = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** The packages whose tests alone use the one in `folder`. */
const testedWith = (root: string, folder: string): Stage[] => {
  const { name } = manifestIn(join(root, folder));
  return globSync('packages/*/package.json', { cwd: root })
    .map(dirname)
    .sort()
    .filter((other) => manifestIn(join(root, other)).devDependencies?.[name] !== undefined)
    .map((other) => ({ folder: other, files: [] }));
};

/** No unbroken run takes as long. */
const UNBROKEN_S = 600;
const SPARE_S = 30;
const TIMES = 4;

/** Where statements are taken out. */
export class Workshop {
  readonly #root: string;
  /** What the tests of a stage may take of a processor. */
  readonly #limit_s = new Map<string, number>();

  constructor(root: string) {
    this.#root = copyRepository(root);
  }

  /** Runs the tests of a stage with nothing broken. @throws when one fails: then being caught would mean nothing */
  async #measure(stage: Stage): Promise<number> {
    const key = [stage.folder, ...stage.files].join(' ');
    const known = this.#limit_s.get(key);
    if (known !== undefined) return known;
    const start = performance.now();
    const failure = await this.#run(stage, UNBROKEN_S);
    if (failure !== undefined) {
      throw new Error(
        `${stage.folder}: expected its tests to pass with nothing broken: ${failure}`,
      );
    }
    const limit_s = SPARE_S + TIMES * Math.ceil((performance.now() - start) / 1000);
    this.#limit_s.set(key, limit_s);
    return limit_s;
  }

  #run({ folder, files }: Stage, limit_s: number): Promise<string | undefined> {
    return firstFailure(join(this.#root, folder), files, limit_s);
  }

  /**
   * Takes a statement out of a file of the package in `folder`.
   * @param isExcused it may be missed
   * @returns the test that noticed, undefined when none did
   */
  async caught(
    folder: string,
    path: string,
    source: string,
    statement: Statement,
    isExcused: boolean,
  ): Promise<string | undefined> {
    const others = isExcused ? [] : [...testedWith(this.#root, folder), ...WHOLE_GUEST];
    for (const stage of [{ folder, files: [] }, ...others]) {
      const limit_s = await this.#measure(stage);
      writeFileSync(join(this.#root, path), without(source, statement));
      const failure = await this.#run(stage, limit_s);
      writeFileSync(join(this.#root, path), source);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }
}
