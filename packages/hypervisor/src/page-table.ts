/*
 * Page tables: what an entry may say, what it holds, and how one is changed.
 *
 *   L1 entry      a general reference on the frame it names, and a writable type reference when it is writable
 *   Ln entry      a general and an L(n-1) type reference; or, read-only, a linear mapping of a table of level n: of another
 *                 table with both references, of itself with none
 *   not present   nothing, and may hold anything
 *
 * L4 slots 256 to 271 are Xen's: filled when an L4 is validated, never the guest's.
 */
import { XEN_EBUSY, XEN_EINVAL, XEN_EPERM } from '@port-xen/abi';
import { type FrameTable, NO_OWNER, PGT_seg_desc_page, PGT_writable_page } from './frame-table.ts';
import type { MachineMemory } from './machine-memory.ts';
import {
  adjustHigh,
  adjustLow,
  INVALID_FRAME,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_PRESENT,
  PTE_RW,
  pteDisallowed,
  pteFrame,
  sameMapping,
} from './page-entry.ts';
import type { PageTypes } from './page-type.ts';
import { FIRST_XEN_SLOT, LAST_XEN_SLOT, type XenPageTables } from './xen-page-tables.ts';

const ENTRIES = 512;

/** What page tables need of the rest of the host. */
export interface TableSurroundings {
  readonly types: PageTypes;
  markDirty(mfn: number): void;
  /** A read-only mapping of a descriptor page went: the domain's LDTs are no longer trusted. */
  forgetLdts(domid: number): void;
}

export class PageTables {
  readonly #words: Int32Array;
  readonly #memory: MachineMemory;
  readonly #table: FrameTable;
  readonly #xen: XenPageTables;
  readonly #host: TableSurroundings;

  constructor(
    memory: MachineMemory,
    table: FrameTable,
    xen: XenPageTables,
    host: TableSurroundings,
  ) {
    this.#words = memory.words;
    this.#memory = memory;
    this.#table = table;
    this.#xen = xen;
    this.#host = host;
  }

  /**
   * Takes what an entry of a domain's table holds. The entry is present and adjusted.
   * @param frameOwner whose frames an L1 entry may name
   * @returns 0 or -errno: -EINVAL bad flags, wrong type above L1; at L1 -EPERM no such frame, -EBUSY not theirs or not writable
   */
  getEntry(
    level: number,
    low: number,
    high: number,
    tableMfn: number,
    domid: number,
    frameOwner: number,
  ): number {
    if (pteDisallowed(level, low)) return -XEN_EINVAL;
    const { types } = this.#host;
    const mfn = pteFrame(low, high);
    if (level > 1) {
      const result = types.getPageAndType(mfn, domid, level - 1);
      if (result !== -XEN_EINVAL || (low & PTE_RW) !== 0) return result;
      if (mfn === tableMfn) return 0;
      return types.getLinear(mfn, tableMfn, level, domid) ? 0 : -XEN_EINVAL;
    }
    if (this.#table.index(mfn) < 0) return mfn === INVALID_FRAME ? -XEN_EINVAL : -XEN_EPERM;
    if (!types.getPage(mfn, frameOwner)) return -XEN_EBUSY;
    if ((low & PTE_RW) !== 0 && types.getPageType(mfn, PGT_writable_page) !== 0) {
      types.putPage(mfn);
      return -XEN_EBUSY;
    }
    return 0;
  }

  /** Drops what an entry held. */
  putEntry(level: number, low: number, high: number, tableMfn: number, domid: number): void {
    if ((low & PTE_PRESENT) === 0) return;
    const { types } = this.#host;
    const mfn = pteFrame(low, high);
    if (level > 1) {
      if (mfn === tableMfn) return;
      types.putPageType(mfn, tableMfn);
    } else if ((low & PTE_RW) !== 0) {
      types.putPageType(mfn);
    } else {
      const i = this.#table.index(mfn);
      const descriptors =
        this.#table.type[i] === PGT_seg_desc_page && this.#table.typeRefs[i] !== 0;
      if (descriptors && this.#table.owner[i] === domid) this.#host.forgetLdts(domid);
    }
    types.putPage(mfn);
  }

  /** Checks a whole table and takes what its entries hold. @returns 0, or -errno with nothing held */
  validate(mfn: number, level: number): number {
    const words = this.#words;
    const base = this.#memory.wordIndex(mfn);
    const domid = this.#table.ownerOf(mfn);
    if (domid === NO_OWNER) return -XEN_EINVAL;
    for (let slot = 0; slot < ENTRIES; slot++) {
      if (isXenSlot(level, slot)) continue;
      const at = base + slot * 2;
      const low = words[at] as number;
      if ((low & PTE_PRESENT) === 0) continue;
      const high = words[at + 1] as number;
      const result = this.getEntry(level, low, high, mfn, domid, domid);
      if (result !== 0) {
        this.#release(mfn, level, slot);
        return result;
      }
      const adjusted = adjustHigh(level, low, high);
      words[at + 1] = adjusted;
      words[at] = adjustLow(level, low, adjusted);
    }
    if (level === 4) this.#xen.fillSlots(mfn);
    return 0;
  }

  /** Lets go what a table's entries hold. */
  devalidate(mfn: number, level: number): void {
    this.#release(mfn, level, ENTRIES);
  }

  /**
   * Changes one entry of a validated table of a domain.
   * @param frameOwner whose frames an L1 entry may name
   * @returns 0 or -errno, as {@link getEntry}
   */
  modify(
    level: number,
    tableMfn: number,
    slot: number,
    low: number,
    high: number,
    preserveAd: boolean,
    frameOwner: number,
  ): number {
    if (isXenSlot(level, slot)) return -XEN_EINVAL;
    const domid = this.#table.ownerOf(tableMfn);
    const at = this.#memory.wordIndex(tableMfn) + slot * 2;
    const oldLow = this.#words[at] as number;
    const oldHigh = this.#words[at + 1] as number;
    const keep = preserveAd ? oldLow & (PTE_ACCESSED | PTE_DIRTY) : 0;
    let held = true;
    let newHigh = high;
    let newLow = low;
    if ((low & PTE_PRESENT) !== 0) {
      if (pteDisallowed(level, low)) return -XEN_EINVAL;
      newHigh = adjustHigh(level, low, high);
      newLow = adjustLow(level, low, newHigh);
      held = !sameMapping(oldLow, oldHigh, newLow, newHigh);
      if (held) {
        const result = this.getEntry(level, newLow, newHigh, tableMfn, domid, frameOwner);
        if (result !== 0) return result;
      }
    }
    this.store(tableMfn, at, newLow | keep, newHigh);
    if (held) this.putEntry(level, oldLow, oldHigh, tableMfn, domid);
    return 0;
  }

  /** Writes an entry at a word index, its references being settled elsewhere. */
  store(tableMfn: number, at: number, low: number, high: number): void {
    this.#words[at] = low;
    this.#words[at + 1] = high;
    this.#host.markDirty(tableMfn);
  }

  #release(mfn: number, level: number, end: number): void {
    const base = this.#memory.wordIndex(mfn);
    const domid = this.#table.ownerOf(mfn);
    for (let slot = 0; slot < end; slot++) {
      if (isXenSlot(level, slot)) continue;
      const at = base + slot * 2;
      const low = this.#words[at] as number;
      if ((low & PTE_PRESENT) === 0) continue;
      this.putEntry(level, low, this.#words[at + 1] as number, mfn, domid);
    }
  }
}

const isXenSlot = (level: number, slot: number): boolean =>
  level === 4 && slot >= FIRST_XEN_SLOT && slot <= LAST_XEN_SLOT;
