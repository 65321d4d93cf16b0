/*
 * A C program linked with Xen's libxenstore (packages libxen-dev and gcc), several of it at once.
 */
import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianPackage } from '@tooling/peers';
import { describe, expect, test } from 'vitest';
import { serve } from './served.ts';

const run = promisify(execFile);

const build = (folder: string): string => {
  debianPackage('libxen-dev', '/usr/include/xenstore.h');
  debianPackage('gcc', '/usr/bin/gcc');
  const program = join(folder, 'libxenstore');
  const source = join(import.meta.dirname, 'libxenstore.c');
  execFileSync('/usr/bin/gcc', ['-O1', '-Wall', '-Werror', '-o', program, source, '-lxenstore']);
  return program;
};

describe('libxenstore', () => {
  test('LIBXS-1: eight processes count in transactions, and no count is lost', async () => {
    const { path, folder, daemon } = await serve();
    const program = build(folder);
    const env = { ...process.env, XENSTORED_PATH: path };
    const met = await Promise.all(
      Array.from({ length: 8 }, async () =>
        Number((await run(program, ['count', '200'], { env })).stdout),
      ),
    );
    const dom0 = daemon.connect(0);
    expect(dom0.read('/count')).toBe('1600');
    expect(met.reduce((a, b) => a + b)).toBeGreaterThan(0);
    expect(dom0.control('check')).toBe('OK');
    await expect.poll(() => daemon.counters()).toMatchObject({ connections: 2, transactions: 0 });
  });

  test('LIBXS-1: a token goes round by watches, fifty times through five processes', async () => {
    const { path, folder, daemon } = await serve();
    const program = build(folder);
    const env = { ...process.env, XENSTORED_PATH: path };
    const rounds = Promise.all(
      Array.from({ length: 5 }, (_, me) => run(program, ['ring', `${me}`, '5', '50'], { env })),
    );
    await expect.poll(() => daemon.counters().watches).toBe(5);
    daemon.connect(0).write('/ring/0', '1');
    for (const { stdout } of await rounds) expect(stdout).toBe('done\n');
    expect(daemon.connect(0).read('/ring/0')).toBe('51');
  });

  test('LIBXS-1: permissions as libxenstore sets and reads them', async () => {
    const { path, folder } = await serve();
    const env = { ...process.env, XENSTORED_PATH: path };
    const { stdout } = await run(build(folder), ['permissions'], { env });
    expect(stdout).toBe('3:0 4:3 \n');
  });

  test('LIBXS-2: counting, handing round and setting permissions at once, fourteen processes', async () => {
    const { path, folder, daemon } = await serve();
    const program = build(folder);
    const env = { ...process.env, XENSTORED_PATH: path };
    const started = (...args: string[]) => run(program, args, { env });
    const rings = Array.from({ length: 3 }, (_, me) => started('ring', `${me}`, '3', '40'));
    await expect.poll(() => daemon.counters().watches).toBe(3);
    const counts = Array.from({ length: 8 }, () => started('count', '100'));
    daemon.connect(0).write('/ring/0', '1');
    const permissions = Array.from({ length: 3 }, () => started('permissions'));
    await Promise.all(counts);
    for (const { stdout } of await Promise.all(rings)) expect(stdout).toBe('done\n');
    for (const { stdout } of await Promise.all(permissions)) expect(stdout).toBe('3:0 4:3 \n');
    const dom0 = daemon.connect(0);
    expect(dom0.read('/count')).toBe('800');
    expect(dom0.control('check')).toBe('OK');
    await expect.poll(() => daemon.counters()).toMatchObject({ watches: 0, transactions: 0 });
  });
});
