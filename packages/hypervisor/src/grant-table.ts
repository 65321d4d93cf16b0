/*
 * A domain's grant table, version 1 (xen/common/grant_table.c).
 *
 *     frames of Xen's, which the domain maps:  | flags u16 | domid u16 | frame u32 |  × 512 each
 *     counts of what is mapped, Xen's alone:   per reference { read-only, writable }
 *
 * A mapping sets GTF_reading, a writable one GTF_writing too; the last one to go clears them. The entry is the granting domain's
 * to write, so it is read once and decided upon.
 */
import {
  GNTST_bad_gntref,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_type_mask,
  GTF_writing,
  grant_entry_v1,
} from '@port-xen/abi';
import type { Domain } from './domain.ts';
import { allocateXenFrame, freeXenFrame } from './domain-frames.ts';

const PER_FRAME = 4096 / grant_entry_v1.size;

/** How often a reference is mapped. */
interface Pins {
  readonly: number;
  writable: number;
}

/** A grant that was taken: what it names, and to be given back by {@link GrantTable.release}. */
export interface Acquired {
  readonly status: number;
  readonly mfn: number;
}

export class GrantTable {
  readonly maxFrames: number;
  readonly #domain: Domain;
  readonly #frames: number[] = [];
  readonly #pins = new Map<number, Pins>();

  constructor(domain: Domain, maxFrames: number) {
    this.#domain = domain;
    this.maxFrames = maxFrames;
  }

  get frames(): readonly number[] {
    return this.#frames;
  }

  /** References that somebody has mapped or is copying. */
  get inUse(): number {
    return this.#pins.size;
  }

  /** gnttab_grow_table. @returns whether there are that many frames now */
  grow(frames: number): boolean {
    if (frames > this.maxFrames) return false;
    while (this.#frames.length < frames) {
      const mfn = allocateXenFrame(this.#domain.host, this.#domain);
      if (mfn < 0) return false;
      this.#frames.push(mfn);
    }
    return true;
  }

  /** Lets the frames go: the domain dies. */
  free(): void {
    for (const mfn of this.#frames.splice(0)) freeXenFrame(this.#domain.host, mfn);
  }

  /** Machine address of an entry; -1 beyond the table. */
  addressOf(ref: number): number {
    const mfn = this.#frames[Math.floor(ref / PER_FRAME)];
    return mfn === undefined ? -1 : mfn * 4096 + (ref % PER_FRAME) * grant_entry_v1.size;
  }

  /**
   * Takes a reference for `user`: checks the entry, sets its reading and writing bits.
   * @param writable a writable mapping or the destination of a copy
   */
  acquire(ref: number, user: number, writable: boolean): Acquired {
    const address = this.addressOf(ref);
    if (address < 0) return { status: GNTST_bad_gntref, mfn: -1 };
    const { memory } = this.#domain.host;
    const word = memory.ld32(address);
    const flags = word & 0xffff;
    const domid = word >>> 16;
    if ((flags & GTF_type_mask) !== GTF_permit_access || (flags & GTF_sub_page) !== 0) {
      return { status: GNTST_general_error, mfn: -1 };
    }
    if (domid !== user) return { status: GNTST_general_error, mfn: -1 };
    if (writable && (flags & GTF_readonly) !== 0) {
      return { status: GNTST_permission_denied, mfn: -1 };
    }
    memory.st16(address, flags | GTF_reading | (writable ? GTF_writing : 0));
    const pins = this.#pins.get(ref) ?? { readonly: 0, writable: 0 };
    if (writable) pins.writable++;
    else pins.readonly++;
    this.#pins.set(ref, pins);
    return { status: GNTST_okay, mfn: memory.ld32(address + 4) >>> 0 };
  }

  /** Gives a reference back. */
  release(ref: number, writable: boolean): void {
    const pins = this.#pins.get(ref);
    if (pins === undefined) return;
    if (writable) pins.writable--;
    else pins.readonly--;
    const address = this.addressOf(ref);
    const { memory } = this.#domain.host;
    if (address >= 0) {
      let flags = memory.ld16(address);
      if (pins.writable === 0) flags &= ~GTF_writing;
      if (pins.writable === 0 && pins.readonly === 0) flags &= ~GTF_reading;
      memory.st16(address, flags);
    }
    if (pins.writable === 0 && pins.readonly === 0) this.#pins.delete(ref);
  }

  /** Whether any reference outside the reserved ones is in use (GNTTABOP_set_version). */
  get busy(): boolean {
    return [...this.#pins.keys()].some((ref) => ref >= 8);
  }
}
