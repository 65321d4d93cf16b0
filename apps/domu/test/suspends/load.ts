/*
 * What a hunted guest does with its two disks, and how one sees that it did it right.
 */
import { createHash } from 'node:crypto';
import type { Random } from '@port-xen/sim';
import { type MemoryDisk, memoryDisk } from '@tooling/testbed';

const MIB = 2 ** 20;
const SIZE = 2 * MIB;

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export interface Load {
  readonly program: string;
  readonly disks: Readonly<Record<string, MemoryDisk>>;
  /** @param text all that the guest printed @returns what is wrong, a sentence each */
  judge(text: string): string[];
}

const expectDigests = (what: string, expected: string[], found: string[]): string[] =>
  expected.sort().join() === found.sort().join()
    ? []
    : [`expected ${what} ${expected.join(', ')}, found ${found.join(', ')}`];

/** Two disks written and read at random at the same time. */
const patterns = (random: Random): Load => {
  const disks = { xvda: memoryDisk(SIZE), xvdb: memoryDisk(SIZE) };
  const [a, b] = [random.below(1000), random.below(1000)];
  return {
    program: `sh -c pattern /dev/xbd0 ${a} 2 & pattern /dev/xbd1 ${b} 2; wait`,
    disks,
    judge: (text) => {
      const told = [...text.matchAll(/^pattern: .*sha256 (\w{64})$/gm)].map(([, sha]) => sha ?? '');
      const held = [disks.xvda, disks.xvdb].map((disk) => sha256Of(disk.flushed()));
      return expectDigests('the disks to have the digests that pattern tells,', told, held);
    },
  };
};

/** One disk copied to the other, and both read again. */
const copy = (random: Random): Load => {
  const words = Int32Array.from({ length: SIZE / 4 }, () => random.next());
  const source = new Uint8Array(words.buffer);
  const digest = sha256Of(source);
  const disks = { xvda: memoryDisk(source), xvdb: memoryDisk(SIZE) };
  return {
    program:
      'sh -c cp /dev/xbd0 /dev/xbd1 & sha256 /dev/xbd0; wait; sha256 /dev/xbd1; cp /dev/xbd1 /dev/xbd0; sha256 /dev/xbd0',
    disks,
    judge: (text) => {
      const told = [...text.matchAll(/^(\w{64})$/gm)].map(([, sha]) => sha ?? '');
      const held = [disks.xvda, disks.xvdb].map((disk) => sha256Of(disk.flushed()));
      const all = expectDigests('digests', [digest, digest, digest], told);
      return [...all, ...expectDigests('the disks to hold', [digest, digest], held)];
    },
  };
};

export const drawLoad = (random: Random): Load =>
  random.below(2) === 0 ? patterns(random) : copy(random);
