/*
 * A copy of the repository in which one statement at a time is taken out and put back, and the tests that may notice.
 *
 * The tests of the package come first, they take seconds; then those of the whole guest, which take a minute. What they take when
 * nothing is broken is measured, and a run that takes many times as much of a processor is one that waits for ever. What is only
 * said is looked for by the tests of the package alone.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyRepository } from './copy.ts';
import { firstFailure } from './run-tests.ts';
import { type Statement, without } from './statements.ts';
import { isSpoken } from './survivors.ts';

/** Tests of the whole guest: suspended, restored and cancelled at every moment. */
const WHOLE_GUEST = [
  'test/suspends',
  'test/questions.test.ts',
  'test/any-request.test.ts',
  'test/image-tables.test.ts',
];
const WHOLE_GUEST_FOLDER = 'apps/domu';
/** No unbroken run takes as long. */
const UNBROKEN_S = 600;
const SPARE_S = 30;
const TIMES = 4;

/** Where statements are taken out. */
export class Workshop {
  readonly #root: string;
  /** What the tests of a folder may take of a processor. */
  readonly #limit_s = new Map<string, number>();

  constructor(root: string) {
    this.#root = copyRepository(root);
  }

  /** Runs the tests of a folder with nothing broken. @throws when one fails: then being caught would mean nothing */
  async #measure(folder: string): Promise<number> {
    const known = this.#limit_s.get(folder);
    if (known !== undefined) return known;
    const start = performance.now();
    const failure = await this.#run(folder, UNBROKEN_S);
    if (failure !== undefined) {
      throw new Error(`${folder}: expected its tests to pass with nothing broken: ${failure}`);
    }
    const limit_s = SPARE_S + TIMES * Math.ceil((performance.now() - start) / 1000);
    this.#limit_s.set(folder, limit_s);
    return limit_s;
  }

  #run(folder: string, limit_s: number): Promise<string | undefined> {
    const files = folder === WHOLE_GUEST_FOLDER ? WHOLE_GUEST : [];
    return firstFailure(join(this.#root, folder), files, limit_s);
  }

  /** Takes a statement out of a file of the package in `folder`. @returns the test that noticed, undefined when none did */
  async caught(
    folder: string,
    path: string,
    source: string,
    statement: Statement,
  ): Promise<string | undefined> {
    const stages = isSpoken(statement.text) ? [folder] : [folder, WHOLE_GUEST_FOLDER];
    for (const tests of stages) {
      const limit_s = await this.#measure(tests);
      writeFileSync(join(this.#root, path), without(source, statement));
      const failure = await this.#run(tests, limit_s);
      writeFileSync(join(this.#root, path), source);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }
}
