/*
 * References to frames and to their types (get_page, get_page_type and their opposites of Xen's mm.c).
 *
 * A frame is alive while it has general references; the last one frees it. A frame has exactly one type while it has type
 * references; at none it may become another. What a type promises is checked when it gets its first type reference:
 *
 *   0 → 1 of L1 … L4      all 512 entries are checked, and take references on what they name
 *   1 → 0 of L1 … L4      all entries let go again
 *   0 → 1 of seg_desc     512 descriptors are checked; stays checked until the type changes
 *   writable              promises nothing: but while it lasts the frame cannot be a table
 *
 * A frame that was writable may still be in a TLB as writable, so the TLBs are emptied before it becomes anything else, and
 * before it is freed.
 */
import { XEN_EINVAL } from '@port-xen/abi';
import {
  type FrameTable,
  NO_OWNER,
  PGC_allocated,
  PGC_xen_heap,
  PGT_l1_page_table,
  PGT_l4_page_table,
  PGT_none,
  PGT_pinned,
  PGT_seg_desc_page,
  PGT_validated,
  PGT_writable_page,
} from './frame-table.ts';
import { ModelBug } from './model-bug.ts';

/** References stop short of overflow; a guest cannot get there with 8 GiB of page tables. */
const MAX_REFS = 0x7fff_fff0;

/** What checks the contents of a frame for a type, and lets them go. */
export interface Contents {
  /** @returns 0, or -errno with nothing taken */
  validateTable(mfn: number, level: number): number;
  devalidateTable(mfn: number, level: number): void;
  validateDescriptors(mfn: number): boolean;
  /** No TLB may keep a translation. */
  flushAll(): void;
  /** The last general reference is gone. */
  free(mfn: number, owner: number, xenHeap: boolean): void;
  /** The frame's contents mean something else now. */
  markDirty(mfn: number): void;
}

const isTable = (type: number): boolean => type >= PGT_l1_page_table && type <= PGT_l4_page_table;

export class PageTypes {
  readonly #table: FrameTable;
  readonly #contents: Contents;

  constructor(table: FrameTable, contents: Contents) {
    this.#table = table;
    this.#contents = contents;
  }

  /** Takes a general reference if the frame belongs to `domid`. `mfn` may be any Number. */
  getPage(mfn: number, domid: number): boolean {
    const table = this.#table;
    const i = table.index(mfn);
    if (i < 0 || table.owner[i] !== domid) return false;
    const refs = table.refs[i] as number;
    if (refs === 0 || refs >= MAX_REFS) return false;
    table.refs[i] = refs + 1;
    return true;
  }

  /** Drops a general reference; the last one frees the frame. */
  putPage(mfn: number): void {
    const table = this.#table;
    const i = table.index(mfn);
    const refs = table.refs[i] as number;
    if (i < 0 || refs <= 0) this.#bug('a reference too many was dropped', mfn);
    table.refs[i] = refs - 1;
    if (refs === 1) this.#free(mfn, i);
  }

  /**
   * Takes a type reference; a general one is held already.
   * @returns 0, or -errno: -EINVAL for another type, or what the check of the contents gave
   */
  getPageType(mfn: number, type: number): number {
    const table = this.#table;
    const i = table.index(mfn);
    const count = table.typeRefs[i] as number;
    const current = table.type[i] as number;
    if (count >= MAX_REFS) return -XEN_EINVAL;
    if (count > 0) {
      if (current !== type) return -XEN_EINVAL;
      const valid = ((table.flags[i] as number) & PGT_validated) !== 0;
      if (!valid) this.#bug('a table was asked for while it was checked', mfn);
      table.typeRefs[i] = count + 1;
      return 0;
    }
    if (current !== type) {
      this.#clearFlag(i, PGT_validated);
      table.type[i] = type;
      if (current === PGT_writable_page) this.#contents.flushAll();
    }
    table.typeRefs[i] = 1;
    if (((table.flags[i] as number) & PGT_validated) !== 0) return 0;
    const result = this.#validate(mfn, i, type);
    if (result !== 0) {
      table.typeRefs[i] = 0;
      table.type[i] = PGT_none;
    }
    return result;
  }

  /**
   * Drops a type reference.
   * @param table the page table whose entry held it, for the bookkeeping of same-level mappings; -1 otherwise
   */
  putPageType(mfn: number, table = -1): void {
    const frames = this.#table;
    const i = frames.index(mfn);
    const count = frames.typeRefs[i] as number;
    if (i < 0 || count <= 0) this.#bug('a type reference too many was dropped', mfn);
    const type = frames.type[i] as number;
    if (count === 1 && isTable(type)) {
      const valid = ((frames.flags[i] as number) & PGT_validated) !== 0;
      if (!valid) this.#bug('expected a validated table', mfn);
      this.#clearFlag(i, PGT_validated);
      this.#contents.devalidateTable(mfn, type);
      this.#contents.markDirty(mfn);
    }
    frames.typeRefs[i] = (frames.typeRefs[i] as number) - 1;
    if (table >= 0) this.#dropLinear(i, frames.index(table), type);
  }

