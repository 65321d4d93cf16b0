import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A broken kernel may wait for ever, in virtual time or in real. */
const PATIENCE_MS = 240_000;

interface Results {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Runs tests until one fails. @returns the name of the one that did; undefined when all pass */
export const firstFailure = (folder: string, files: readonly string[] = []): string | undefined => {
  // Where the configuration that all packages share has the results.
  const out = join(folder, 'test-results.json');
  rmSync(out, { force: true });
  const args = ['run', '--bail=1', ...files];
  const run = spawnSync(join(folder, 'node_modules/.bin/vitest'), args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
  if (run.status === 0) return undefined;
  if (!existsSync(out)) return 'a test that never ends';
  const { testResults } = JSON.parse(readFileSync(out, 'utf8')) as Results;
  for (const { assertionResults, message } of testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed');
    if (failed !== undefined) return failed.fullName;
    if (message !== '') return message.split('\n')[0];
  }
  return 'a test that never ends';
};
