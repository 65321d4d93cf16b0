/*
 * What a small guest takes: from before the process is started until the first line that its first program prints has come
 * through the pipe, which is later than the program's first instruction, beside a Node.js that does nothing; and to be saved
 * and restored on another host within a process. The first start makes what the later ones start from; it is not counted.
 *
 *     node bench/start.ts [PAIRS]
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeGuest } from '../src/guest.ts';
import { LargeGuest } from './large-guest.ts';

const MIB = 64;
const START_MAX_MS = 150;
const CYCLE_MAX_MS = 50;
/** Cycles that V8 may learn from. */
const CYCLES_BEFORE = 10;
/** What the first program prints. */
const LINE = 'here';
const DOMU = join(import.meta.dirname, '../bin/domu');

const pairs = Number(process.argv[2] ?? 7);
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'domu-bench-'));
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] as number;

/** @returns ms until the guest's first program has printed its line; the process ends by itself, and V8's work is kept */
const booted = async (config: string): Promise<number> => {
  const start = performance.now();
  const domu = spawn(DOMU, ['create', config], { stdio: ['ignore', 'pipe', 'ignore'] });
  let printed = '';
  let took_ms = Number.NaN;
  domu.stdout.on('data', (bytes) => {
    printed += bytes;
    if (Number.isNaN(took_ms) && printed.includes(LINE)) took_ms = performance.now() - start;
  });
  await once(domu, 'close');
  assert(!Number.isNaN(took_ms), `expected a guest that says ${LINE}, found ${printed}`);
  return took_ms;
};

const nothing = (): number => {
  const start = performance.now();
  execFileSync(process.execPath, ['-e', '']);
  return performance.now() - start;
};

/** Where a save goes and a restore comes from. */
const image = Buffer.alloc((MIB + 1) << 20, 1);

/** Milliseconds. */
interface Cycle {
  readonly took_ms: number;
  /** Of it, on a processor. */
  readonly worked_ms: number;
}

/** Saves the guest into memory and restores it in a world that is there. */
const cycled = (guest: LargeGuest, domid: number, to: LargeGuest): Cycle => {
  const start = performance.now();
  const before = process.threadCpuUsage();
  let length = 0;
  const write = (chunks: readonly Uint8Array[]): void => {
    for (const chunk of chunks) {
      image.set(chunk, length);
      length += chunk.length;
    }
  };
  guest.saveTo(domid, { write });
  let at = 0;
  const read = (into: Uint8Array): number => {
    const got = image.copy(into, 0, at, Math.min(length, at + into.length));
    at += got;
    return got;
  };
  to.world.xl.restore({ read });
  const { user, system } = process.threadCpuUsage(before);
  return { took_ms: performance.now() - start, worked_ms: (user + system) / 1000 };
};

try {
  const config = join(folder, 'guest.cfg');
  writeFileSync(config, `name = "small"\nmemory = ${MIB}\nextra = "init=echo ${LINE}"\n`);
  const starts: { start_ms: number; nothing_ms: number }[] = [];
  await booted(config);
  while (starts.length < pairs) {
    starts.push({ start_ms: await booted(config), nothing_ms: nothing() });
  }
  const start_ms = median(starts.map((row) => row.start_ms));
  const nothing_ms = median(starts.map((row) => row.nothing_ms));
  console.log(
    `start of the process to the first program of a guest of ${MIB} MiB: ${start_ms.toFixed(0)} ms, at most ${START_MAX_MS}; Node.js alone: ${nothing_ms.toFixed(0)} ms`,
  );

  const kernel = makeGuest(false);
  const guest = new LargeGuest(kernel, MIB, 3);
  const domid = guest.boot();
  const cycles = Array.from({ length: CYCLES_BEFORE + pairs }, () =>
    cycled(guest, domid, new LargeGuest(kernel, MIB, 5)),
  );
  const counted = cycles.slice(CYCLES_BEFORE);
  const cycle_ms = median(counted.map((cycle) => cycle.took_ms));
  const worked_ms = median(counted.map((cycle) => cycle.worked_ms));
  console.log(
    `save and restore of a guest of ${MIB} MiB within a process: ${cycle_ms.toFixed(1)} ms, ${worked_ms.toFixed(1)} ms of them on a processor, at most ${CYCLE_MAX_MS}; the first time: ${(cycles[0] as Cycle).took_ms.toFixed(1)} ms`,
  );
  assert(start_ms <= START_MAX_MS && cycle_ms <= CYCLE_MAX_MS, 'expected less');
} finally {
  rmSync(folder, { recursive: true });
}
