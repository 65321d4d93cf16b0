/*
 * Restores a save file in a process that has done nothing else, so many times, each time on a host of its own that stays. With
 * `read` it then reads the same bytes into memory that is as fresh. A line of JSON says what each took. Restored first, read
 * second: what the process held at most is the restore's.
 *
 *     node bench/restore-once.ts FILE MIB TIMES [read]
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { FileSource } from '../src/file-stream.ts';
import { makeGuest } from '../src/guest.ts';
import { LargeGuest } from './large-guest.ts';
import { residentMax_mib } from './resident.ts';

/** What one process measured. */
export interface RestoreFigures {
  /** All of them. */
  readonly restore_ms: number;
  /** 0 when nothing was read. */
  readonly read_ms: number;
  readonly resident_mib: number;
}

const CHUNK = 1 << 22;

const [path = '', mib, times, read] = process.argv.slice(2);
const guest = makeGuest(false);
const hosts: LargeGuest[] = [];
let restore_ms = 0;
while (hosts.length < Number(times)) {
  const host = new LargeGuest(guest, Number(mib), 5);
  hosts.push(host);
  const source = new FileSource(path);
  const start = performance.now();
  host.world.xl.restore(source);
  restore_ms += performance.now() - start;
  source.close();
}
const resident_mib = residentMax_mib();

/** @returns ms */
const readIntoFresh = (): number => {
  const file = openSync(path, 'r');
  const bytes = new Uint8Array(statSync(path).size);
  const before = performance.now();
  for (let at = 0; at < bytes.length; ) {
    const got = readSync(file, bytes, at, Math.min(CHUNK, bytes.length - at), at);
    if (got === 0) throw new Error(`expected ${bytes.length} bytes, found ${at}`);
    at += got;
  }
  const took_ms = performance.now() - before;
  closeSync(file);
  return took_ms;
};

const read_ms = read === 'read' ? readIntoFresh() : 0;
console.log(JSON.stringify({ restore_ms, read_ms, resident_mib } satisfies RestoreFigures));
