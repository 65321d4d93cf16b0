/*
 * What a field of a guest's structure costs through a view, the MMU and its TLB, beside the same word of an Int32Array: a list
 * is walked whose elements lie at random over 32 pages, so that each load waits for the one before, as loads of a kernel's do.
 * Run by plain node; the processor's time counts.
 */
import assert from 'node:assert/strict';
import { struct, u32 } from '@port-xen/layout';
import { BASE, buildDomain, makeHost } from '../test/memory/machine.ts';

const PAGES = 32;
const ELEMENT = 64;
const ELEMENTS = (PAGES * 4096) / ELEMENT;
const ROUNDS = 1000;
const PAIRS = 7;
/** Raw accesses that one through a view may cost. */
const RAW_MAX = 5;
/** The first page of the small domain that is no table. */
const START = BASE + 16 * 4096;

const element = struct('bench_element', { flags: u32, count: u32, next: u32 });

const { mmu } = buildDomain(makeHost(), 1);
const words = new Int32Array((PAGES * 4096) / 4);
for (let i = 0; i < ELEMENTS; i++) {
  // A ring: each element's successor is a step away that is prime to their number.
  const next = ((i + 797) % ELEMENTS) * ELEMENT;
  words[(i * ELEMENT + element.offset.next) / 4] = next;
  element.at(mmu, START + i * ELEMENT).next = next;
}

const raw = (): number => {
  let at = 0;
  for (let i = 0; i < ELEMENTS; i++) at = words[(at + element.offset.next) >> 2] as number;
  return at;
};

const viewed = (): number => {
  let at = 0;
  for (let i = 0; i < ELEMENTS; i++) at = element.at(mmu, START + at).next;
  return at;
};

/** Nanoseconds of processor time for one access. */
const access_ns = (walk: () => number): number => {
  const start = process.cpuUsage();
  for (let i = 0; i < ROUNDS; i++) walk();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / (ROUNDS * ELEMENTS);
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
  `a guest's field: ${median(rows.map((row) => row.viewed_ns)).toFixed(2)} ns, ${ratio.toFixed(1)} raw accesses of ${median(rows.map((row) => row.raw_ns)).toFixed(2)} ns, at most ${RAW_MAX}`,
);
assert(ratio <= RAW_MAX, `expected at most ${RAW_MAX} raw accesses`);
