import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

interface Results {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Said of a run that was ended: a broken kernel may wait for ever, in virtual time or in real. */
const NEVER_ENDS = 'a test that never ends';

/** Waits for a program that is ended after so many seconds of processor time. @returns its exit status; -1 when it was ended */
const ended = (
  program: string,
  args: readonly string[],
  cwd: string,
  limit_s: number,
): Promise<number> =>
  new Promise((resolve, reject) => {
    // Not by the clock on the wall: whatever else the machine does would end tests that are sound.
    const limited = ['-c', 'ulimit -t "$0" && exec "$@"', String(limit_s), program, ...args];
    const run = spawn('/bin/sh', limited, { cwd, stdio: 'ignore' });
    run.on('error', reject);
    run.on('exit', (status) => resolve(status ?? -1));
  });

/**
 * Runs tests, one after the other, until one fails; vitest takes the file that failed in the last run first.
 * @param limit_s processor time after which the run is ended
 * @returns the name of the one that did; undefined when all pass
 */
export const firstFailure = async (
  folder: string,
  files: readonly string[],
  limit_s: number,
): Promise<string | undefined> => {
  // Where the configuration that all packages share has the results.
  const out = join(folder, 'test-results.json');
  rmSync(out, { force: true });
  // Processor time is what ends it; a test's own time is the wall's.
  const args = ['run', '--bail=1', '--maxWorkers=1', '--testTimeout=3600000', ...files];
  const status = await ended(join(folder, 'node_modules/.bin/vitest'), args, folder, limit_s);
  if (status === 0) return undefined;
  if (!existsSync(out)) return NEVER_ENDS;
  const { testResults } = JSON.parse(readFileSync(out, 'utf8')) as Results;
  for (const { assertionResults, message } of testResults) {
    const failed = assertionResults.find((test) => test.status === 'failed');
    if (failed !== undefined) return failed.fullName;
    if (message !== '') return message.split('\n')[0];
  }
  return NEVER_ENDS;
};
