/*
 * The grant table of the guest (sys/arch/xen/xen/xengnt.c), version 1.
 *
 *     table     kernel addresses for the most frames there may be; Xen's frames are mapped there one after the other
 *     in_use    a bit per reference: owned by a driver
 *     cursor    where the search for a free reference goes on
 *
 * A reference is the guest's to choose, so a stale one could happen to work; therefore the search goes on after the last
 * reference used, over restores too, and a reference comes up again only after all others have.
 *
 * Xen's frames are not the guest's: no page table may name them while the domain is saved. In the restored domain every
 * reference that a driver remembers is void. The table is empty then; or it is not, when the domain was resumed where it
 * was by a toolstack that made it believe that it was restored. So it is emptied.
 */
import {
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_memory_op,
  DOMID_SELF,
  GNTST_okay,
  GNTTABOP_query_size,
  GNTTABOP_setup_table,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_transfer_committed,
  GTF_transfer_completed,
  GTF_type_mask,
  GTF_writing,
  gnttab_query_size,
  gnttab_setup_table,
  grant_entry_v1,
  XENMEM_decrease_reservation,
  xen_memory_reservation,
} from '@port-xen/abi';
import { type Cpu, type HypercallArgs, kassert, type Msgbuf } from '@port-xen/kern';
import { array, i64, ldI64, st64, struct, u32, type View } from '@port-xen/layout';

const PAGE_SIZE = 4096;
const PER_FRAME = PAGE_SIZE / grant_entry_v1.size;
/** Most frames that are ever mapped. */
const NFRAMES_MAX = 64;
/** References 0 to 8 are never given out (NR_RESERVED_ENTRIES + 1). */
export const FIRST_REF = 9;
/** No reference is free. */
export const XENGNT_NO_ENTRY = -1;
/** Nothing was transferred. */
export const XENGNT_NO_FRAME = -1;

export const xengnt_data = struct('xengnt_data', {
  table: i64,
  nr_frames: u32,
  max_frames: u32,
  cursor: u32,
  used: u32,
  in_use: array(u32, (NFRAMES_MAX * PER_FRAME) / 32),
});

/** What grants need of the kernel. */
export interface XengntKern {
  readonly args: HypercallArgs;
  readonly msgbuf: Msgbuf;
}

/** What grants need of the pmap. */
export interface XengntPmap {
  kenterMa(va: number, mfn: number, writable: boolean): void;
  kremove(va: number): void;
}

export class Xengnt {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XengntKern;
  readonly pmap: XengntPmap;