  /** Both references at once. @returns 0, or -EINVAL: not the domain's, or -errno of {@link getPageType} */
  getPageAndType(mfn: number, domid: number, type: number): number {
    if (!this.getPage(mfn, domid)) return -XEN_EINVAL;
    const result = this.getPageType(mfn, type);
    if (result !== 0) this.putPage(mfn);
    return result;
  }

  putPageAndType(mfn: number): void {
    this.putPageType(mfn);
    this.putPage(mfn);
  }

  /**
   * Lets a table's entry map a table of its own level, read-only: the target must be validated already, and neither may be the
   * other side of such a mapping, so that depth is one and no table keeps itself alive.
   * @returns whether both references were taken
   */
  getLinear(mfn: number, tableMfn: number, level: number, domid: number): boolean {
    const table = this.#table;
    const from = table.index(tableMfn);
    if (table.owner[from] !== domid || !this.getPage(mfn, domid)) return false;
    const to = table.index(mfn);
    const fits =
      (table.linear[from] as number) >= 0 &&
      (table.linear[to] as number) <= 0 &&
      table.type[to] === level &&
      ((table.flags[to] as number) & PGT_validated) !== 0 &&
      (table.typeRefs[to] as number) < MAX_REFS;
    if (!fits) {
      this.putPage(mfn);
      return false;
    }
    table.linear[from] = (table.linear[from] as number) + 1;
    table.linear[to] = (table.linear[to] as number) - 1;
    table.typeRefs[to] = (table.typeRefs[to] as number) + 1;
    return true;
  }

  /** MMUEXT_PIN: one type reference and one general one, held by the frame itself. @returns 0 or -EINVAL, or -errno of the check */
  pin(mfn: number, domid: number, level: number): number {
    const result = this.getPageAndType(mfn, domid, level);
    if (result !== 0) return result;
    const i = this.#table.index(mfn);
    if (((this.#table.flags[i] as number) & PGT_pinned) !== 0) {
      this.putPageAndType(mfn);
      return -XEN_EINVAL;
    }
    this.#setFlag(i, PGT_pinned);
    this.#contents.markDirty(mfn);
    return 0;
  }

  /** MMUEXT_UNPIN_TABLE. @returns 0, or -EINVAL: not the domain's or not pinned */
  unpin(mfn: number, domid: number): number {
    if (!this.getPage(mfn, domid)) return -XEN_EINVAL;
    const i = this.#table.index(mfn);
    const pinned = ((this.#table.flags[i] as number) & PGT_pinned) !== 0;
    if (pinned) {
      this.#clearFlag(i, PGT_pinned);
      this.putPageAndType(mfn);
      this.#contents.markDirty(mfn);
    }
    this.putPage(mfn);
    return pinned ? 0 : -XEN_EINVAL;
  }

  /** Drops the owner's reference, which a frame has once. @returns whether it was there */
  putAllocated(mfn: number): boolean {
    const i = this.#table.index(mfn);
    if (((this.#table.flags[i] as number) & PGC_allocated) === 0) return false;
    this.#clearFlag(i, PGC_allocated);
    this.putPage(mfn);
    return true;
  }

  #validate(mfn: number, i: number, type: number): number {
    let result = 0;
    if (isTable(type)) {
      this.#contents.markDirty(mfn);
      this.#table.linear[i] = 0;
      result = this.#contents.validateTable(mfn, type);
    } else if (type === PGT_seg_desc_page) {
      result = this.#contents.validateDescriptors(mfn) ? 0 : -XEN_EINVAL;
    } else if (type !== PGT_writable_page) {
      throw new ModelBug(`expected a type with contents for mfn ${mfn}, found ${type}`);
    }
    if (result === 0) this.#setFlag(i, PGT_validated);
    return result;
  }

  #dropLinear(to: number, from: number, type: number): void {
    const { linear } = this.#table;
    if (this.#table.type[from] !== type) return;
    linear[to] = (linear[to] as number) + 1;
    linear[from] = (linear[from] as number) - 1;
  }

  #free(mfn: number, i: number): void {
    const table = this.#table;
    const flags = table.flags[i] as number;
    const owner = table.owner[i] as number;
    const xenHeap = (flags & PGC_xen_heap) !== 0;
    const unused = table.typeRefs[i] === 0 || xenHeap;
    if (!unused || (flags & (PGC_allocated | PGT_pinned)) !== 0) {
      this.#bug('a frame in use was freed', mfn);
    }
    table.owner[i] = NO_OWNER;
    table.type[i] = PGT_none;
    table.typeRefs[i] = 0;
    table.linear[i] = 0;
    table.flags[i] = 0;
    this.#contents.free(mfn, owner, xenHeap);
  }

  #bug(what: string, mfn: number): never {
    throw new ModelBug(`${what}: ${this.#table.describe(mfn)}`);
  }

  #setFlag(i: number, flag: number): void {
    this.#table.flags[i] = (this.#table.flags[i] as number) | flag;
  }

  #clearFlag(i: number, flag: number): void {
    this.#table.flags[i] = (this.#table.flags[i] as number) & ~flag;
  }
}
