/*
 * `domu xenstored` as a person has it: the executable, Debian's clients (packages xenstore-utils, xen-utils-4.17), and an
 * update of the daemon while a watcher watches.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianPackage } from '@tooling/peers';
import { expect, onTestFinished, test } from 'vitest';

const run = promisify(execFile);
const DOMU = join(import.meta.dirname, '../bin/domu');

/** Lines of a process's output, one at a time. */
const linesOf = (child: ChildProcess): (() => Promise<string>) => {
  let text = '';
  child.stdout?.on('data', (bytes) => {
    text += bytes;
  });
  return async () => {
    await expect.poll(() => text, { timeout: 20_000 }).toContain('\n');
    const line = text.slice(0, text.indexOf('\n'));
    text = text.slice(line.length + 1);
    return line;
  };
};

const start = async () => {
  debianPackage('xenstore-utils', '/usr/bin/xenstore-ls');
  const folder = mkdtempSync(join(tmpdir(), 'domu-xenstored-'));
  const socket = join(folder, 'socket');
  const child = spawn(DOMU, ['xenstored', '--socket', socket]);
  const next = linesOf(child);
  const ready = /^xenstored: (\S+), process (\d+)$/;
  const pids: number[] = [];
  const serving = async (): Promise<void> => {
    const found = ready.exec(await next()) as RegExpExecArray;
    expect(found[1]).toBe(socket);
    pids.push(Number(found[2]));
  };
  onTestFinished(() => {
    for (const pid of pids) {
      try {
        process.kill(pid);
      } catch {
        // It has ended already.
      }
    }
    rmSync(folder, { recursive: true });
  });
  await serving();
  const env = { ...process.env, XENSTORED_PATH: socket };
  const call = async (name: string, ...args: string[]): Promise<string> =>
    (await run(`/usr/bin/xenstore-${name}`, args, { env })).stdout;
  return { child, socket, env, call, serving, pids };
};

test("domu xenstored serves Debian's clients until it is told to end", async () => {
  const { child, socket, call } = await start();
  await call('write', '/a/b', 'hello');
  await call('chmod', '/a/b', 'n0', 'r7');
  expect(await call('ls', '-fp', '/a')).toBe('/a/b = "hello"   (n0,r7)\n');
  await call('rm', '/a');
  await expect(call('read', '/a/b')).rejects.toThrow();
  await expect(run(DOMU, ['xenstored', '--socket', socket])).rejects.toMatchObject({
    code: 1,
    stderr: `domu: expected a free path for the xenstore socket, found a server at ${socket}\n`,
  });
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

test('domu xenstored is replaced by xenstore-control, and a watcher sees what comes after', async () => {
  const { child, socket, call, env, serving, pids } = await start();
  const control = debianPackage('xen-utils-4.17', '/usr/lib/xen-4.17/bin/xenstore-control');
  await call('write', '/a', 'before');
  const watcher = spawn('/usr/bin/stdbuf', ['-oL', '/usr/bin/xenstore-watch', '/a'], { env });
  onTestFinished(() => {
    watcher.kill();
  });
  const event = linesOf(watcher);
  expect(await event()).toBe('/a');
  const ended = once(child, 'exit');
  await run(control, ['live-update', '-c', `xenstored --socket ${socket}`, DOMU], { env });
  await serving();
  expect(await ended).toEqual([0, null]);
  expect(pids[1]).not.toBe(pids[0]);
  expect(await call('read', '/a')).toBe('before\n');
  await call('write', '/a', 'after');
  expect(await event()).toBe('/a');
});
