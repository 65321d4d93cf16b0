/*
 * Bits of a page-table entry: the processor's (Intel SDM vol. 3, 4.5), under the names that Xen and Linux give them. No public header of
 * Xen's has them.
 */
export const _PAGE_PRESENT = 1;
export const _PAGE_RW = 2;
export const _PAGE_USER = 4;
export const _PAGE_PWT = 8;
export const _PAGE_PCD = 0x10;
export const _PAGE_ACCESSED = 0x20;
export const _PAGE_DIRTY = 0x40;
/** A superpage, at levels 2 and 3. */
export const _PAGE_PSE = 0x80;
export const _PAGE_GLOBAL = 0x100;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
