/*
 * The page tables a PV domain starts with (xg_dom_x86.c): every page of the mapped area at its address, page tables
 * read-only, with the flags that libxenguest gives: L1 entries PRESENT, RW and ACCESSED; upper entries DIRTY and USER too.
 */
import type { DomainLayout, TableRun } from './domain-layout.ts';

const PAGE = 4096;
const ENTRIES = 512;

const L1_FLAGS = 0x023;
const L1_READ_ONLY = 0x021;
const UPPER_FLAGS = 0x067;

/** Writes the 4096 bytes of a table into the page of that pfn. They are the caller's when it returns. */
export type WriteTable = (pfn: number, entries: Int32Array) => void;

/** The address that entry `index` of table number `table` of a run maps. */
const addressOf = (run: TableRun, table: number, index: number): number => {
  const span = PAGE * ENTRIES ** (run.level - 1);
  // An L4 covers the whole address space, whose upper half is negative.
  if (run.level === 4) return (index < ENTRIES / 2 ? index : index - ENTRIES) * span;
  return run.from + (table * ENTRIES + index) * span;
};

/** The pfn that an address leads to from a table of `level`; -1 if nothing is mapped there. */
const pfnBelow = (layout: DomainLayout, level: number, va: number): number => {
  for (const mapping of layout.mappings) {
    if (level === 1) {
      if (va >= mapping.from && va <= mapping.to) {
        return mapping.firstPfn + (va - mapping.from) / PAGE;
      }
      continue;
    }
    const run = mapping.tables.find((one) => one.level === level - 1);
    if (run === undefined) continue;
    const nth = Math.floor((va - run.from) / (PAGE * ENTRIES ** run.level));
    if (nth >= 0 && nth < run.count) return run.firstPfn + nth;
  }
  return -1;
};

const isTable = (layout: DomainLayout, pfn: number): boolean =>
  layout.mappings.some(({ tables }) =>
    tables.some(({ firstPfn, count }) => pfn >= firstPfn && pfn < firstPfn + count),
  );

/** @param mfnOf the MFN of each pfn */
export const writeBootPageTables = (
  layout: DomainLayout,
  mfnOf: Int32Array,
  write: WriteTable,
): void => {
  const entries = new Int32Array(2 * ENTRIES);
  for (const { tables } of layout.mappings) {
    for (const run of tables) {
      for (let table = 0; table < run.count; table++) {
        for (let i = 0; i < ENTRIES; i++) {
          const pfn = pfnBelow(layout, run.level, addressOf(run, table, i));
          const mfn = pfn < 0 ? 0 : (mfnOf[pfn] as number);
          const l1Flags = isTable(layout, pfn) ? L1_READ_ONLY : L1_FLAGS;
          const flags = pfn < 0 ? 0 : run.level === 1 ? l1Flags : UPPER_FLAGS;
          entries[2 * i] = (mfn << 12) | flags;
          entries[2 * i + 1] = mfn >>> 20;
        }
        write(run.firstPfn + table, entries);
      }
    }
  }
};
