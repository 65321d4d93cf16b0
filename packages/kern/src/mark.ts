/*
 * What stands in memory at an entry point, 16 bytes:
 *
 *     +0  0f 0b            ud2: a processor that is no TypeScript engine stops here
 *     +2  'T' 'S' 'X' 'T'  the mark
 *     +6  index u16        which entry
 *     +8  cc × 8           int3: nothing falls through
 */
import type { Memory } from '@port-xen/layout';

export const ENTRY_SIZE = 16;

/** The two halves of an entry's first eight bytes; the index is the top half of the second. */
export const MARK_WORD_0 = 0x5354_0b0f;
export const MARK_WORD_1 = 0x5458;

export const writeMark = (memory: Memory, address: number, index: number): void => {
  memory.st32(address, MARK_WORD_0);
  memory.st32(address + 4, MARK_WORD_1 | (index << 16));
  memory.st32(address + 8, 0xcccc_cccc);
  memory.st32(address + 12, 0xcccc_cccc);
};
