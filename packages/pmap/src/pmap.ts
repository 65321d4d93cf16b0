/*
 * The pmap of a PV guest (sys/arch/xen/x86/xen_pmap.c, x86_xpmap.c).
 *
 *     va → pa     page tables, which hold machine frames: pa = M2P[mfn]
 *     pa → mfn    P2M, `xpmap_phys_to_machine_mapping`, an array of the guest's that the toolstack rewrites at restore
 *
 * Only page tables and the P2M hold machine frames. Everything here that outlives a macro-instruction is a pa. Page tables
 * are written by hypercalls and read through the recursive slot; tables that are not current are read through a window.
 *
 * The tables that the domain builder made for the kernel stay in use.
 */
import { _PAGE_PRESENT, MMUEXT_COPY_PAGE } from '@port-xen/abi';
import { type Cpu, type HypercallArgs, KERNBASE, kassert } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { MmuOps } from './mmu-ops.ts';
import type { pmap_data } from './pmap-data.ts';
import {
  entryAddress,
  kernelBits,
  PAGE_SIZE,
  PDIR_SLOT_PTE,
  PG_TABLE,
  pteHigh,
  pteLow,
  pteMfn,
  slotOf,
} from './pte.ts';
import { Reservation } from './reservation.ts';
import { UserPmaps } from './user-pmap.ts';

/** What the pmap needs of the kernel. */
export interface PmapKern {
  readonly args: HypercallArgs;
}

/** What start_info says of memory. */
export interface PmapStart {
  readonly nrPages: number;
  /** Kernel addresses of the page tables' base and of the P2M. */
  readonly ptBase: number;
  readonly mfnList: number;
}

export class Pmap {
  readonly cpu: Cpu;
  readonly ops: MmuOps;
  /** The address spaces of programs. */
  readonly users: UserPmaps;
  /** Pages without frames. */
  readonly reservation: Reservation;

  constructor(cpu: Cpu, data: number, kern: PmapKern) {
    this.cpu = cpu;
    this.ops = new MmuOps(cpu, kern.args, data);
    this.users = new UserPmaps(cpu, this.ops);
    this.reservation = new Reservation(this.ops);
  }

