/*
 * Debian's own clients (package xenstore-utils), unmodified, against the server.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { debianPackage } from '@tooling/peers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { XenstoreClient } from '../src/index.ts';
import { serve } from './served.ts';

const run = promisify(execFile);

const clientsOf = (path: string) => {
  debianPackage('xenstore-utils', '/usr/bin/xenstore-ls');
  const env = { ...process.env, XENSTORED_PATH: path };
  return {
    env,
    call: async (name: string, ...args: string[]): Promise<string> =>
      (await run(`/usr/bin/xenstore-${name}`, args, { env, maxBuffer: 1e8 })).stdout,
    status: (name: string, ...args: string[]): Promise<number> =>
      run(`/usr/bin/xenstore-${name}`, args, { env }).then(
        () => 0,
        (error: { code: number }) => error.code,
      ),
  };
};

/** Lines of a process, one at a time. */
const linesOf = (child: ChildProcess): (() => Promise<string>) => {
  let text = '';
  let wake = (): void => undefined;
  child.stdout?.on('data', (bytes) => {
    text += bytes;
    wake();
  });
  return async () => {
    while (!text.includes('\n')) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const line = text.slice(0, text.indexOf('\n'));
    text = text.slice(line.length + 1);
    return line;
  };
};

describe("Debian's clients", () => {
  test('SOCK-1: write, read, list, exists, rm, chmod, ls -fp', async () => {
    const { path } = await serve();
    const { call, status } = clientsOf(path);
    await call('write', '/a/b', 'hello', '/a/c', 'two words');
    expect(await call('read', '/a/b')).toBe('hello\n');
    expect(await call('read', '-p', '/a/c')).toBe('/a/c: two words\n');
    expect(await call('list', '/a')).toBe('b\nc\n');
    expect(await status('exists', '/a/b')).toBe(0);
    expect(await status('exists', '/a/none')).not.toBe(0);
    await call('chmod', '/a/b', 'n0', 'r7');
    expect(await call('ls', '-fp', '/a')).toBe(
      '/a/b = "hello"   (n0,r7)\n/a/c = "two words"   (n0)\n',
    );
    await call('chmod', '-r', '/a', 'b3');
    expect(await call('ls', '-fp', '/a')).toBe(
      '/a/b = "hello"   (b3)\n/a/c = "two words"   (b3)\n',
    );
    await call('rm', '/a/b');
    expect(await status('read', '/a/b')).not.toBe(0);
    expect(await status('read', 'no such/path')).not.toBe(0);
  });

  test('SOCK-2: a directory larger than a payload, in 10,000 nodes; binary values', async () => {
    const { path, daemon } = await serve();
    const { call } = clientsOf(path);
    const dom0 = daemon.connect(0);
    for (let i = 0; i < 10_000; i++) dom0.write(`/many/node-${i}`, `${i}`);
    const listed = (await call('list', '/many')).trimEnd().split('\n');
    expect(listed).toEqual(Array.from({ length: 10_000 }, (_, i) => `node-${i}`));
    const lines = (await call('ls', '-f', '/many')).trimEnd().split('\n');
    expect(lines).toHaveLength(10_000);
    expect(lines).toContain('/many/node-9999 = "9999"');
    dom0.write('/binary', Uint8Array.of(0, 1, 255, 10, 65));
    const all = (await call('ls', '-f', '/')).split('\n');
    expect(all.filter((line) => line.startsWith('/binary'))).toEqual([
      '/binary = "\\000\\001\\xff\\nA"',
    ]);
  });

  test('SOCK-3: watch sees what write does', async () => {
    const { path } = await serve();
    const { call, env } = clientsOf(path);
    const child = spawn('/usr/bin/stdbuf', ['-oL', '/usr/bin/xenstore-watch', '/w'], { env });
    onTestFinished(() => {
      child.kill();
    });
    const next = linesOf(child);
    expect(await next()).toBe('/w');
    await call('write', '/w/x', '1');
    expect(await next()).toBe('/w/x');
    await call('rm', '/w');
    expect(await next()).toBe('/w');
  });

  test('SOCK-4: 200 clients at once', async () => {
    const { path, server, daemon } = await serve();
    const { call } = clientsOf(path);
    const clients = await Promise.all(
      Array.from({ length: 200 }, () => XenstoreClient.connect(path)),
    );
    await expect.poll(() => server.clients).toBe(200);
    await Promise.all(clients.map((client, i) => client.write(`/c/${i}`, `${i}`)));
    await Promise.all(
      clients.map((client) =>
        client.transaction(async (tx) => {
          const n = Number((await client.tryRead('/sum', tx)) ?? 0);
          await client.write('/sum', `${n + 1}`, tx);
        }),
      ),
    );
    expect(await call('read', '/sum')).toBe('200\n');
    expect((await call('list', '/c')).split('\n')).toHaveLength(201);
    await Promise.all(clients.map((client) => client.close()));
    await expect.poll(() => daemon.counters().connections).toBe(1);
  });

  test('SOCK-5: a client killed in the middle of a message harms nobody', async () => {
    const { path, daemon } = await serve();
    const { call } = clientsOf(path);
    const half = connect(path);
    await new Promise((resolve) => half.on('connect', resolve));
    half.write(Uint8Array.of(4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 47, 120, 0, 116, 0));
    half.write(Uint8Array.of(11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 47));
    await expect.poll(() => daemon.counters().watches).toBe(1);
    half.destroy();
    await expect.poll(() => daemon.counters()).toMatchObject({ connections: 1, watches: 0 });
    await call('write', '/still', 'there');
    expect(await call('read', '/still')).toBe('there\n');
  });
});
