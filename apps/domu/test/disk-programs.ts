/*
 * Programs at work on disks, saved at given moments on the way, and what must have come of it: the same whatever the guest's interface
 * is. Each is run as `runWorkload` runs it and gives what was printed.
 */
import { createHash } from 'node:crypto';
import { memoryDisk } from '@tooling/testbed';
import { expect } from 'vitest';
import type { Guest } from '../src/guest.ts';
import { randomBytes } from './cycle.ts';
import { runWorkload } from './workload.ts';

export const MIB = 2 ** 20;
export const sha256Of = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** What `pattern` says that its disk holds. */
export const promised = (text: string): string | undefined =>
  /pattern: .*sha256 (\w{64})/.exec(text)?.[1];

/** `cp` copies a disk, saved once in each run, every `step_ns` of its first 36 ms; what it wrote is on the medium. */
export const copyOverAndOver = (guest: Guest, step_ns: number): void => {
  const source = randomBytes(MIB + 512, 7);
  for (let at_ns = 0; at_ns < 36e6; at_ns += step_ns) {
    const disks = { xvda: memoryDisk(source.slice()), xvdb: memoryDisk(2 * MIB) };
    const work = { guest, cmdline: 'init=cp /dev/xbd0 /dev/xbd1', disks };
    const { text } = runWorkload(work, [at_ns]);
    expect(text).toContain(`cp: ${MIB + 512} bytes copied\n`);
    expect(sha256Of(disks.xvdb.flushed().subarray(0, source.length))).toBe(sha256Of(source));
  }
};

/** `pattern`, saved twice: after each of these parts of its time, and soon again. What it says then is what it says alone. */
export const patternOf = (guest: Guest, parts: readonly number[]): readonly string[] => {
  const cmdline = 'init=pattern /dev/xbd0 11 2';
  const whole = memoryDisk(MIB / 2);
  const alone = runWorkload({ guest, cmdline, disks: { xvda: whole } });
  expect(promised(alone.text)).toBe(sha256Of(whole.bytes));
  return parts.map((part) => {
    const disk = memoryDisk(MIB / 2);
    const lives = [part * alone.last_ns, 0.05 * alone.last_ns];
    const { text } = runWorkload({ guest, cmdline, disks: { xvda: disk } }, lives);
    expect(promised(text)).toBe(promised(alone.text));
    expect(sha256Of(disk.flushed())).toBe(promised(text));
    return text;
  });
};

/** Three programs at a time from `sh`, on three disks. @param lives_ns when they are saved, if they are */
export const threeAtOnce = (guest: Guest, lives_ns: readonly number[] = []) => {
  const source = randomBytes(MIB, 3);
  const commands =
    'pattern /dev/xbd1 5 1 & cp /dev/xbd0 /dev/xbd2 & vmstress 2 2 150 & jobs; wait; echo status $?';
  const disks = {
    xvda: memoryDisk(source.slice()),
    xvdb: memoryDisk(MIB / 2),
    xvdc: memoryDisk(MIB),
  };
  const ended = runWorkload({ guest, cmdline: `init=sh -c ${commands}`, disks }, lives_ns);
  const { text } = ended;
  expect(text).toContain('vmstress: 512 pages, 2 children, 150 rounds, 0 failed\n');
  expect(text).toContain(`cp: ${MIB} bytes copied\n`);
  expect(sha256Of(disks.xvdb.bytes)).toBe(promised(text));
  expect(sha256Of(disks.xvdc.bytes)).toBe(sha256Of(source));
  for (const job of [1, 2, 3]) expect(text).toContain(`[${job}] Done`);
  expect(text).toContain('status 0\n');
  return ended;
};

/** A program that wants more memory than there is and has a swap disk, saved twice. @param start_ns when first */
export const swapping = (guest: Guest, start_ns: number): void => {
  const disk = memoryDisk(24 * MIB);
  const cmdline = 'swap=/dev/xbd0 init=vmstress 14 1 50';
  const { text } = runWorkload({ guest, cmdline, disks: { xvda: disk } }, [start_ns, 50e6]);
  expect(text).toContain('swapctl: /dev/xbd0, 6144 pages\n');
  expect(text).toContain('vmstress: 3584 pages, 1 children, 50 rounds, 0 failed\n');
  expect(disk.bytes.some((byte) => byte !== 0)).toBe(true);
};
