import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const LEFT_OUT: ReadonlySet<string> = new Set([
  'node_modules',
  'dist',
  '.git',
  '.turbo',
  'coverage',
]);

/** A copy of the repository to be broken, with its libraries; it goes with the process. @returns its folder */
export const copyRepository = (root: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'port-xen-mutate-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  cpSync(root, folder, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
  const run = spawnSync('pnpm', ['install', '--prefer-offline', '--frozen-lockfile'], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (run.status !== 0) {
    throw new Error(
      `the copy's libraries cannot be installed: ${run.error?.message ?? run.stderr}`,
    );
  }
  return folder;
};
