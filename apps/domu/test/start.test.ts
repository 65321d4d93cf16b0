import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeSnapshot } from '../src/start/write-snapshot.ts';
import { configure, scratch } from './domu.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const MAKING_MS = 60_000;
const path = scratch();

/** Runs domu from a snapshot or from the sources. @returns what it printed, and whether sources were loaded */
const run = (blob: string | undefined, ...args: readonly string[]) => {
  const compiled = path(`compiled-${readdirSync(path('.')).length}`);
  mkdirSync(compiled);
  const start = blob === undefined ? [] : ['--snapshot-blob', blob];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...start, MAIN, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', NODE_COMPILE_CACHE: compiled },
  });
  const entries = readdirSync(compiled, { recursive: true });
  return { status, stdout, stderr, fromSources: entries.length > 100 };
};

describe('a start', () => {
  const blob = path('cache/start.blob');
  const also = path('also');

  beforeAll(async () => {
    writeFileSync(also, 'as it was');
    while (statSync(also).mtimeMs >= Date.now()) execFileSync('true');
    await writeSnapshot(path('cache'), [also]);
  }, MAKING_MS);

  test('from a snapshot is the same run as from the sources, and what one saves the other restores', () => {
    const config = configure(path('guest.cfg'), { extra: 'init=counter 3' });
    const image = path('guest.save');
    const saving = ['create', config, '--save', image, '--at', 'console:counter 2', '--trace-hash'];
    const snapshot = run(blob, ...saving);
    expect([snapshot.status, snapshot.fromSources]).toEqual([0, false]);
    const restored = run(undefined, 'restore', image);
    expect([restored.status, restored.fromSources]).toEqual([0, true]);
    expect(restored.stdout).toContain('counter 3');
    expect(run(undefined, ...saving)).toEqual({ ...snapshot, fromSources: true });
  });

  test('in a copy of the clone is from the copy’s sources', () => {
    const copy = path('main.mjs');
    writeFileSync(copy, 'console.log("the copy", ...process.argv.slice(2));');
    const { stdout } = spawnSync(process.execPath, ['--snapshot-blob', blob, copy, 'list'], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('the copy list\n');
  });

  test('after a source was changed is from the sources, with the same arguments', () => {
    writeFileSync(also, 'as it is now');
    const { status, stdout, fromSources } = run(blob, 'image', '--help');
    expect([status, fromSources]).toEqual([0, true]);
    expect(stdout).toContain('verify');
  });
});
