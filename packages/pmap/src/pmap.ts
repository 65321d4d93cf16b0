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
import {
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_update_va_mapping,
  _PAGE_PRESENT,
  DOMID_SELF,
  MACH2PHYS_VIRT_START,
  MMU_NORMAL_PT_UPDATE,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_UNPIN_TABLE,
  mmu_update,
  mmuext_op,
  start_info,
  UVMF_INVLPG,
} from '@port-xen/abi';
import { type Cpu, type HypercallArgs, KERNBASE, kassert } from '@port-xen/kern';
import { array, i32, i64, ldI64, struct, u32, type View } from '@port-xen/layout';
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
  userBits,
} from './pte.ts';

/** User address spaces at once. */
export const NPMAP = 16;
/** L4 slots that a user address space may use: text and data low, the stack high. */
const NTOP = 4;

const top = struct('pmap_top', { slot: i32, l3pa: i64 });

const pmap = struct('pmap', {
  pm_used: u32,
  pm_ntop: u32,
  /** Physical address of the L4. */
  pm_pdirpa: i64,
  pm_top: array(top, NTOP),
});

export const pmap_data = struct('pmap_data', {
  /** Virtual address of the P2M. */
  xpmap_phys_to_machine_mapping: i64,
  nr_pages: u32,
  /** Physical address of the kernel's L4. */
  kpm_pdirpa: i64,
  /** A kernel page at which a table that is not current is read. */
  window: i64,
  /** The user address space whose slots are in the kernel's L4; 0: none. */
  active: i64,
  pmaps: array(pmap, NPMAP),
});

export type UserPmap = View<typeof pmap>;

/** What the pmap needs of the kernel. */
export interface PmapKern {
  readonly args: HypercallArgs;
}

export class Pmap {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: PmapKern;

