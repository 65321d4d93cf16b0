/*
 * Page-table geometry on amd64 as NetBSD/xen lays it out (sys/arch/amd64/include/pmap.h):
 *
 *     slot 0 … 254      user
 *     slot 255          PTE_BASE: the kernel's L4 within itself, read-only, so that every table can be read
 *     slot 256 … 271    Xen's
 *     slot 320          kernel map
 *     slot 511          kernel image (KERNBASE)
 *
 * An entry is a pair (low, high) of int32 and names a machine frame; a physical address (pa) names a pseudo-physical one.
 */
import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_PRESENT, _PAGE_RW, _PAGE_USER } from '@port-xen/abi';

export const PAGE_SIZE = 4096;
export const PDIR_SLOT_PTE = 255;

/** Bytes that an entry of each level maps. */
export const SPAN = [0, 2 ** 12, 2 ** 21, 2 ** 30, 2 ** 39] as const;
const ENTRIES = 512;
const VA_SPAN = 2 ** 48;

/** Where the tables of each level can be read through the recursive slot; [1] is PTE_BASE. */
export const LEVEL_BASE: readonly number[] = (() => {
  const l1 = PDIR_SLOT_PTE * SPAN[4];
  const l2 = l1 + PDIR_SLOT_PTE * SPAN[3];
  const l3 = l2 + PDIR_SLOT_PTE * SPAN[2];
  const l4 = l3 + PDIR_SLOT_PTE * SPAN[1];
  return [0, l1, l2, l3, l4];
})();

const linear = (va: number): number => (va < 0 ? va + VA_SPAN : va);

/** The slot that maps `va` in its table of a level (1 … 4). */
export const slotOf = (va: number, level: number): number =>
  Math.floor(linear(va) / (SPAN[level] as number)) % ENTRIES;

/** The address at which the level's entry for `va` can be read while the recursive slot is there. */
export const entryAddress = (va: number, level: number): number =>
  (LEVEL_BASE[level] as number) + Math.floor(linear(va) / (SPAN[level] as number)) * 8;

/** Bits of an entry of levels 2 to 4. */
export const PG_TABLE: number =
  _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY;

/** Bits of a kernel page; Xen adds _PAGE_USER in the real table. */
export const kernelBits = (writable: boolean): number =>
  _PAGE_PRESENT | _PAGE_ACCESSED | (writable ? _PAGE_RW | _PAGE_DIRTY : 0);

/** Bits of a user page. */
export const userBits = (writable: boolean): number => kernelBits(writable) | _PAGE_USER;

/** An entry's two halves from a machine frame and its bits. */
export const pteLow = (mfn: number, bits: number): number => (mfn << 12) | bits;
export const pteHigh = (mfn: number): number => mfn >>> 20;

/** The machine frame that an entry names. */
export const pteMfn = (low: number, high: number): number => ((high & 0xfff) << 20) | (low >>> 12);
