/*
 * A domain's grant table, version 1 (xen/common/grant_table.c).
 *
 *     frames of Xen's, which the domain maps:   | flags u16 | domid u16 | frame u32 |  × 512 each
 *     active entries, Xen's alone, while pinned: { to whom, which frame, read-only pins, writable pins }
 *
 * The first pin of an entry, and the first writable one, read and decide upon what the domain wrote; while an entry is pinned it is
 * what it was then, whatever the domain writes there. A pin sets GTF_reading, a writable one GTF_writing too; the last one to go
 * clears them.
 */
import {
  GNTST_bad_gntref,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
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
import { ModelBug } from './model-bug.ts';

const PER_FRAME = 4096 / grant_entry_v1.size;

/** Pins of an entry, of either kind, stop short of this. */
const PINS_MAX = 0x7fff_0000;

/** An entry that is pinned. */
interface Active {
  readonly domid: number;
  readonly mfn: number;
  readonly: number;
  writable: number;
}

/** A grant that was taken: what it names. To be given back by {@link GrantTable.release}. */
export interface Acquired {
  readonly status: number;
  readonly mfn: number;
}

export class GrantTable {
  readonly maxFrames: number;
  readonly #domain: Domain;
  readonly #frames: number[] = [];
  readonly #active = new Map<number, Active>();

  constructor(domain: Domain, maxFrames: number) {
    this.#domain = domain;
    this.maxFrames = maxFrames;
  }

  get frames(): readonly number[] {
    return this.#frames;
  }

  /** References that somebody has mapped or is copying. */
  get inUse(): number {
    return this.#active.size;
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

  /** Entries that there are. */
  get entries(): number {
    return this.#frames.length * PER_FRAME;
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
   * Pins an entry for `user`.
   * @param writable for a writable mapping or the destination of a copy
   * @param mapping not for a copy: an entry of part of a page cannot be mapped
   */
  acquire(ref: number, user: number, writable: boolean, mapping: boolean): Acquired {
    const address = this.addressOf(ref);
    if (address < 0) return refused(GNTST_bad_gntref);
    let active = this.#active.get(ref);
    if (active !== undefined) {
      const pins = active.readonly + active.writable;
      if (active.domid !== user || pins >= PINS_MAX) return refused(GNTST_general_error);
    }
    const { memory, types } = this.#domain.host;
    if (active === undefined || (writable && active.writable === 0)) {
      const word = memory.ld32(address);
      const kind = GTF_type_mask | (mapping ? GTF_sub_page : 0);
      const granted = (word & kind) === GTF_permit_access && word >>> 16 === user;
      if (active === undefined && !granted) return refused(GNTST_general_error);
      if (writable && (word & GTF_readonly) !== 0) return refused(GNTST_general_error);
      if (active === undefined) {
        const mfn = memory.ld32(address + 4) >>> 0;
        if (!types.getPage(mfn, this.#domain.domid)) return refused(GNTST_bad_page);
        types.putPage(mfn);
        active = { domid: user, mfn, readonly: 0, writable: 0 };
        this.#active.set(ref, active);
      }
      memory.st16(address, (word & 0xffff) | GTF_reading | (writable ? GTF_writing : 0));
    }
    if (writable) active.writable++;
    else active.readonly++;
    return { status: GNTST_okay, mfn: active.mfn };
  }

  /** Drops a pin. */
  release(ref: number, writable: boolean): void {
    const active = this.#active.get(ref);
    if (active === undefined) {
      throw new ModelBug(`grant ${ref} of domain ${this.#domain.domid} is not pinned`);
    }
    if (writable) active.writable--;
    else active.readonly--;
    const unused = active.writable === 0 && active.readonly === 0;
    if (unused) this.#active.delete(ref);
    const address = this.addressOf(ref);
    if (address < 0) return;
    const { memory } = this.#domain.host;
    let flags = memory.ld16(address);
    if (active.writable === 0) flags &= ~GTF_writing;
    if (unused) flags &= ~GTF_reading;
    memory.st16(address, flags);
  }
}

const refused = (status: number): Acquired => ({ status, mfn: -1 });
