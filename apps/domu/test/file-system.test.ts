import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { memoryDisk } from '@tooling/testbed';
import { expect, test } from 'vitest';
import { guest, randomBytes } from './cycle.ts';
import { scratch } from './domu.ts';
import { runWorkload } from './workload.ts';

const SIZE = 8 << 20;
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const path = scratch();

const run = (command: string, ...args: readonly string[]) =>
  spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, PATH } });

/** An ext4 file system with some files, as mkfs.ext4 makes it; bytes that mean nothing where there is no mkfs.ext4. */
const fileSystem = (): { image: Uint8Array; real: boolean } => {
  mkdirSync(path('tree'));
  for (let i = 0; i < 40; i++) {
    writeFileSync(path(`tree/file${i}`), Buffer.alloc(1000 * i + 1, `${i} `));
  }
  const made = run('mkfs.ext4', '-q', '-d', path('tree'), path('from.img'), `${SIZE / 1024}k`);
  if (made.error !== undefined) return { image: randomBytes(SIZE, 4), real: false };
  expect([made.status, made.stderr]).toEqual([0, expect.any(String)]);
  return { image: new Uint8Array(readFileSync(path('from.img'))), real: true };
};

test('a file system that a guest copied, saved in the middle, is clean and holds its files', () => {
  const { image, real } = fileSystem();
  const disks = { xvda: memoryDisk(image.slice()), xvdb: memoryDisk(SIZE) };
  const work = { guest, cmdline: 'init=cp /dev/xbd0 /dev/xbd1', disks };
  const { text } = runWorkload(work, [20e6, 30e6, 15e6]);
  expect(text).toContain(`cp: ${SIZE} bytes copied\n`);
  const copy = disks.xvdb.flushed();
  expect(Buffer.compare(copy, image)).toBe(0);
  if (!real) return;
  writeFileSync(path('to.img'), copy);
  const checked = run('e2fsck', '-fn', path('to.img'));
  expect([checked.status, checked.stdout]).toEqual([0, expect.stringContaining('51/')]);
});
