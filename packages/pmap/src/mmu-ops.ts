/*
 * How a PV guest changes its page tables: by hypercalls, each entry named by the machine address at which it stands. And how
 * it looks at a table: through a window, a kernel address at which the table is mapped read-only.
 */
import {
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_update_va_mapping,
  DOMID_SELF,
  MACH2PHYS_VIRT_START,
  MMU_NORMAL_PT_UPDATE,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_TLB_FLUSH_LOCAL,
  mmu_update,
  mmuext_op,
  UVMF_INVLPG,
} from '@port-xen/abi';
import { type Cpu, type HypercallArgs, kassert } from '@port-xen/kern';
import { ldI64, st64, type View } from '@port-xen/layout';
import { pmap_data } from './pmap-data.ts';
import { kernelBits, PAGE_SIZE, pteHigh, pteLow } from './pte.ts';

/** Entries that one hypercall changes. */
const BATCH = PAGE_SIZE / mmu_update.size;

/** An entry of a table as it stands. */
export interface Pte {
  readonly slot: number;
  readonly low: number;
  readonly high: number;
}

export class MmuOps {
  readonly cpu: Cpu;
  readonly args: HypercallArgs;
  readonly data: number;

  constructor(cpu: Cpu, args: HypercallArgs, data: number) {
    this.cpu = cpu;
    this.args = args;
    this.data = data;
  }

  get d(): View<typeof pmap_data> {
    return pmap_data.at(this.cpu.memory, this.data);
  }

  /** xpmap_ptom: the machine frame behind a physical address; -1 when there is none. */
  mfnOf(pa: number): number {
    const { d } = this;
    const pfn = Math.floor(pa / PAGE_SIZE);
    kassert(pfn >= 0 && pfn < d.nr_pages, `pmap: expected a pfn below ${d.nr_pages}, found ${pfn}`);
    return ldI64(this.cpu.memory, d.xpmap_phys_to_machine_mapping + 8 * pfn);
  }

  /** xpmap_mtop: the physical address behind a machine frame. */
  paOf(mfn: number): number {
    return ldI64(this.cpu.memory, MACH2PHYS_VIRT_START + 8 * mfn) * PAGE_SIZE;
  }

  /** Sets a slot of the table at a physical address to (mfn, bits). */
  update(table: number, slot: number, mfn: number, bits: number): void {
    this.updateAll(table, [{ slot, low: pteLow(mfn, bits), high: pteHigh(mfn) }]);
  }

  /** Sets slots of the table at a physical address. */
  updateAll(table: number, entries: readonly Pte[]): void {
    const { memory } = this.cpu;
    const base = this.mfnOf(table) * PAGE_SIZE + MMU_NORMAL_PT_UPDATE;
    for (let from = 0; from < entries.length; from += BATCH) {
      const some = entries.slice(from, from + BATCH);
      const requests = this.args.words(0, some.length * mmu_update.size);
      some.forEach(({ slot, low, high }, i) => {
        const request = requests + i * mmu_update.size;
        st64(memory, request, base + 8 * slot);
        memory.st32(request + mmu_update.offset.val, low);
        memory.st32(request + mmu_update.offset.val + 4, high);
      });
      const rc = this.cpu.hypercall(__HYPERVISOR_mmu_update, requests, some.length, 0, DOMID_SELF);
      kassert(rc === 0, `mmu_update of slot ${some[0]?.slot} failed: error ${-rc}`);
    }
  }

  /** Sets the level-1 entry of a current address whose tables are there. */
  updateVa(va: number, low: number, high: number): void {
    const rc = this.cpu.hypercallPte(__HYPERVISOR_update_va_mapping, va, low, high, UVMF_INVLPG);
    kassert(rc === 0, `update_va_mapping failed: error ${-rc}`);
  }

  /** As updateVa. @returns false, nothing changed, when Xen does not take it */
  tryUpdateVa(va: number, low: number, high: number): boolean {
    return this.cpu.hypercallPte(__HYPERVISOR_update_va_mapping, va, low, high, UVMF_INVLPG) === 0;
  }

  /** An extended operation on a machine frame; 0 is none. */
  ext(command: number, mfn: number, source = 0): void {
    const op = this.args.at(mmuext_op);
    op.cmd = command;
    st64(this.cpu.memory, op.address + mmuext_op.offset.arg1, mfn);
    st64(this.cpu.memory, op.address + mmuext_op.offset.arg2, source);
    const rc = this.cpu.hypercall(__HYPERVISOR_mmuext_op, op.address, 1, 0, DOMID_SELF);
    kassert(rc === 0, `mmuext_op ${command} of frame ${mfn} failed: error ${-rc}`);
  }

  /** What the processor remembers of an address is forgotten. */
  invalidate(va: number): void {
    this.ext(MMUEXT_INVLPG_LOCAL, va);
  }

  /** Everything that the processor remembers is forgotten. */
  flush(): void {
    this.ext(MMUEXT_TLB_FLUSH_LOCAL, 0);
  }

  /** Maps any table where it can be read until the next one is. @returns its address */
  look(table: number): number {
    const { window } = this.d;
    const mfn = this.mfnOf(table);
    this.updateVa(window, pteLow(mfn, kernelBits(false)), pteHigh(mfn));
    return window;
  }

  /** No table is looked at any more: the last one may be a page that is given away. */
  closeWindow(): void {
    this.updateVa(this.d.window, 0, 0);
  }

  /** An entry of any table. */
  read(table: number, slot: number): Pte {
    const at = this.look(table) + 8 * slot;
    return { slot, low: this.cpu.memory.ld32(at), high: this.cpu.memory.ld32(at + 4) };
  }

  /** A zeroed page without any mapping, fit to become a table. @returns its physical address */
  newTable(): number {
    const pfn = this.cpu.call(this.cpu.sym('uvm_pagealloc'));
    kassert(pfn >= 0, 'pmap: out of pages for page tables');
    this.clearPage(pfn * PAGE_SIZE);
    return pfn * PAGE_SIZE;
  }

  /** Zeroes a page that nothing maps writable as a table. */
  clearPage(pa: number): void {
    this.ext(MMUEXT_CLEAR_PAGE, this.mfnOf(pa));
  }

  /**
   * A page that was a table is nobody's again. Xen calls it a table until it is used for something else, and the toolstack would
   * save it as one: nothing must stand in it.
   */
  freeTable(pa: number): void {
    this.clearPage(pa);
    this.cpu.call(this.cpu.sym('uvm_pagefree'), pa / PAGE_SIZE);
  }
}
