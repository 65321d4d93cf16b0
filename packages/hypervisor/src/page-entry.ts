/*
 * A page-table entry of x86-64, as two halves (low, high), and what Xen makes of the ones a PV guest writes.
 *
 *   high  NX 63 | available to software 62…52 | frame number 51…32
 *   low   frame number 31…12 | available 11…9 | G 8 | PSE or PAT 7 | D 6 | A 5 | PCD 4 | PWT 3 | US 2 | RW 1 | P 0
 *
 * The guest's kernel runs in ring 3, so every present entry gets US. An L1 entry that came without US belongs to the
 * kernel and is marked in bit 52; one that came with it is made global, because it is in both of the guest's address spaces.
 */

export const PTE_PRESENT = 0x001;
export const PTE_RW = 0x002;
export const PTE_US = 0x004;
export const PTE_ACCESSED = 0x020;
export const PTE_DIRTY = 0x040;
export const PTE_PSE = 0x080;
export const PTE_GLOBAL = 0x100;
/** Bit 52, in the high half: Xen's mark of a kernel page. */
export const PTE_HIGH_GUEST_KERNEL = 0x0010_0000;
/** Bit 63, in the high half. */
export const PTE_HIGH_NX = 0x8000_0000 | 0;

/** Frame number bits in the high half: 51…32. */
const HIGH_FRAME = 0x000f_ffff;

/** PWT, PCD and PAT: a guest without devices has no say in caching. */
const L1_DISALLOWED = 0x098;
/** As L1, and neither superpages nor global. */
const UPPER_DISALLOWED = 0x198;

/** Bits that may change without the entry being checked again: NX, available, G, D, A, US. */
const UNCHECKED_LOW = 0xf64;
const UNCHECKED_HIGH = ~HIGH_FRAME;

/** The frame number that all ones in bits 51…12 make: what a guest writes for "no frame". */
export const INVALID_FRAME = 2 ** 40 - 1;

/** The frame an entry names: 0 … 2^40 - 1. */
export const pteFrame = (low: number, high: number): number =>
  (high & HIGH_FRAME) * 0x10_0000 + (low >>> 12);

/** Low half of an entry for a frame. */
export const pteLow = (mfn: number, flags: number): number => (mfn << 12) | flags;

/** High half of an entry for a frame, without flags. */
export const pteHigh = (mfn: number): number => mfn >>> 20;

/** Whether an entry of that level has flags that no guest may set. */
export const pteDisallowed = (level: number, low: number): boolean =>
  (low & (level === 1 ? L1_DISALLOWED : UPPER_DISALLOWED)) !== 0;

/** The high half as Xen stores it. */
export const adjustHigh = (level: number, low: number, high: number): number =>
  level === 1 && (low & (PTE_PRESENT | PTE_US)) === PTE_PRESENT
    ? high | PTE_HIGH_GUEST_KERNEL
    : high;

/** The low half as Xen stores it; `high` is already adjusted. */
export const adjustLow = (level: number, low: number, high: number): number => {
  if ((low & PTE_PRESENT) === 0) return low;
  if (level === 4) return low | PTE_US | PTE_ACCESSED;
  if (level > 1 || (high & PTE_HIGH_GUEST_KERNEL) !== 0) return low | PTE_US;
  return low | PTE_US | PTE_GLOBAL;
};

/** Whether two entries differ in nothing that has to be checked: presence, frame, writability, caching. */
export const sameMapping = (
  low: number,
  high: number,
  otherLow: number,
  otherHigh: number,
): boolean =>
  ((low ^ otherLow) & ~UNCHECKED_LOW) === 0 && ((high ^ otherHigh) & ~UNCHECKED_HIGH) === 0;
