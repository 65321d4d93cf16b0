/*
 * What saving and restoring take, beside what they cannot do without, pair by pair in one run: a save beside `cp` of the file
 * that it made, a restore beside reading the same bytes into fresh memory, a guest of 4 GiB beside four of 1 GiB. Needs 16 GiB
 * of memory, files included, which are on tmpfs where there is one.
 *
 * A virtual machine gets memory that it has not used for some seconds from its own host first, page by page, which may take
 * three times what the work does, for whoever comes first. So before each measurement a process takes as much memory as
 * will be needed, writes to it and ends: every measurement finds the machine's memory in hand.
 *
 *     node bench/save-restore.ts [PAIRS]
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeGuest } from '../src/guest.ts';
import { LargeGuest } from './large-guest.ts';
import { residentMax_mib } from './resident.ts';
import type { RestoreFigures } from './restore-once.ts';

const SMALL_MIB = 1024;
const LARGE_MIB = 4096;
/** Of cp's time. */
const SAVE_MAX = 0.8;
/** Of the rate of reading into fresh memory. */
const RESTORE_MIN = 0.8;
/** Beyond the guest's size. */
const RESIDENT_MAX_MIB = 192;
const LINEAR_MAX = 1.15;

const pairs = Number(process.argv[2] ?? 7);
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'domu-bench-'));
const [small, large, copy] = ['small', 'large', 'copy'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] as number;
const times = <T>(run: () => T): T[] => Array.from({ length: pairs }, run);
const ratio = <T>(rows: readonly T[], of: (row: T) => number): number => median(rows.map(of));
const rate = (mib: number, ms: number): string => `${(mib / 1.024 / ms).toFixed(2)} GiB/s`;

/** Has so much memory in hand for what is measured next. */
const inHand = (mib: number): void => {
  const take = `new Uint8Array(${mib} * 2 ** 20).fill(1)`;
  execFileSync(process.execPath, ['-e', take]);
};

const copied = (): number => {
  inHand(SMALL_MIB + RESIDENT_MAX_MIB);
  const start = performance.now();
  execFileSync('cp', [small, copy]);
  return performance.now() - start;
};

/** @param read whether the file is read into fresh memory, too */
const restored = (path: string, mib: number, times: number, read: string): RestoreFigures => {
  inHand((mib * times + RESIDENT_MAX_MIB) * (read === '' ? 1 : 2));
  const child = [join(import.meta.dirname, 'restore-once.ts'), path, `${mib}`, `${times}`, read];
  return JSON.parse(execFileSync(process.execPath, child, { encoding: 'utf8' }));
};

/** What was found to be too much: told when all has been measured. */
const failures: string[] = [];

const expectAtMost = (what: string, found: number, limit: number): void => {
  console.log(`${what}: ${found.toFixed(2)}, at most ${limit.toFixed(2)}`);
  if (!(found <= limit)) failures.push(`${what}: expected at most ${limit}, found ${found}`);
};

/** Saves of the small guest, each followed by a cp; the new files are made anew each time. */
const measureSaves = (guest: LargeGuest, domid: number): void => {
  const rows = times(() => {
    for (const path of [small, copy]) rmSync(path, { force: true });
    inHand(SMALL_MIB + RESIDENT_MAX_MIB);
    return { save_ms: guest.save(domid, small), cp_ms: copied() };
  });
  const resident_mib = residentMax_mib();
  rmSync(copy);
  console.log(
    `save of ${SMALL_MIB} MiB: ${rate(
      SMALL_MIB,
      ratio(rows, (r) => r.save_ms),
    )}; cp: ${rate(
      SMALL_MIB,
      ratio(rows, (r) => r.cp_ms),
    )}`,
  );
  expectAtMost(
    'a save, times of a cp',
    ratio(rows, (r) => r.save_ms / r.cp_ms),
    SAVE_MAX,
  );
  expectAtMost('resident when saving, MiB', resident_mib, SMALL_MIB + RESIDENT_MAX_MIB);
};

/** Four saves of the small guest, into files that are there at once, and one of the large: equal demands on the file system. */
const measureSizes = (save: (path: string) => number, saveLarge: () => number): void => {
  const files = [small, ...[1, 2, 3].map((n) => `${small}${n}`)];
  const rows = times(() => {
    rmSync(large, { force: true });
    inHand(LARGE_MIB + RESIDENT_MAX_MIB);
    let small_ms = 0;
    for (const path of files) small_ms += save(path);
    for (const path of files) rmSync(path);
    inHand(LARGE_MIB + RESIDENT_MAX_MIB);
    return { small_ms, large_ms: saveLarge() };
  });
  save(small);
  expectAtMost(
    'a save of 4 GiB, times of four of 1 GiB',
    ratio(rows, (r) => r.large_ms / r.small_ms),
    LINEAR_MAX,
  );
};

/**
 * Restores in processes of their own: one guest of 1 GiB, four of them that stay, and one of 4 GiB. The latter two ask the
 * machine for as much.
 */
const measureRestores = (): void => {
  const rows = times(() => ({
    one: restored(small, SMALL_MIB, 1, 'read'),
    four: restored(small, SMALL_MIB, LARGE_MIB / SMALL_MIB, ''),
    large: restored(large, LARGE_MIB, 1, ''),
  }));
  const one = rows.map((row) => row.one);
  console.log(
    `restore of ${SMALL_MIB} MiB: ${rate(
      SMALL_MIB,
      ratio(one, (r) => r.restore_ms),
    )}; reading it: ${rate(
      SMALL_MIB,
      ratio(one, (r) => r.read_ms),
    )}`,
  );
  expectAtMost(
    'a restore, times of a read into fresh memory',
    ratio(one, (r) => r.restore_ms / r.read_ms),
    1 / RESTORE_MIN,
  );
  expectAtMost(
    'resident when restoring, MiB',
    Math.max(...one.map((r) => r.resident_mib)),
    SMALL_MIB + RESIDENT_MAX_MIB,
  );
  expectAtMost(
    'a restore of 4 GiB, times of four of 1 GiB',
    ratio(rows, (r) => r.large.restore_ms / r.four.restore_ms),
    LINEAR_MAX,
  );
};

try {
  const guest = makeGuest(false);
  const one = new LargeGuest(guest, SMALL_MIB, 3);
  const domid = one.boot();
  one.fill(domid);
  measureSaves(one, domid);
  const four = new LargeGuest(guest, LARGE_MIB, 4);
  const fourId = four.boot();
  four.fill(fourId);
  measureSizes(
    (path) => one.save(domid, path),
    () => four.save(fourId, large),
  );
  measureRestores();
} finally {
  rmSync(folder, { recursive: true });
}
assert.deepEqual(failures, []);
