/*
 * What reading the time costs and leaves behind, and how much virtual time an idle guest gets through in a second of processor
 * time. Run by plain node: a test runner's transformed imports would be measured with it.
 *
 * A raw load is one that waits for the load before it, at random over 64 pages: what a kernel's data looks like to a processor.
 */
import assert from 'node:assert/strict';
import { getHeapSpaceStatistics } from 'node:v8';
import { ProbeGuest } from '../test/probe.ts';

/** Thousands of readings in a round. */
const READS = 200;
const ROUNDS = 20;
/** Raw loads that one reading of the clock may cost. */
const LOADS_MAX = 12;
const WORDS = 1 << 16;
const IDLE: readonly (readonly [mode: string, seconds: number, floor: number])[] = [
  ['tickless', 2_000_000, 100_000],
  ['oneshot', 1000, 1000],
];
/** How often each is measured, in turn. */
const PAIRS = 7;

/** Processor time of a run, µs: the machine may have others to serve. */
const processorTime = (run: () => void): number => {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return user + system;
};

/** The shortest of some rounds, ns for each of `each`. */
const fastest = (each: number, run: () => void): number =>
  (Math.min(...Array.from({ length: ROUNDS }, () => processorTime(run))) * 1000) / each;

/** A permutation of one cycle, by a step that is prime to its length. */
const ring = Int32Array.from({ length: WORDS }, (_, i) => (i * 40_503 + 12_345) % WORDS);

const chase = (count: number): number => {
  let at = 0;
  for (let i = 0; i < count; i++) at = ring[at] as number;
  return at;
};

/** Bytes of young objects that a call leaves. */
const garbage = (guest: ProbeGuest, thousands: number): number => {
  const young = (): number =>
    getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
      ?.space_used_size ?? 0;
  const growth = Array.from({ length: 9 }, () => {
    const before = young();
    guest.call('probe_read_often', thousands);
    return young() - before;
  });
  // A collection in between shrinks it.
  return growth.sort((a, b) => a - b)[4] as number;
};

const guest = new ProbeGuest({}, 'tickless');
const call = fastest(1, () => guest.call('probe_read_often', 0));
const read = fastest(1, () => guest.call('probe_read_often', READS));
const read_ns = (read - call) / (READS * 1000);
const load_ns = fastest(1e6, () => chase(1e6));
const perRead = (garbage(guest, READS) - garbage(guest, 0)) / (READS * 1000);
console.log(
  `reading the time: ${read_ns.toFixed(1)} ns, ${(read_ns / load_ns).toFixed(1)} raw loads of ${load_ns.toFixed(2)} ns; it leaves ${Math.max(0, perRead).toFixed(2)} bytes`,
);
assert(read_ns / load_ns <= LOADS_MAX, `expected at most ${LOADS_MAX} raw loads`);
assert(perRead < 0.5, 'expected no garbage');

const idle = IDLE.map(([mode, seconds, floor]) => {
  const { host } = new ProbeGuest({}, mode);
  host.runFor(100e9);
  return { mode, seconds, floor, host, rates: [] as number[] };
});
for (let pair = 0; pair < PAIRS; pair++) {
  for (const { seconds, host, rates } of idle) {
    rates.push((seconds * 1e6) / processorTime(() => host.runFor(seconds * 1e9)));
  }
}
for (const { mode, floor, rates } of idle) {
  const rate = rates.toSorted((a, b) => a - b)[PAIRS >> 1] as number;
  console.log(`idle, ${mode}: ${Math.round(rate)} virtual seconds a second, at least ${floor}`);
  assert(rate >= floor, `expected at least ${floor}`);
}
