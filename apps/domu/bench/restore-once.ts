/*
 * Restores a save file once, in a process that has done nothing else, and then reads the same bytes into memory that is as
 * fresh; a line of JSON says what each took. Restored first, read second: what the process held at most is the restore's.
 *
 *     node bench/restore-once.ts FILE MIB
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { FileSource } from '../src/file-stream.ts';
import { makeGuest } from '../src/guest.ts';
import { LargeGuest } from './large-guest.ts';
import { residentMax_mib } from './resident.ts';

/** What one process measured. */
export interface RestoreFigures {
  readonly restore_ms: number;
  readonly read_ms: number;
  readonly resident_mib: number;
}

const CHUNK = 1 << 22;

const [path = '', mib] = process.argv.slice(2);
const { world } = new LargeGuest(makeGuest(false), Number(mib), 5);
const source = new FileSource(path);
const start = performance.now();
world.xl.restore(source);
const restore_ms = performance.now() - start;
source.close();
const resident_mib = residentMax_mib();

const file = openSync(path, 'r');
const bytes = new Uint8Array(statSync(path).size);
const before = performance.now();
for (let at = 0; at < bytes.length; ) {
  const got = readSync(file, bytes, at, Math.min(CHUNK, bytes.length - at), at);
  if (got === 0) throw new Error(`expected ${bytes.length} bytes, found ${at}`);
  at += got;
}
const read_ms = performance.now() - before;
closeSync(file);
console.log(JSON.stringify({ restore_ms, read_ms, resident_mib } satisfies RestoreFigures));
