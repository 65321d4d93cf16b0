import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const DOMU = fileURLToPath(new URL('../bin/domu', import.meta.url));

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the executable in a process of its own. @param args its arguments; an object adds to the environment */
export const domu = (...all: readonly (string | Readonly<Record<string, string>>)[]): Ran => {
  const args = all.filter((arg) => typeof arg === 'string');
  const environment = Object.assign({}, ...all.filter((arg) => typeof arg !== 'string'));
  const { status, stdout, stderr } = spawnSync(DOMU, args, {
    encoding: 'latin1',
    cwd: tmpdir(),
    env: { ...process.env, NO_COLOR: '1', ...environment },
    timeout: 120_000,
  });
  return { status, stdout, stderr };
};

/** The same, after the commands of a shell in whose place it is run. */
export const domuAfter = (commands: string, ...args: readonly string[]): Ran => {
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', `${commands}\nexec "$0" "$@"`, DOMU, ...args],
    {
      encoding: 'latin1',
      cwd: tmpdir(),
      env: { ...process.env, NO_COLOR: '1', NODE_DISABLE_COMPILE_CACHE: '1' },
      timeout: 120_000,
    },
  );
  return { status, stdout, stderr };
};

/** A folder that is gone when the file's tests have ended. @returns paths in it */
export const scratch = (): ((name: string) => string) => {
  const folder = mkdtempSync(join(tmpdir(), 'domu-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return (name) => join(folder, name);
};

/** Writes a configuration. @returns its path */
export const configure = (
  path: string,
  settings: Readonly<Record<string, string | number | readonly string[]>>,
): string => {
  const text = Object.entries({ name: 'guest', memory: 16, ...settings })
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    .join('\n');
  writeFileSync(path, `${text}\n`);
  return path;
};

/** The last line that is not empty. */
export const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';