  get #d(): View<typeof pmap_data> {
    return this.ops.d;
  }

  /** xen_pmap_bootstrap: takes over the builder's tables. @param window a kernel page whose place can be used */
  bootstrap(start: PmapStart, window: number): void {
    const d = this.#d;
    d.nr_pages = start.nrPages;
    d.kpm_pdirpa = start.ptBase - KERNBASE;
    d.xpmap_phys_to_machine_mapping = start.mfnList;
    d.window = window;
    this.mapRecursive();
  }

  /** Pseudo-physical pages of this domain. */
  get nrPages(): number {
    return this.#d.nr_pages;
  }

  /** Where the P2M is. */
  get p2m(): number {
    return this.#d.xpmap_phys_to_machine_mapping;
  }

  /** xpmap_ptom: the machine frame behind a physical address; -1 when there is none. */
  mfnOf(pa: number): number {
    return this.ops.mfnOf(pa);
  }

  /** xpmap_mtop: the physical address behind a machine frame. */
  paOf(mfn: number): number {
    return this.ops.paOf(mfn);
  }

  // Recursive slot.

  /** pmap_xen_resume: the kernel's L4 within itself, read-only. */
  mapRecursive(): void {
    const { kpm_pdirpa } = this.#d;
    this.ops.update(kpm_pdirpa, PDIR_SLOT_PTE, this.mfnOf(kpm_pdirpa), _PAGE_PRESENT);
  }

  /**
   * pmap_xen_suspend. Tables cannot be read from here on. An L4 that names itself would travel; NetBSD clears such entries on all its
   * ports, because a restore cannot pin those of i386's tables.
   */
  unmapRecursive(): void {
    this.ops.update(this.#d.kpm_pdirpa, PDIR_SLOT_PTE, 0, 0);
  }

  // Kernel mappings.

  /** The entry of a level for a kernel or current user address, if the levels above are there. */
  #entryOf(va: number, level: number): { low: number; high: number } | undefined {
    for (let l = 4; l >= level; l--) {
      const address = entryAddress(va, l);
      const low = this.cpu.memory.ld32(address);
      if (l === level) return { low, high: this.cpu.memory.ld32(address + 4) };
      if ((low & _PAGE_PRESENT) === 0) return undefined;
    }
    return undefined;
  }

  /** The machine frame mapped at a kernel or current user address; -1 when none is. */
  #currentMfn(va: number): number {
    const pte = this.#entryOf(va, 1);
    return pte === undefined || (pte.low & _PAGE_PRESENT) === 0 ? -1 : pteMfn(pte.low, pte.high);
  }

  /** pmap_kenter_ma: maps a machine frame at a kernel address, whatever was there. */
  kenterMa(va: number, mfn: number, writable: boolean): void {
    this.#ensureKernelTables(va);
    this.ops.updateVa(va, pteLow(mfn, kernelBits(writable)), pteHigh(mfn));
  }

  /** As kenterMa, for an address whose tables are there: works while the recursive slot is not. */
  kreplaceMa(va: number, mfn: number, writable: boolean): void {
    this.ops.updateVa(va, pteLow(mfn, kernelBits(writable)), pteHigh(mfn));
  }

  /** As kreplaceMa, for a frame that somebody else names. @returns false, nothing changed, when Xen does not let it be mapped */
  tryReplaceMa(va: number, mfn: number, writable: boolean): boolean {
    return this.ops.tryUpdateVa(va, pteLow(mfn, kernelBits(writable)), pteHigh(mfn));
  }

  /** pmap_kenter_pa. */
  kenterPa(va: number, pa: number, writable: boolean): void {
    this.kenterMa(va, this.mfnOf(pa), writable);
  }

  /** pmap_kremove: nothing is mapped at a kernel address any more. */
  kremove(va: number): void {
    this.ops.updateVa(va, 0, 0);
  }

  /** Whether something is mapped at a kernel address. */
  isMapped(va: number): boolean {
    return this.#currentMfn(va) >= 0;
  }

  /** pmap_extract. @param pm 0 for the kernel @returns -1 when nothing is mapped */
  extract(pm: number, va: number): number {
    const mfn = this.extractMfn(pm, va);
    return mfn < 0 ? -1 : this.paOf(mfn) + (((va % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE);
  }

  /** pmap_extract_ma's frame. @param pm 0 for the kernel @returns -1 when nothing is mapped */
  extractMfn(pm: number, va: number): number {
    if (pm === 0 || pm === this.#d.active) return this.#currentMfn(va);
    return this.users.lookup(pm, va)?.mfn ?? -1;
  }

  #ensureKernelTables(va: number): void {
    for (let level = 4; level >= 2; level--) {
      const entry = this.#entryOf(va, level);
      if (entry !== undefined && (entry.low & _PAGE_PRESENT) !== 0) continue;
      const upper = level === 4 ? this.#d.kpm_pdirpa : this.#tablePa(va, level);
      this.ops.update(upper, slotOf(va, level), this.mfnOf(this.ops.newTable()), PG_TABLE);
    }
  }

  /** Physical address of the table of a level for a kernel address whose upper tables are there. */
  #tablePa(va: number, level: number): number {
    const entry = this.#entryOf(va, level + 1);
    kassert(entry !== undefined, 'pmap: expected the upper table');
    return this.paOf(pteMfn(entry.low, entry.high));
  }

  /** Zeroes a page that nothing maps writable as a table. */
  clearPage(pa: number): void {
    this.ops.clearPage(pa);
  }

  /** Copies a page. */
  copyPage(from: number, to: number): void {
    this.ops.ext(MMUEXT_COPY_PAGE, this.mfnOf(to), this.mfnOf(from));
  }
}
