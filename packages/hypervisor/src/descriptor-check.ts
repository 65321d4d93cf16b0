/*
 * Segment descriptors that a guest may have in its GDT and LDT (check_descriptor of Xen's x86/pv/descriptor-tables.c).
 *
 *   low   base 31…16 | limit 15…0                      (call gate: selector 31…16 | offset 15…0)
 *   high  base 31…24 | G D L AVL | limit 19…16 | P 15 | DPL 14…13 | S 12 | type 11…8 | base 23…16
 *
 * Not present: anything. Code and data: DPL becomes 3, where guests run. System descriptors: type 0 and call gates only; a
 * gate must lead to a selector that a guest may use, its DPL becomes 0 and is kept in the selector's RPL.
 */

const PRESENT = 0x8000;
const DPL = 0x6000;
const CODE_OR_DATA = 0x1000;
const TYPE = 0x0f00;
const CALL_GATE = 0x0c00;
/** The first GDT entry that is Xen's (FIRST_RESERVED_GDT_ENTRY). */
const FIRST_RESERVED_ENTRY = 7168;
const FLAT_KERNEL_CS = 0xe033;
const IN_LDT = 4;
const RING_3 = 3;
const DESCRIPTORS = 512;

const gateSelectorIsSafe = (selector: number): boolean =>
  selector >>> 3 < FIRST_RESERVED_ENTRY || selector === FLAT_KERNEL_CS || (selector & IN_LDT) !== 0;

/**
 * Makes a descriptor safe where it can be, in place.
 * @param words the low half at `at`, the high half after it
 * @returns whether it is safe now
 */
export const makeDescriptorSafe = (words: Int32Array, at: number): boolean => {
  const high = words[at + 1] as number;
  if ((high & PRESENT) === 0) return true;
  if ((high & CODE_OR_DATA) !== 0) {
    words[at + 1] = high | DPL;
    return true;
  }
  if ((high & TYPE) === 0) return true;
  if ((high & TYPE) !== CALL_GATE) return false;
  const low = words[at] as number;
  const selector = low >>> 16;
  if (!gateSelectorIsSafe(selector) || (high & 0xff) !== 0) return false;
  words[at] = (low & 0xffff) | (((selector & ~RING_3) | RING_3) << 16);
  words[at + 1] = high & ~DPL;
  return true;
};

/** Makes the 512 descriptors of a page safe, in place. @returns false at the first that cannot be */
export const descriptorsAreSafe = (words: Int32Array, start: number): boolean => {
  for (let i = 0; i < DESCRIPTORS; i++) {
    if (!makeDescriptorSafe(words, start + i * 2)) return false;
  }
  return true;
};
