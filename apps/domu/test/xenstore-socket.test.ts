/*
 * Xen's own clients on the xenstore of a running world: they see the domain, and one of them suspends it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { debianPackage } from '@tooling/peers';
import { beforeAll, expect, test } from 'vitest';
import { configure, scratch } from './domu.ts';

const path = scratch();
const socket = path('xs');

beforeAll(() => {
  debianPackage('xenstore-utils', '/usr/bin/xenstore-ls');
}, 300_000);

const xenstore = (command: string, ...args: readonly string[]): string =>
  spawnSync(`xenstore-${command}`, args, {
    encoding: 'utf8',
    env: { ...process.env, XENSTORED_PATH: socket },
  }).stdout;

const until = async (what: string, holds: () => boolean): Promise<void> => {
  const end = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

test('xenstore-ls sees a running domain, and xenstore-write suspends it', async () => {
  const bin = fileURLToPath(new URL('../bin/domu', import.meta.url));
  const config = configure(path('seen.cfg'), { name: 'seen', extra: 'init=counter' });
  const child = spawn(bin, ['create', '-c', '--xenstore', socket, config], {
    env: { ...process.env, XDG_RUNTIME_DIR: path('') },
  });
  let printed = '';
  child.stdout.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
  });
  try {
    await until('the counter', () => printed.includes('counter 2 '));
    expect(xenstore('ls', '-fp')).toContain('/local/domain/1/name = "seen"   (n0,r1)');
    expect(xenstore('read', '/local/domain/1/control/feature-suspend')).toBe('1\n');
    xenstore('write', '/local/domain/1/control/shutdown', 'suspend');
    await until('the suspend', () => printed.includes('domain 1 has shut down (suspend)'));
    expect(printed).toContain('xenbus0: asked to suspend');
    expect(xenstore('read', '/local/domain/1/control/shutdown')).toBe('\n');
  } finally {
    child.kill();
  }
});
