/*
 * What Xen knows of each frame of the host: struct page_info, one array per field, indexed by mfn - firstMfn.
 *
 *   owner     domid, or NO_OWNER
 *   refs      general references (count_info): one for being allocated, one for each mapping and each hold
 *   type      PGT_*: what the frame is used as
 *   typeRefs  type references: a frame has one type while there are any
 *   linear    > 0: so many entries of this table map tables of its own level; < 0: so many such entries map this table
 *   flags     PGC_ and PGT_ bits below
 *
 * The arrays are plain data: the rules are in page-type.ts.
 */

/** Nobody's: free, or on its way from one domain to another. */
export const NO_OWNER = -1;

export const PGT_none = 0;
/** A page table's type is its level: 1, 2, 3, 4. */
export const PGT_l1_page_table = 1;
export const PGT_l4_page_table = 4;
export const PGT_seg_desc_page = 5;
export const PGT_writable_page = 7;

/** The owner's reference is held. */
export const PGC_allocated = 1;
/** Xen's own memory, shared with its owner: not counted in the domain's totPages. */
export const PGC_xen_heap = 2;
/** A type reference is held by MMUEXT_PIN. */
export const PGT_pinned = 4;
/** The contents were checked for the type. */
export const PGT_validated = 8;

export class FrameTable {
  readonly firstMfn: number;
  readonly frames: number;
  readonly owner: Int32Array;
  readonly refs: Int32Array;
  readonly type: Uint8Array;
  readonly typeRefs: Int32Array;
  readonly linear: Int32Array;
  readonly flags: Uint8Array;

  constructor(firstMfn: number, frames: number) {
    this.firstMfn = firstMfn;
    this.frames = frames;
    this.owner = new Int32Array(frames).fill(NO_OWNER);
    this.refs = new Int32Array(frames);
    this.type = new Uint8Array(frames);
    this.typeRefs = new Int32Array(frames);
    this.linear = new Int32Array(frames);
    this.flags = new Uint8Array(frames);
  }

  /** The index of a frame, or -1: not a frame of this host. `mfn` may be any Number. */
  index(mfn: number): number {
    const index = mfn - this.firstMfn;
    return index >= 0 && index < this.frames && Number.isInteger(index) ? index : -1;
  }

  ownerOf(mfn: number): number {
    const index = this.index(mfn);
    return index < 0 ? NO_OWNER : (this.owner[index] as number);
  }

  /** For an error's sentence. */
  describe(mfn: number): string {
    const i = this.index(mfn);
    if (i < 0) return `mfn ${mfn} (not of this host)`;
    const flags = this.flags[i] as number;
    return `mfn ${mfn} (owner ${this.owner[i]}, ${this.refs[i]} references, type ${this.type[i]}, ${this.typeRefs[i]} type references${
      flags & PGT_pinned ? ', pinned' : ''
    }${flags & PGT_validated ? ', validated' : ''})`;
  }
}
