/*
 * A domain that hashes a disk is saved when any number of its requests has been completed, and finishes on another host with
 * the digest of the disk as it was: what it had hashed is overwritten meanwhile, so it cannot have started again.
 */
import { createHash } from 'node:crypto';
import { Random } from '@port-xen/sim';
import { memoryDisk } from '@tooling/testbed';
import { describe, expect, test } from 'vitest';
import type { Guest } from '../src/guest.ts';
import {
  amnesiac,
  boot,
  emptyHost,
  finish,
  guest,
  type Life,
  randomBytes,
  runToRequest,
  slotOf,
  vanish,
  wakeUp,
  xen2Amnesiac,
  xen2Guest,
} from './cycle.ts';

const SIZES = { '512 bytes': 512, '5 MiB + 512': 5 * 2 ** 20 + 512, '40 MiB': 40 * 2 ** 20 };
/** Requests of a read of 64 KiB, and the bytes of the first of them. */
const READ = 65536;
const FIRST = 11 * 4096;
/** Requests that may be under way when the save is asked for: their sectors may be hashed or not. */
const UNDER_WAY = 4;

const requestsOf = (size: number): number =>
  2 * Math.floor(size / READ) + Math.ceil((size % READ) / FIRST);

/** Bytes whose requests are certainly answered and hashed once `count` requests are completed. */
const hashedBy = (count: number): number => Math.max(0, Math.floor((count - UNDER_WAY) / 2)) * READ;

const drawn = (size: number, count: number): number[] => {
  const total = requestsOf(size);
  const random = new Random(size, 'moments');
  // A large disk is tried at its ends and in its midst, a small one at every kind of moment.
  const edges = [0, 1, 2, total - 2, total - 1].filter((n) => n >= 0 && n < total);
  const inner = Array.from({ length: count }, () => random.below(total));
  const moments = count === 0 ? [0, Math.floor(total / 3), total - 1] : [...edges, ...inner];
  return [...new Set(moments)].sort((a, b) => a - b);
};

type Kernels = readonly [plain: Guest, amnesiac: Guest];

const oneLife = (
  [plain, forgetful]: Kernels,
  size: number,
  memoryMib: number,
  n: number,
  seed: number,
): void => {
  const contents = randomBytes(size, size);
  const expected = createHash('sha256').update(contents).digest('hex');
  const disk = memoryDisk(contents);
  const life: Life = {
    program: 'sha256 /dev/xbd0',
    memoryMib,
    disks: { xvda: disk },
    seed,
    guest: seed % 4 === 0 ? forgetful : plain,
  };
  const here = emptyHost(life, 0);
  const domid = boot(here, life);
  runToRequest(here, n);
  const image = vanish(here, domid);
  disk.bytes.fill(0xee, 0, hashedBy(n));
  const there = emptyHost(life, slotOf(life, n));
  const printed = finish(there, wakeUp(there, life, image));
  expect(printed.trimEnd().endsWith(expected), `saved at request ${n}: ${printed}`).toBe(true);
};

describe.each([
  ['xen-3.0', 16, [guest, amnesiac], 8],
  ['xen-3.0', 48, [guest, amnesiac], 8],
  ['xen-2.0', 16, [xen2Guest, xen2Amnesiac], 3],
  ['xen-2.0', 64, [xen2Guest, xen2Amnesiac], 3],
] as const)('a domain of %s, of %d MiB', (_xen, memoryMib, kernels, inner) => {
  test.each(Object.entries(SIZES))('hashes a disk of %s, saved at any request', (_, size) => {
    const moments = drawn(size, size > 2 ** 24 ? 0 : inner);
    for (const [i, n] of moments.entries()) oneLife(kernels, size, memoryMib, n, i);
  });
});
