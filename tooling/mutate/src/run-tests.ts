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

/** Waits for a process. @returns its exit status; -1 when it took longer than `patience_ms` and was ended */
const ended = (
  command: string,
  args: readonly string[],
  cwd: string,
  patience_ms: number,
): Promise<number> =>
  new Promise((resolve, reject) => {
    // A test that loops holds its thread: only what cannot be caught ends it.
    const run = spawn(command, args, {
      cwd,
      stdio: 'ignore',
      timeout: patience_ms,
      killSignal: 'SIGKILL',
    });
    run.on('error', reject);
    run.on('exit', (status) => resolve(status ?? -1));
  });

/**
 * Runs tests, one after the other, until one fails; vitest takes the file that failed in the last run first.
 * @returns the name of the one that did; undefined when all pass
 */
export const firstFailure = async (
  folder: string,
  files: readonly string[],
  patience_ms: number,
): Promise<string | undefined> => {
  // Where the configuration that all packages share has the results.
  const out = join(folder, 'test-results.json');
  rmSync(out, { force: true });
  const args = ['run', '--bail=1', '--maxWorkers=1', ...files];
  const status = await ended(join(folder, 'node_modules/.bin/vitest'), args, folder, patience_ms);
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
