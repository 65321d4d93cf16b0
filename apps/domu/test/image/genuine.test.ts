/*
 * Genuine restore and save code take our images, and what they write of them goes on here.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageReader, MemoryImage } from '@port-xen/migration-stream';
import { verifyImage } from '@port-xen/toolstack';
import { type GenuineXen, genuineRestore, verifyStream } from '@tooling/peers';
import { memoryDisk } from '@tooling/testbed';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { imageDiff } from '../../src/image/image-diff.ts';
import {
  boot,
  emptyHost,
  finish,
  type Life,
  randomBytes,
  runToRequest,
  vanish,
  wakeUp,
} from '../cycle.ts';
import { lastLine } from '../domu.ts';
import { look } from './looked-at.ts';

const folder = mkdtempSync(join(tmpdir(), 'domu-genuine-'));
let xen: GenuineXen;
beforeAll(() => {
  xen = genuineRestore(folder);
}, 900_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** Where the libxc stream of an xl file begins and ends. */
const streamIn = (image: Uint8Array): { start: number; end: number } => {
  let start = 0;
  let end = 0;
  let at = 0;
  const read = (into: Uint8Array): number => {
    const some = image.subarray(at, at + into.length);
    into.set(some);
    at += some.length;
    return some.length;
  };
  new ImageReader({ read }).read({
    record: ({ layer, name, offset }) => {
      if (name === 'LIBXC_CONTEXT') start = offset + 8;
      if (layer === 'libxc' && name === 'END') end = offset + 8;
    },
  });
  return { start, end };
};

test('a guest of ours, restored and saved again by genuine code, goes on here', () => {
  const disk = memoryDisk(1 << 20);
  disk.bytes.set(randomBytes(1 << 20, 9));
  const life: Life = { program: 'sha256 /dev/xbd0', memoryMib: 16, disks: { xvda: disk } };
  const here = emptyHost(life, 5);
  const domid = boot(here, life);
  runToRequest(here, 5);
  const image = vanish(here, domid);

  const { start, end } = streamIn(image);
  const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')];
  writeFileSync(ours, image.subarray(start, end));
  expect(xen.rewrite(ours, theirs)).toEqual({ verdict: 'restored', words: '' });
  expect(verifyStream(theirs, 'libxc')).toMatchObject({ accepted: true });
  const again = new Uint8Array(
    Buffer.concat([image.subarray(0, start), readFileSync(theirs), image.subarray(end)]),
  );

  expect(verifyImage(new MemoryImage(again))).toMatchObject({ refusal: undefined, warnings: [] });
  const [a, b] = [look(image), look(again)];
  expect(b.kernel.kind).toBe('this build');
  const diff = imageDiff(a, b, a.kernel.symbols);
  expect(Object.keys(diff.sections)).toEqual(['P2M', 'start_info', 'shared_info']);
  expect(new Set(diff.pages.ranges.map(({ what }) => what))).toEqual(
    new Set(["the guest's P2M: MFNs of the old host", 'start_info']),
  );

  const there = emptyHost(life, 6);
  const printed = finish(there, wakeUp(there, life, again));
  const digest = createHash('sha256').update(disk.bytes).digest('hex');
  expect(lastLine(printed)).toBe(digest);
});
