/*
 * A page table in a stream names pages by pfn, so that it means the same on every host. An entry is 64 bits:
 *
 *     63:52 flags   51:12 frame   11:0 flags (bit 0 present, bit 7 in levels 2 … 4: a large page)
 *
 * canonicalise puts the pfn in place of the MFN of every present entry and leaves the flags, and entries that
 * are not present, as they are. Slots 256 … 271 of a level 4 table are Xen's and become zero. An entry whose
 * MFN is not the domain's (shared_info, a grant table, another domain's page still mapped) or that maps a
 * large page cannot be written: it is reported, never passed over.
 *
 * localise is its inverse, in place, with the new host's MFNs.
 */

/** A page table: 512 entries of 8 bytes, little-endian, at a multiple of 4 bytes. */
export type TablePage = Int32Array | Uint8Array;

/** An entry that has no meaning on another host. */
export interface EntryFault {
  readonly reason: 'bad frame' | 'superpage';
  /** Of the table, 1 … 4. */
  readonly level: number;
  /** The entry, 0 … 511. */
  readonly slot: number;
  /** The frame in it: an MFN when writing, a pfn when reading. */
  readonly frame: number;
  /** In libxc's words. */
  readonly message: string;
}

/** Entries in a page table. */
const ENTRIES = 512;
const PRESENT = 0x001;
const LARGE = 0x080;
/** Bits 51:32 of an entry are the upper part of its frame; frames here are below 2^31. */
const FRAME_HIGH = 0xfffff;
const FRAME_HIGH_MAX = 0x7ff;
const XEN_FIRST_SLOT = 256;
const XEN_LAST_SLOT = 271;

/**
 * Writes a page table into `into` with pfns for MFNs.
 *
 * @param page the table as it is in the domain; not changed
 * @param level 1 … 4
 * @param mfnToPfn the pfn of a frame of the domain (`m2p[mfn]` is a pfn, `p2m[m2p[mfn]]` is mfn), -1 for others
 * @param into where to; in place when it is the same page
 * @returns the first entry that cannot be written, or undefined; then `into` is not whole
 */
export const canonicalise = (
  page: TablePage,
  level: number,
  mfnToPfn: (mfn: number) => number,
  into: TablePage,
): EntryFault | undefined => {
  const from = words(page);
  const to = words(into);
  const largeBit = level > 1 ? LARGE : 0;
  for (let slot = 0; slot < ENTRIES; slot++) {
    let low = from[slot * 2] ?? 0;
    let high = from[slot * 2 + 1] ?? 0;
    if (level === 4 && slot >= XEN_FIRST_SLOT && slot <= XEN_LAST_SLOT) {
      low = 0;
      high = 0;
    }
    if ((low & PRESENT) !== 0) {
      if ((low & largeBit) !== 0) return superpage(level, slot, low, high);
      const pfn = (high & FRAME_HIGH) > FRAME_HIGH_MAX ? -1 : mfnToPfn(frameOf(low, high));
      if (pfn < 0) return badFrame(level, slot, low, high);
      low = (pfn << 12) | (low & 0xfff);
      high = (high & ~FRAME_HIGH) | (pfn >>> 20);
    }
    to[slot * 2] = low;
    to[slot * 2 + 1] = high;
  }
  return undefined;
};

/**
 * Puts MFNs for pfns into a page table, in place.
 *
 * @param level 1 … 4
 * @param pfnToMfn the frame of a page, which the caller may allocate there and then (a table may name a page
 *   that the stream never sent: it starts as zeros); -1 for a pfn that the domain cannot have
 * @returns the first entry that has no frame, or undefined; then the page is not whole
 */
export const localise = (
  page: TablePage,
  level: number,
  pfnToMfn: (pfn: number) => number,
): EntryFault | undefined => {
  const table = words(page);
  for (let slot = 0; slot < ENTRIES; slot++) {
    const low = table[slot * 2] ?? 0;
    if ((low & PRESENT) === 0) continue;
    const high = table[slot * 2 + 1] ?? 0;
    const mfn = (high & FRAME_HIGH) > FRAME_HIGH_MAX ? -1 : pfnToMfn(frameOf(low, high));
    if (mfn < 0) return badFrame(level, slot, low, high);
    table[slot * 2] = (mfn << 12) | (low & 0xfff);
    table[slot * 2 + 1] = (high & ~FRAME_HIGH) | (mfn >>> 20);
  }
  return undefined;
};

const words = (page: TablePage): Int32Array => {
  if (page.byteLength !== ENTRIES * 8 || page.byteOffset % 4 !== 0) {
    throw new RangeError(
      `expected a page of 4096 bytes at a multiple of 4, found ${page.byteLength} at ${page.byteOffset}`,
    );
  }
  if (page instanceof Int32Array) return page;
  return new Int32Array(page.buffer, page.byteOffset, ENTRIES * 2);
};

const frameOf = (low: number, high: number): number =>
  (high & FRAME_HIGH) * 0x100000 + (low >>> 12);

const badFrame = (level: number, slot: number, low: number, high: number): EntryFault => ({
  reason: 'bad frame',
  level,
  slot,
  frame: frameOf(low, high),
  message: `Bad mfn for L${level}[${slot}]: expected a frame of the domain, found 0x${frameOf(low, high).toString(16)}`,
});

const superpage = (level: number, slot: number, low: number, high: number): EntryFault => ({
  reason: 'superpage',
  level,
  slot,
  frame: frameOf(low, high),
  message: `Cannot migrate superpage (L${level}[${slot}]: 0x${hex8(high)}${hex8(low)})`,
});

const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
