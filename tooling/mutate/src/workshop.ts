/*
 * A copy of the repository in which one statement at a time is taken out and put back, and the tests that may notice.
 *
 * The tests of the package come first, they take seconds; then those of the whole guest, which take a minute. What they take when
 * nothing is broken is measured, and a run that takes many times as long is one that waits for ever.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyRepository } from './copy.ts';
import { firstFailure } from './run-tests.ts';
import { type Statement, without } from './statements.ts';

/** Tests of the whole guest: suspended, restored and cancelled at every moment. */
const WHOLE_GUEST = [
  'test/suspends',
  'test/questions.test.ts',
  'test/any-request.test.ts',
  'test/image-tables.test.ts',
];
const WHOLE_GUEST_FOLDER = 'apps/domu';
/** No unbroken run takes as long. */
const UNBROKEN_MS = 600_000;
/** Others use the machine, too. */
const SPARE_MS = 30_000;
const TIMES = 4;

/** Where statements are taken out. */
export class Workshop {
  readonly #root: string;
  readonly #patience_ms = new Map<string, number>();

  constructor(root: string) {
    this.#root = copyRepository(root);
  }

  /** Runs the tests of a folder with nothing broken. @throws when one fails: then being caught would mean nothing */
  async #measure(folder: string): Promise<number> {
    const known = this.#patience_ms.get(folder);
    if (known !== undefined) return known;
    const start = performance.now();
    const failure = await this.#run(folder, UNBROKEN_MS);
    if (failure !== undefined) {
      throw new Error(`${folder}: expected its tests to pass with nothing broken: ${failure}`);
    }
    const patience_ms = SPARE_MS + TIMES * Math.ceil(performance.now() - start);
    this.#patience_ms.set(folder, patience_ms);
    return patience_ms;
  }

  #run(folder: string, patience_ms: number): Promise<string | undefined> {
    const files = folder === WHOLE_GUEST_FOLDER ? WHOLE_GUEST : [];
    return firstFailure(join(this.#root, folder), files, patience_ms);
  }

  /** Takes a statement out of a file of the package in `folder`. @returns the test that noticed, undefined when none did */
  async caught(
    folder: string,
    path: string,
    source: string,
    statement: Statement,
  ): Promise<string | undefined> {
    for (const tests of [folder, WHOLE_GUEST_FOLDER]) {
      const patience_ms = await this.#measure(tests);
      writeFileSync(join(this.#root, path), without(source, statement));
      const failure = await this.#run(tests, patience_ms);
      writeFileSync(join(this.#root, path), source);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }
}
