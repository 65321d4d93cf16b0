/*
 * Requests a second through front end, grants, ring, event, back end and a disk in memory, 32 at once, beside plain copies of
 * the same bytes; and a hypercall's round trip. Run by plain node on a whole machine; the processor's time counts.
 */
import assert from 'node:assert/strict';
import { DiskGuest } from '../test/disk-guest.ts';

const AT_ONCE = 32;
const BATCHES = 100;
const HYPERCALLS = 100_000;
const PAIRS = 7;
/** Bytes of a request; fewer a second are no speed; times what plain copies of its bytes take. */
const RATES = [
  [4096, 10_000, 2000],
  [45_056, 10_000, 200],
] as const;
const HYPERCALL_MAX_NS = 2000;

/** Seconds of processor time: the machine may have others to serve. */
const seconds = (run: () => void): number => {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] as number;

const guest = new DiskGuest({});
const target = new Uint8Array(1 << 16);

const read = (length: number): void => {
  for (let i = 0; i < BATCHES; i++) {
    const moved = guest.call('probe_reads', AT_ONCE, length);
    assert.equal(moved, AT_ONCE * length);
  }
};

/** What a back end cannot do without: each page of a request out of the disk. */
const copy = (length: number): void => {
  const { bytes } = guest.disk;
  for (let i = 0; i < BATCHES * AT_ONCE; i++) {
    for (let at = 0; at < length; at += 4096) target.set(bytes.subarray(at, at + 4096), at);
  }
};

for (const [length, floor, copies] of RATES) {
  read(length);
  copy(length);
  const rows = Array.from({ length: PAIRS }, () => ({
    read_s: seconds(() => read(length)),
    copy_s: seconds(() => copy(length)),
  }));
  const rate = (AT_ONCE * BATCHES) / median(rows.map((row) => row.read_s));
  const times = median(rows.map((row) => row.read_s / row.copy_s));
  console.log(
    `requests of ${length} bytes: ${Math.round(rate / 1000)} thousand/s, ${Math.round((rate * length) / 1e6)} MB/s, at least ${floor / 1000} thousand/s; ${times.toFixed(0)} times a plain copy of the bytes, at most ${copies}`,
  );
  assert(times <= copies, `expected at most ${copies} plain copies of the bytes`);
  assert(rate >= floor, `expected at least ${floor} requests a second`);
}

guest.call('probe_hypercalls', HYPERCALLS);
const trip_ns = median(
  Array.from(
    { length: PAIRS },
    () => (seconds(() => guest.call('probe_hypercalls', HYPERCALLS)) * 1e9) / HYPERCALLS,
  ),
);
console.log(`a hypercall's round trip: ${trip_ns.toFixed(0)} ns, at most ${HYPERCALL_MAX_NS}`);
assert(trip_ns <= HYPERCALL_MAX_NS, `expected at most ${HYPERCALL_MAX_NS} ns`);
