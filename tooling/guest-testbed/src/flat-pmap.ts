/*
 * Memory without a pmap and without uvm: the pages that the domain builder mapped at KERNBASE + pa, and sixteen of them
 * a second time where a user's would be. Machine frames are read from the P2M each time, so that a restore needs nothing.
 */
import {
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_update_va_mapping,
  _PAGE_ACCESSED,
  _PAGE_DIRTY,
  _PAGE_PRESENT,
  _PAGE_RW,
  _PAGE_USER,
  arch_shared_info,
  DOMID_SELF,
  MACH2PHYS_VIRT_START,
  mmu_update,
  shared_info,
  start_info,
  UVMF_INVLPG,
} from '@port-xen/abi';
import { type Cpu, type HypercallArgs, KERNBASE, kassert, PAGE_SIZE } from '@port-xen/kern';
import { ldI64, st64, type View } from '@port-xen/layout';
import { test_data, test_pages, USER_PAGES } from './test-data.ts';

/** Where user addresses start. */
export const USER_BASE = 0x40_0000;
const USER_END = USER_BASE + USER_PAGES * PAGE_SIZE;
const KERNEL_PAGE = _PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_RW | _PAGE_DIRTY;
const USER_PAGE = KERNEL_PAGE | _PAGE_USER;
const PER_PAGE = PAGE_SIZE / 8;

/** Stands in for the pmap. */
export class FlatPmap {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pages: number;
  readonly args: HypercallArgs;

  constructor(cpu: Cpu, data: number, pages: number, args: HypercallArgs) {
    this.cpu = cpu;
    this.data = data;
    this.pages = pages;
    this.args = args;
  }

  get #d(): View<typeof test_data> {
    return test_data.at(this.cpu.memory, this.data);
  }

  #page(name: keyof typeof test_pages.offset): number {
    return this.pages + test_pages.offset[name];
  }

  /** Where the P2M is. */
  get p2m(): number {
    return this.#d.p2m;
  }

  /** Pseudo-physical pages of this domain. */
  get nrPages(): number {
    return this.#d.nr_pages;
  }

  /** xpmap_ptom. */
  mfnOf(pa: number): number {
    return ldI64(this.cpu.memory, this.#d.p2m + 8 * Math.floor(pa / PAGE_SIZE));
  }

  /** xpmap_mtop. */
  paOf(mfn: number): number {
    return ldI64(this.cpu.memory, MACH2PHYS_VIRT_START + 8 * mfn) * PAGE_SIZE;
  }

  /** pmap_extract, whatever the address space is. @returns -1 when nothing is mapped */
  extract(_pmap: number, va: number): number {
    if (va >= USER_BASE && va < USER_END) return this.#page('user') - KERNBASE + va - USER_BASE;
    return va >= KERNBASE && va < 0 ? va - KERNBASE : -1;
  }

  /** pmap_kenter_ma. */
  kenterMa(va: number, mfn: number, writable: boolean): void {
    const bits = writable ? KERNEL_PAGE : _PAGE_PRESENT | _PAGE_ACCESSED;
    this.#updateVa(va, (mfn << 12) | bits, mfn >>> 20);
  }

  /** pmap_kremove. */
  kremove(va: number): void {
    this.#updateVa(va, 0, 0);
  }

  #updateVa(va: number, low: number, high: number): void {
    const rc = this.cpu.hypercallPte(__HYPERVISOR_update_va_mapping, va, low, high, UVMF_INVLPG);
    kassert(rc === 0, `test kernel: update_va_mapping failed: error ${-rc}`);
  }

  /** Makes the user's pages, with tables of three of our own; a table must not be mapped writable. */
  mapUser(): void {
    const mfn = (name: keyof typeof test_pages.offset, page = 0): number =>
      this.mfnOf(this.#page(name) - KERNBASE + page * PAGE_SIZE);
    const { memory } = this.cpu;
    const enter = (table: number, slot: number, frame: number): void => {
      memory.st32(table + 8 * slot, (frame << 12) | USER_PAGE);
      memory.st32(table + 8 * slot + 4, frame >>> 20);
    };
    const l2Slot = USER_BASE / (PAGE_SIZE * PER_PAGE);
    for (let i = 0; i < USER_PAGES; i++) enter(this.#page('l1'), i, mfn('user', i));
    enter(this.#page('l2'), l2Slot, mfn('l1'));
    enter(this.#page('l3'), 0, mfn('l2'));
    for (const table of ['l1', 'l2', 'l3'] as const) this.kremove(this.#page(table));
    const si = start_info.at(memory, this.#d.start_info);
    const l4 = this.mfnOf(ldI64(memory, si.address + start_info.offset.pt_base) - KERNBASE);
    const request = this.args.at(mmu_update);
    request.ptr = l4 * PAGE_SIZE;
    const l3 = mfn('l3');
    memory.st32(request.address + mmu_update.offset.val, (l3 << 12) | USER_PAGE);
    memory.st32(request.address + mmu_update.offset.val + 4, l3 >>> 20);
    const rc = this.cpu.hypercall(__HYPERVISOR_mmu_update, request.address, 1, 0, DOMID_SELF);
    kassert(rc === 0, `test kernel: mmu_update failed: error ${-rc}`);
  }

  /** Says in shared_info where the P2M is, for the toolstack: at boot and after a restore. */
  publishP2m(sharedInfo: number): void {
    const { memory } = this.cpu;
    const { p2m, nr_pages } = this.#d;
    const list = this.#page('frame_list');
    const top = this.#page('frame_list_list');
    for (let leaf = 0; leaf * PER_PAGE < nr_pages; leaf++) {
      st64(memory, list + 8 * leaf, this.mfnOf(p2m + leaf * PAGE_SIZE - KERNBASE));
    }
    st64(memory, top, this.mfnOf(list - KERNBASE));
    const arch = arch_shared_info.at(memory, sharedInfo + shared_info.offset.arch);
    arch.pfn_to_mfn_frame_list_list = this.mfnOf(top - KERNBASE);
    arch.max_pfn = nr_pages;
  }
}
