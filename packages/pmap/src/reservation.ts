/*
 * Pages without frames (XENMEM_decrease_reservation, XENMEM_populate_physmap; xpmap_ptom_unmap, xpmap_ptom_map): a page gives
 * its frame to Xen and has none until it is given another.
 *
 *     give     the P2M entry becomes invalid, the frame goes to Xen
 *     take     Xen gives a frame, the P2M has it
 *     assign   a frame that came from elsewhere (a grant transfer) is a page's: P2M and M2P have it
 *
 * Each is over within a macro-instruction: no save sees a frame that was given away, or one that is in no table of the guest's.
 */
import {
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  DOMID_SELF,
  MMU_MACHPHYS_UPDATE,
  mmu_update,
  XENMEM_decrease_reservation,
  XENMEM_populate_physmap,
  xen_memory_reservation,
} from '@port-xen/abi';
import { type Cpu, type HypercallArgs, kassert } from '@port-xen/kern';
import { ldI64, st64 } from '@port-xen/layout';
import { PAGE_SIZE } from './pte.ts';

/** A page without a frame. */
export const INVALID_P2M_ENTRY = -1;
/** Most pages at once: the list of them is in the page of hypercall arguments. */
export const RESERVATION_MAX = 256;
/** Virtual time for each page. */
const PAGE_NS = 500;

/** What it needs of the pmap: MmuOps has it. */
export interface ReservationOps {
  readonly cpu: Cpu;
  readonly args: HypercallArgs;
  /** Where the P2M is, and for how many pages. */
  readonly d: { readonly xpmap_phys_to_machine_mapping: number; readonly nr_pages: number };
  mfnOf(pa: number): number;
  closeWindow(): void;
}

export class Reservation {
  readonly ops: ReservationOps;

  constructor(ops: ReservationOps) {
    this.ops = ops;
  }

  /**
   * Gives the frames of at most RESERVATION_MAX pages to Xen. Nothing may be mapped to them.
   * @returns how many of the frames Xen did not take: those that are Xen's own, which others may have passed off as the domain's
   */
  give(pfns: readonly number[]): number {
    if (pfns.length === 0) return 0;
    // A page that was a table may still be where tables are looked at.
    this.ops.closeWindow();
    const frames = pfns.map((pfn) => this.ops.mfnOf(pfn * PAGE_SIZE));
    for (const pfn of pfns) this.setMfn(pfn, INVALID_P2M_ENTRY);
    let left: readonly number[] = frames;
    let refused = 0;
    for (;;) {
      const { count } = this.#reserve(XENMEM_decrease_reservation, left);
      if (count === left.length) return refused;
      // It stops at the first that it does not take.
      kassert(count >= 0, `pmap: Xen takes no pages: error ${-count}`);
      left = left.slice(count + 1);
      refused++;
      if (left.length === 0) return refused;
    }
  }

  /** Asks Xen for frames for at most RESERVATION_MAX pages that have none. @returns how many have one now, from the first on */
  take(pfns: readonly number[]): number {
    if (pfns.length === 0) return 0;
    const { count, at } = this.#reserve(XENMEM_populate_physmap, pfns);
    const given = Math.max(0, count);
    for (let i = 0; i < given; i++) {
      this.setMfn(pfns[i] as number, ldI64(this.ops.cpu.memory, at + 8 * i));
    }
    return given;
  }

  /** A frame of the domain's that is in neither table is the frame of a page that had none. */
  assign(pfn: number, mfn: number): void {
    const { cpu, args } = this.ops;
    this.setMfn(pfn, mfn);
    const request = args.at(mmu_update);
    st64(cpu.memory, request.address, mfn * PAGE_SIZE + MMU_MACHPHYS_UPDATE);
    st64(cpu.memory, request.address + mmu_update.offset.val, pfn);
    const rc = cpu.hypercall(__HYPERVISOR_mmu_update, request.address, 1, 0, DOMID_SELF);
    kassert(rc === 0, `pmap: the M2P does not take frame ${mfn}: error ${-rc}`);
  }

  /** A page has another frame, or none (INVALID_P2M_ENTRY). */
  setMfn(pfn: number, mfn: number): void {
    const { nr_pages, xpmap_phys_to_machine_mapping } = this.ops.d;
    kassert(pfn < nr_pages, `pmap: expected a pfn below ${nr_pages}, found ${pfn}`);
    st64(this.ops.cpu.memory, xpmap_phys_to_machine_mapping + 8 * pfn, mfn);
  }

  /** memory_op with a list of pfns or frames. @returns how many extents were done, and where the list is */
  #reserve(command: number, list: readonly number[]): { count: number; at: number } {
    const { cpu, args } = this.ops;
    const op = args.at(xen_memory_reservation);
    const at = args.words(xen_memory_reservation.size, 8 * list.length);
    list.forEach((value, i) => {
      st64(cpu.memory, at + 8 * i, value);
    });
    op.extent_start = at;
    op.nr_extents = list.length;
    op.domid = DOMID_SELF;
    const count = cpu.hypercall(__HYPERVISOR_memory_op, command, op.address);
    cpu.spend(list.length * PAGE_NS);
    return { count, at };
  }
}
