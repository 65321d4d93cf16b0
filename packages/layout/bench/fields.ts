/*
 * What a field costs through a view, beside the same words of an Int32Array: three loads and two stores for each of the
 * objects of 64 bytes that lie at random over 64 pages. Run by plain node; the processor's time counts.
 */
import assert from 'node:assert/strict';
import { BytesMemory, struct, u16, u32, u64 } from '../src/index.ts';

const OBJECTS = 4096;
const OBJECT = 64;
const ACCESSES = 5;
const ROUNDS = 200;
const PAIRS = 7;
/** Raw accesses that one through a view may cost. */
const RAW_MAX = 5;

const object = struct('bench_object', {
  next: u64,
  flags: u32,
  count: u32,
  kind: u16,
  state: u16,
  total: u32,
  pad: u64,
});

const bytes = new Uint8Array(OBJECTS * OBJECT);
const words = new Int32Array(bytes.buffer);
const memory = new BytesMemory(bytes);
/** Objects in the order of a walk by a step that is prime to their number. */
const order = Int32Array.from({ length: OBJECTS }, (_, i) => ((i * 1597) % OBJECTS) * OBJECT);

const raw = (): number => {
  let sum = 0;
  for (let i = 0; i < OBJECTS; i++) {
    const w = (order[i] as number) >> 2;
    sum += (words[w + 2] as number) + (words[w + 3] as number) + (words[w + 5] as number);
    words[w + 3] = sum;
    words[w + 5] = i;
  }
  return sum;
};

const viewed = (): number => {
  let sum = 0;
  for (let i = 0; i < OBJECTS; i++) {
    const o = object.at(memory, order[i] as number);
    sum += o.flags + o.count + o.total;
    o.count = sum;
    o.total = i;
  }
  return sum;
};

/** Nanoseconds of processor time for one access. */
const access_ns = (walk: () => number): number => {
  const start = process.cpuUsage();
  for (let i = 0; i < ROUNDS; i++) walk();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / (ROUNDS * OBJECTS * ACCESSES);
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] as number;

access_ns(raw);
access_ns(viewed);
const rows = Array.from({ length: PAIRS }, () => ({
  raw_ns: access_ns(raw),
  viewed_ns: access_ns(viewed),
}));
const ratio = median(rows.map((row) => row.viewed_ns / row.raw_ns));
console.log(
  `a field: ${median(rows.map((row) => row.viewed_ns)).toFixed(2)} ns, ${ratio.toFixed(1)} raw accesses of ${median(rows.map((row) => row.raw_ns)).toFixed(2)} ns, at most ${RAW_MAX}`,
);
assert(ratio <= RAW_MAX, `expected at most ${RAW_MAX} raw accesses`);