  constructor(cpu: Cpu, data: number, kern: PmapKern) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
  }

  get #d(): View<typeof pmap_data> {
    return pmap_data.at(this.cpu.memory, this.data);
  }

  /** xen_pmap_bootstrap: takes over the builder's tables. @param window a kernel page whose place can be used */
  bootstrap(si: View<typeof start_info>, window: number): void {
    const d = this.#d;
    d.nr_pages = si.nr_pages;
    d.kpm_pdirpa = ldI64(si.memory, si.address + start_info.offset.pt_base) - KERNBASE;
    d.xpmap_phys_to_machine_mapping = ldI64(si.memory, si.address + start_info.offset.mfn_list);
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
    const d = this.#d;
    const pfn = Math.floor(pa / PAGE_SIZE);
    kassert(pfn >= 0 && pfn < d.nr_pages, `pmap: expected a pfn below ${d.nr_pages}, found ${pfn}`);
    return ldI64(this.cpu.memory, d.xpmap_phys_to_machine_mapping + 8 * pfn);
  }

  /** xpmap_mtop: the physical address behind a machine frame. */
  paOf(mfn: number): number {
    return ldI64(this.cpu.memory, MACH2PHYS_VIRT_START + 8 * mfn) * PAGE_SIZE;
  }

  // Recursive slot.

  /** pmap_xen_resume: the kernel's L4 within itself, read-only. */
  mapRecursive(): void {
    const { kpm_pdirpa } = this.#d;
    this.#update(kpm_pdirpa, PDIR_SLOT_PTE, this.mfnOf(kpm_pdirpa), _PAGE_PRESENT);
  }

  /** pmap_xen_suspend: a same-level entry means nothing to the toolstack. Tables cannot be read from here on. */
  unmapRecursive(): void {
    this.#update(this.#d.kpm_pdirpa, PDIR_SLOT_PTE, 0, 0);
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
    this.#updateVa(va, pteLow(mfn, kernelBits(writable)), pteHigh(mfn));
  }

  /** As kenterMa, for an address whose tables are there: works while the recursive slot is not. */
  kreplaceMa(va: number, mfn: number, writable: boolean): void {
    this.#updateVa(va, pteLow(mfn, kernelBits(writable)), pteHigh(mfn));
  }

  /** pmap_kenter_pa. */
  kenterPa(va: number, pa: number, writable: boolean): void {
    this.kenterMa(va, this.mfnOf(pa), writable);
  }

  /** pmap_kremove: nothing is mapped at a kernel address any more. */
  kremove(va: number): void {
    this.#updateVa(va, 0, 0);
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
    return this.#walk(pmap.at(this.cpu.memory, pm), va);
  }

  #ensureKernelTables(va: number): void {
    for (let level = 4; level >= 2; level--) {
      const entry = this.#entryOf(va, level);
      if (entry !== undefined && (entry.low & _PAGE_PRESENT) !== 0) continue;
      const upper = level === 4 ? this.#d.kpm_pdirpa : this.#tablePa(va, level);
      this.#update(upper, slotOf(va, level), this.mfnOf(this.#newTable()), PG_TABLE);
    }
  }

  /** Physical address of the table of a level for a kernel address whose upper tables are there. */
  #tablePa(va: number, level: number): number {
    const entry = this.#entryOf(va, level + 1);
    kassert(entry !== undefined, 'pmap: expected the upper table');
    return this.paOf(pteMfn(entry.low, entry.high));
  }

  /** A zeroed page without any mapping, fit to become a table. @returns its physical address */
  #newTable(): number {
    const pfn = this.cpu.call(this.cpu.sym('uvm_pagealloc'));
    kassert(pfn >= 0, 'pmap: out of pages for page tables');
    this.clearPage(pfn * PAGE_SIZE);
    return pfn * PAGE_SIZE;
  }

  /** Zeroes a page that nothing maps writable as a table. */
  clearPage(pa: number): void {
    this.#ext(MMUEXT_CLEAR_PAGE, this.mfnOf(pa));
  }

  // User address spaces.

  /** pmap_create: an empty user address space. @returns undefined when there is no room */
  create(): UserPmap | undefined {
    const d = this.#d;
    for (let i = 0; i < NPMAP; i++) {
      const pm = d.pmaps.at(i);
      if (pm.pm_used !== 0) continue;
      this.cpu.memory.write(pm.address, new Uint8Array(pmap.size));
      pm.pm_used = 1;
      pm.pm_pdirpa = this.#newTable();
      this.#ext(MMUEXT_PIN_L4_TABLE, this.mfnOf(pm.pm_pdirpa));
      return pm;
    }
    return undefined;
  }

  /** pmap_enter: maps a page into a user address space. */
  enter(pm: UserPmap, va: number, pa: number, writable: boolean): void {
    let table = this.#l3Of(pm, va);
    for (let level = 3; level >= 2; level--) {
      const entry = this.#read(table, slotOf(va, level));
      if ((entry.low & _PAGE_PRESENT) !== 0) {
        table = this.paOf(pteMfn(entry.low, entry.high));
        continue;
      }
      const next = this.#newTable();
      this.#update(table, slotOf(va, level), this.mfnOf(next), PG_TABLE);
      table = next;
    }
    this.#update(table, slotOf(va, 1), this.mfnOf(pa), userBits(writable));
  }

  /** The L3 for an address, made when missing and noted, so that the kernel's L4 can be given it. */
  #l3Of(pm: UserPmap, va: number): number {
    const slot = slotOf(va, 4);
    for (let i = 0; i < pm.pm_ntop; i++) {
      const t = pm.pm_top.at(i);
      if (t.slot === slot) return t.l3pa;
    }
    kassert(pm.pm_ntop < NTOP, `pmap: expected at most ${NTOP} L4 slots in a user address space`);
    const t = pm.pm_top.at(pm.pm_ntop++);
    t.slot = slot;
    t.l3pa = this.#newTable();
    this.#update(pm.pm_pdirpa, slot, this.mfnOf(t.l3pa), PG_TABLE);
    if (this.#d.active === pm.address) this.#sync(pm);
    return t.l3pa;
  }

  /** Walks tables that may not be current. @returns the machine frame, -1 when none */
  #walk(pm: UserPmap, va: number): number {
    const slot = slotOf(va, 4);
    for (let i = 0; i < pm.pm_ntop; i++) {
      const t = pm.pm_top.at(i);
      if (t.slot !== slot) continue;
      let table = t.l3pa;
      for (let level = 3; ; level--) {
        const entry = this.#read(table, slotOf(va, level));
        if ((entry.low & _PAGE_PRESENT) === 0) return -1;
        const mfn = pteMfn(entry.low, entry.high);
        if (level === 1) return mfn;
        table = this.paOf(mfn);
      }
    }
    return -1;
  }

  /** pmap_activate: the user's slots in the kernel's L4 (xen_kpm_sync), and the user's own L4. */
  activate(address: number): void {
    const d = this.#d;
    const pm = pmap.at(this.cpu.memory, address);
    if (d.active !== address) {
      if (d.active !== 0) this.#unsync(pmap.at(this.cpu.memory, d.active));
      d.active = address;
      this.#sync(pm);
    }
    this.#ext(MMUEXT_NEW_USER_BASEPTR, this.mfnOf(pm.pm_pdirpa));
  }

  #sync(pm: UserPmap): void {
    for (let i = 0; i < pm.pm_ntop; i++) {
      const t = pm.pm_top.at(i);
      this.#update(this.#d.kpm_pdirpa, t.slot, this.mfnOf(t.l3pa), PG_TABLE);
    }
  }

  #unsync(pm: UserPmap): void {
    for (let i = 0; i < pm.pm_ntop; i++) {
      this.#update(this.#d.kpm_pdirpa, pm.pm_top.at(i).slot, 0, 0);
    }
  }

  /** pmap_destroy: every page and table of a user address space goes back to uvm. */
  destroy(address: number): void {
    const d = this.#d;
    const pm = pmap.at(this.cpu.memory, address);
    if (d.active === address) {
      this.#unsync(pm);
      d.active = 0;
      this.#ext(MMUEXT_NEW_USER_BASEPTR, 0);
    }
    this.#ext(MMUEXT_UNPIN_TABLE, this.mfnOf(pm.pm_pdirpa));
    for (let i = 0; i < pm.pm_ntop; i++) {
      const t = pm.pm_top.at(i);
      this.#update(pm.pm_pdirpa, t.slot, 0, 0);
      this.#freeTree(t.l3pa, 3);
    }
    this.#free(pm.pm_pdirpa);
    pm.pm_used = 0;
  }

  #freeTree(table: number, level: number): void {
    for (let slot = 0; slot < 512; slot++) {
      const entry = this.#read(table, slot);
      if ((entry.low & _PAGE_PRESENT) === 0) continue;
      const pa = this.paOf(pteMfn(entry.low, entry.high));
      // Nothing refers to the table any more: it is an ordinary page, and this an ordinary store.
      this.#update(table, slot, 0, 0);
      if (level > 1) this.#freeTree(pa, level - 1);
      else this.#free(pa);
    }
    this.#free(table);
  }

  #free(pa: number): void {
    this.cpu.call(this.cpu.sym('uvm_pagefree'), pa / PAGE_SIZE);
  }

  // Hypercalls.

  /** Reads an entry of any table through the window. */
  #read(table: number, slot: number): { low: number; high: number } {
    const { window } = this.#d;
    this.#updateVa(
      window,
      pteLow(this.mfnOf(table), kernelBits(false)),
      pteHigh(this.mfnOf(table)),
    );
    const { memory } = this.cpu;
    return { low: memory.ld32(window + 8 * slot), high: memory.ld32(window + 8 * slot + 4) };
  }

  /** mmu_update of one entry: slot of the table at a physical address := (mfn, bits). */
  #update(table: number, slot: number, mfn: number, bits: number): void {
    const request = this.kern.args.at(mmu_update);
    request.ptr = this.mfnOf(table) * PAGE_SIZE + 8 * slot + MMU_NORMAL_PT_UPDATE;
    const at = request.address + mmu_update.offset.val;
    this.cpu.memory.st32(at, pteLow(mfn, bits));
    this.cpu.memory.st32(at + 4, pteHigh(mfn));
    const rc = this.cpu.hypercall(__HYPERVISOR_mmu_update, request.address, 1, 0, DOMID_SELF);
    kassert(rc === 0, `mmu_update of slot ${slot} failed: error ${-rc}`);
  }

  #updateVa(va: number, low: number, high: number): void {
    const rc = this.cpu.hypercallPte(__HYPERVISOR_update_va_mapping, va, low, high, UVMF_INVLPG);
    kassert(rc === 0, `update_va_mapping failed: error ${-rc}`);
  }

  #ext(command: number, mfn: number): void {
    const op = this.kern.args.at(mmuext_op);
    op.cmd = command;
    this.cpu.memory.st32(op.address + 8, mfn);
    const rc = this.cpu.hypercall(__HYPERVISOR_mmuext_op, op.address, 1, 0, DOMID_SELF);
    kassert(rc === 0, `mmuext_op ${command} of frame ${mfn} failed: error ${-rc}`);
  }
}
