/*
 * Genuine restore code and ours over the same damaged images. Where genuine code refuses or aborts, ours refuses; where it
 * restores, ours does, but for what the machine's Xen refuses (SPEC, "Stricter than genuine restore code").
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryImage } from '@port-xen/migration-stream';
import { type GenuineVerdict, type GenuineXen, genuineRestore } from '@tooling/peers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type ImageVerdict, verifyImage } from '../src/verify-image.ts';
import { cut, type Damaged, flipped, olderStream, shuffled } from './damage.ts';

import { smallImage } from './small-image.ts';
import { wrongFields } from './wrong-fields.ts';

const LONGER = process.env.LONGER !== undefined;
vi.setConfig({ testTimeout: LONGER ? 900_000 : 60_000 });
/** By default every so many-th is judged. */
const some = (images: Iterator<Damaged>, stride: number) =>
  Iterator.from(images).filter((_, i) => LONGER || i % stride === 0);
const BATCH = 250;

/** The machine's Xen has rules for page tables, descriptors, large pages, clocks and MSRs that the toy machine has not. */
const STRICTER = [
  /^Failed to set vcpu0's basic info: .*\(error (16|22)\)/,
  /^Failed to pin batch of pagetables: .*\(error (16|22)\)/,
  /^Invalid page size for x86_pv domains: expected a shift of 12, found/,
  /^Unable to set TSC information: .* mode [0-2], \d+ kHz/,
  /^Failed to set vcpu0's msr info: expected Xen to take it/,
];

const folder = mkdtempSync(join(tmpdir(), 'genuine-restore-'));
let xen: GenuineXen;
beforeAll(() => {
  xen = genuineRestore(folder);
}, 900_000);
afterAll(() => rmSync(folder, { recursive: true }));

const agree = (genuine: GenuineVerdict, { refusal }: ImageVerdict): boolean =>
  genuine.verdict === 'restored'
    ? refusal === undefined || STRICTER.some((why) => why.test(refusal.message))
    : refusal !== undefined;

/** @returns how many genuine code restored */
const compare = (images: Iterable<Damaged>): number => {
  const all = [...images];
  let restored = 0;
  for (let at = 0; at < all.length; at += BATCH) {
    const batch = all.slice(at, at + BATCH);
    const files = batch.map(({ bytes }, i) => {
      const file = join(folder, `${i}`);
      writeFileSync(file, bytes);
      return file;
    });
    const verdicts = xen.judge(files);
    for (const [i, { name, bytes }] of batch.entries()) {
      const genuine = verdicts[i] as GenuineVerdict;
      const ours = verifyImage(new MemoryImage(bytes));
      if (!agree(genuine, ours)) {
        expect.fail(
          `${name}: genuine code ${genuine.verdict} it (${genuine.words}), ours: ${ours.refusal?.message ?? 'restored'}`,
        );
      }
      if (genuine.verdict === 'restored') restored++;
    }
  }
  return restored;
};

const image = smallImage('libxc');

test('RST-4: a good image', () => {
  expect(compare([{ name: 'good', bytes: image }])).toBe(1);
});

test('RST-4: cut short', () => {
  expect(compare(cut(image))).toBe(0);
});

test('RST-4: records left out, doubled, changed with each other', () => {
  expect(compare(shuffled(image))).toBeGreaterThan(30);
});

test('RST-4: the same of an older stream', () => {
  const older = olderStream(image);
  expect(compare([{ name: 'older', bytes: older }])).toBe(1);
  expect(compare(some(shuffled(older), 3))).toBeGreaterThan(10);
});

test('RST-4: a field wrong', () => {
  expect(compare(some(wrongFields(image), 5))).toBeGreaterThan(20);
});

test('RST-4: a bit turned over', () => {
  expect(compare(some(flipped(image, 24), 31))).toBeGreaterThan(10);
});
