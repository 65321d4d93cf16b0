/*
 * Writable page tables: a guest kernel's store to an L1 table that it can only see read-only is made for it, checked, as an
 * update of the entry (Xen's x86/pv/ro-page-fault.c). Naturally aligned stores of 1 to 8 bytes; a part of an entry keeps the rest.
 * What is refused is a page fault in the guest after all.
 */
import { PGT_l1_page_table } from './frame-table.ts';
import { PAGE_WORDS } from './machine-memory.ts';
import type { MemoryDomain } from './memory-domain.ts';
import { adjustHigh, adjustLow, PTE_PRESENT, PTE_PSE, PTE_RW, pteFrame } from './page-entry.ts';

/**
 * @param entry word index of the L1 entry that maps the page stored to
 * @param offset of the store within the page
 * @param bytes at least `length` of them
 * @returns whether the store was made
 */
export const storeToReadOnly = (
  domain: MemoryDomain,
  entry: number,
  offset: number,
  bytes: Uint8Array,
  length: number,
): boolean => {
  const { host, domid } = domain;
  const { words, firstMfn } = host.memory;
  const mapping = words[entry] as number;
  if ((mapping & (PTE_PRESENT | PTE_RW | PTE_PSE)) !== PTE_PRESENT || offset % length !== 0) {
    return false;
  }
  const mfn = pteFrame(mapping, words[entry + 1] as number);
  const i = host.table.index(mfn);
  const isL1 =
    i >= 0 &&
    host.table.owner[i] === domid &&
    host.table.type[i] === PGT_l1_page_table &&
    (host.table.typeRefs[i] as number) > 0;
  if (!isL1) return false;
  const at = (mfn - firstMfn) * PAGE_WORDS + ((offset & ~7) >> 2);
  const oldLow = words[at] as number;
  const oldHigh = words[at + 1] as number;
  const [low, high] = merged(oldLow, oldHigh, offset & 7, bytes, length);
  const newHigh = adjustHigh(1, low, high);
  const newLow = adjustLow(1, low, newHigh);
  if ((low & PTE_PRESENT) !== 0) {
    if (host.tables.getEntry(1, newLow, newHigh, mfn, domid, domid) !== 0) return false;
  }
  host.tables.store(mfn, at, newLow, newHigh);
  host.tables.putEntry(1, oldLow, oldHigh, mfn, domid);
  return true;
};

const merged = (
  low: number,
  high: number,
  from: number,
  bytes: Uint8Array,
  length: number,
): [number, number] => {
  const entry = new Uint8Array(8);
  for (let k = 0; k < 4; k++) {
    entry[k] = low >> (k << 3);
    entry[k + 4] = high >> (k << 3);
  }
  entry.set(bytes.subarray(0, length), from);
  const word = (at: number): number =>
    (entry[at] as number) |
    ((entry[at + 1] as number) << 8) |
    ((entry[at + 2] as number) << 16) |
    ((entry[at + 3] as number) << 24);
  return [word(0), word(4)];
};