  constructor(cpu: Cpu, data: number, kern: XengntKern, pmap: XengntPmap) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.pmap = pmap;
  }

  get #d(): View<typeof xengnt_data> {
    return xengnt_data.at(this.cpu.memory, this.data);
  }

  /** xengnt_init. @param table kernel addresses of 64 pages, nothing mapped there */
  init(table: number): void {
    const d = this.#d;
    d.table = table;
    d.cursor = FIRST_REF;
    d.max_frames = this.querySize();
    kassert(this.setup(1), 'xengnt: Xen gives no grant table');
  }

  protected querySize(): number {
    const op = this.kern.args.at(gnttab_query_size);
    op.dom = DOMID_SELF;
    const rc = this.cpu.hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, op.address, 1);
    kassert(
      rc === 0 && op.status === GNTST_okay,
      'xengnt: Xen does not say how large the table may be',
    );
    return Math.min(op.max_nr_frames, NFRAMES_MAX);
  }

  /** GNTTABOP_setup_table for `frames` frames, all of them mapped. @returns false when Xen has no more */
  protected setup(frames: number): boolean {
    const d = this.#d;
    const op = this.kern.args.at(gnttab_setup_table);
    op.dom = DOMID_SELF;
    op.nr_frames = frames;
    op.frame_list = this.kern.args.words(gnttab_setup_table.size, 8 * frames);
    const rc = this.cpu.hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, op.address, 1);
    if (rc !== 0 || op.status !== GNTST_okay) return false;
    const mfns = Array.from({ length: frames }, (_, i) =>
      ldI64(this.cpu.memory, op.frame_list + 8 * i),
    );
    mfns.forEach((mfn, i) => {
      this.pmap.kenterMa(d.table + i * PAGE_SIZE, mfn, true);
    });
    d.nr_frames = frames;
    return true;
  }

  #entry(ref: number): View<typeof grant_entry_v1> {
    const d = this.#d;
    kassert(
      ref >= FIRST_REF && ref < d.nr_frames * PER_FRAME,
      `xengnt: expected a reference within [${FIRST_REF}, ${d.nr_frames * PER_FRAME}), found ${ref}`,
    );
    return grant_entry_v1.at(this.cpu.memory, d.table + ref * grant_entry_v1.size);
  }

  #isUsed(ref: number): boolean {
    return (this.#d.in_use.get(ref >>> 5) & (1 << (ref & 31))) !== 0;
  }

  #setUsed(ref: number, used: boolean): void {
    const d = this.#d;
    const word = d.in_use.get(ref >>> 5);
    const bit = 1 << (ref & 31);
    d.in_use.set(ref >>> 5, used ? word | bit : word & ~bit);
    d.used += used ? 1 : -1;
  }

  /** A free reference; the table grows when all are used. */
  #getEntry(): number {
    const d = this.#d;
    if (d.used >= d.nr_frames * PER_FRAME - FIRST_REF) {
      if (d.nr_frames === d.max_frames || !this.setup(d.nr_frames + 1)) return XENGNT_NO_ENTRY;
    }
    const limit = d.nr_frames * PER_FRAME;
    let ref = d.cursor;
    do {
      if (ref >= limit) ref = FIRST_REF;
      if (!this.#isUsed(ref)) {
        d.cursor = ref + 1;
        return ref;
      }
      ref++;
    } while (ref !== d.cursor);
    return XENGNT_NO_ENTRY;
  }

  /** References owned by drivers. */
  get used(): number {
    return this.#d.used;
  }

  /**
   * xengnt_grant_access: lets domain `domid` map or copy a machine frame.
   * @returns the reference, or XENGNT_NO_ENTRY
   */
  grantAccess(domid: number, mfn: number, readonly: boolean): number {
    const ref = this.#getEntry();
    if (ref === XENGNT_NO_ENTRY) return ref;
    this.#setUsed(ref, true);
    const entry = this.#entry(ref);
    entry.frame = mfn;
    entry.domid = domid;
    entry.flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
    return ref;
  }

  /**
   * xengnt_grant_transfer: lets domain `domid` give this one a frame.
   * @returns the reference, or XENGNT_NO_ENTRY
   */
  grantTransfer(domid: number): number {
    const ref = this.#getEntry();
    if (ref === XENGNT_NO_ENTRY) return ref;
    this.#setUsed(ref, true);
    const entry = this.#entry(ref);
    entry.frame = 0;
    entry.domid = domid;
    entry.flags = GTF_accept_transfer;
    return ref;
  }

  /**
   * xengnt_revoke_transfer: the reference is free again, whether a frame came or not.
   * @returns the frame, which is this domain's and in none of its tables yet; XENGNT_NO_FRAME when none came
   */
  revokeTransfer(ref: number): number {
    kassert(this.#isUsed(ref), `xengnt: reference ${ref} is given back twice`);
    const entry = this.#entry(ref);
    const { flags, frame } = entry;
    kassert(
      (flags & GTF_type_mask) === GTF_accept_transfer,
      `xengnt: reference ${ref} takes no frame`,
    );
    const came = (flags & GTF_transfer_completed) !== 0;
    // Between the two the frame is on its way. Xen does both in one hypercall, so that nobody sees it.
    kassert(
      came || (flags & GTF_transfer_committed) === 0,
      `xengnt: a transfer to ${ref} is under way`,
    );
    entry.flags = 0;
    this.#setUsed(ref, false);
    return came ? frame : XENGNT_NO_FRAME;
  }

  /** Whether the other domain has the frame mapped or is copying. */
  inUse(ref: number): boolean {
    return (this.#entry(ref).flags & (GTF_reading | GTF_writing)) !== 0;
  }

  /** xengnt_revoke_access. Panics when the grant is in use: the page must not be used for anything else. */
  revokeAccess(ref: number): void {
    kassert(this.#isUsed(ref), `xengnt: reference ${ref} is given back twice`);
    kassert(!this.inUse(ref), `xengnt: reference ${ref} is still in use`);
    this.#entry(ref).flags = 0;
    this.#setUsed(ref, false);
  }

  /** xengnt_suspend: no page table names Xen's frames. */
  suspend(): void {
    const d = this.#d;
    for (let i = 0; i < d.nr_frames; i++) this.pmap.kremove(d.table + i * PAGE_SIZE);
  }

  /**
   * xengnt_resume. @param cancelled the domain never left: every grant is as it was
   */
  resume(cancelled: boolean): void {
    const d = this.#d;
    const frames = d.nr_frames;
    if (!cancelled) {
      d.max_frames = this.querySize();
      d.used = 0;
      this.cpu.memory.write(d.in_use.address(0), new Uint8Array(d.in_use.length * 4));
    }
    // A host may allow fewer frames than the last one; nothing is granted yet, so fewer will do.
    kassert(this.setup(Math.min(frames, d.max_frames)), 'xengnt: Xen gives no grant table');
    if (!cancelled) this.empty();
  }

  /** A frame that was transferred to a former life goes to Xen: nobody remembers what it was for. */
  #giveBack(mfn: number): void {
    const op = this.kern.args.at(xen_memory_reservation);
    op.extent_start = this.kern.args.words(xen_memory_reservation.size, 8);
    st64(this.cpu.memory, op.extent_start, mfn);
    op.nr_extents = 1;
    op.domid = DOMID_SELF;
    const rc = this.cpu.hypercall(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, op.address);
    kassert(rc === 1, `xengnt: Xen does not take frame ${mfn} back`);
  }

  /** Nobody is granted anything. What another domain still has mapped cannot be taken back: such a reference is never used. */
  protected empty(): void {
    const limit = this.#d.nr_frames * PER_FRAME;
    let kept = 0;
    for (let ref = FIRST_REF; ref < limit; ref++) {
      const entry = this.#entry(ref);
      if (entry.flags === 0) continue;
      if ((entry.flags & GTF_type_mask) === GTF_accept_transfer) {
        if ((entry.flags & GTF_transfer_completed) !== 0) this.#giveBack(entry.frame);
        entry.flags = 0;
      } else if (this.inUse(ref)) {
        this.#setUsed(ref, true);
        kept++;
      } else entry.flags = 0;
    }
    if (kept > 0) {
      this.kern.msgbuf.printf(`xengnt: ${kept} references of a former life are still in use\n`);
    }
  }
}
