/*
 * Address spaces of programs (uvm_map.c): a few ranges each, of anonymous memory or of pages of the kernel's own that are shown
 * read-only (a program's text). Anonymous memory has an amap, an array with the anon of every page that was touched.
 *
 *     vmspace ─ entries ─┬─ [start, end) object  → kernel pages
 *                        └─ [start, end) amap    → | anon | 0 | anon | … |
 */
import { type Cpu, VM_MAXUSER_ADDRESS } from '@port-xen/kern';
import type { Anons } from './uvm-anon.ts';
import {
  type MapEntry,
  ME_USED,
  ME_WRITE,
  NMAPENTRY,
  NVMSPACE,
  PAGE_SIZE,
  uvm_data,
  type Vmspace,
  vmspace,
} from './uvm-data.ts';
import type { UvmPmap } from './uvm-kernel.ts';
import type { KernelMap } from './uvm-km.ts';
import type { Pages } from './uvm-page.ts';

/** Where mmap looks for room. */
const MMAP_BASE = 2 ** 32;
/** Page tables that an amap may need beyond its own pages. */
const AMAP_SPARE = 4;
/** Pages that a new address space has to have at hand: page tables, a stack, amaps. */
export const SPACE_SPARE = 16;

const trunc = (va: number): number => Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
const amapPages = (pages: number): number => Math.ceil((4 * pages) / PAGE_SIZE);

export class Maps {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pmap: UvmPmap;
  readonly pages: Pages;
  readonly km: KernelMap;
  readonly anons: Anons;

  constructor(cpu: Cpu, data: number, pmap: UvmPmap, pages: Pages, km: KernelMap, anons: Anons) {
    this.cpu = cpu;
    this.data = data;
    this.pmap = pmap;
    this.pages = pages;
    this.km = km;
    this.anons = anons;
  }

  at(address: number): Vmspace {
    return vmspace.at(this.cpu.memory, address);
  }

  /** Every address space that has page tables. */
  spaces(): Vmspace[] {
    const { spaces } = uvm_data.at(this.cpu.memory, this.data);
    const used: Vmspace[] = [];
    for (let i = 0; i < NVMSPACE; i++) {
      const vm = spaces.at(i);
      if (vm.vm_used !== 0 && vm.vm_pmap !== 0) used.push(vm);
    }
    return used;
  }

  /** uvmspace_alloc. @returns its address, 0 when there is no room or no memory for its page tables */
  create(): number {
    const { spaces } = uvm_data.at(this.cpu.memory, this.data);
    if (!this.pages.canSpare(SPACE_SPARE)) return 0;
    for (let i = 0; i < NVMSPACE; i++) {
      const vm = spaces.at(i);
      if (vm.vm_used !== 0) continue;
      this.cpu.memory.write(vm.address, new Uint8Array(vmspace.size));
      vm.vm_pmap = this.pmap.users.create();
      if (vm.vm_pmap === 0) return 0;
      vm.vm_used = 1;
      return vm.address;
    }
    return 0;
  }

  /** The entries in use. */
  entries(vm: Vmspace): MapEntry[] {
    const used: MapEntry[] = [];
    for (let i = 0; i < NMAPENTRY; i++) {
      const e = vm.vm_entries.at(i);
      if (e.me_flags !== 0) used.push(e);
    }
    return used;
  }

  /** uvm_map_lookup_entry. */
  lookup(vm: Vmspace, va: number): MapEntry | undefined {
    return this.entries(vm).find((e) => va >= e.me_start && va < e.me_end);
  }

  /** An entry of anonymous memory without an amap. @returns undefined when there is no room for one */
  newEntry(vm: Vmspace, start: number, end: number, flags: number): MapEntry | undefined {
    for (let i = 0; i < NMAPENTRY; i++) {
      const e = vm.vm_entries.at(i);
      if (e.me_flags !== 0) continue;
      e.me_start = start;
      e.me_end = end;
      e.me_flags = ME_USED | flags;
      e.me_amap = 0;
      e.me_amap_pages = 0;
      e.me_object = -1;
      return e;
    }
    return undefined;
  }

  /** Kernel pages that a range of so many pages takes. */
  costOf(pages: number): number {
    return amapPages(pages) + AMAP_SPARE;
  }

  /** Gives an entry an empty amap. @returns false when there is no memory for it */
  addAmap(e: MapEntry): boolean {
    const pages = amapPages((e.me_end - e.me_start) / PAGE_SIZE);
    if (!this.pages.canSpare(pages + AMAP_SPARE)) return false;
    e.me_amap = this.km.kmAlloc(pages);
    e.me_amap_pages = pages;
    return true;
  }

  /** uvm_map of zero-filled memory. @returns false when there is no room, no memory, or something there */
  mapAnon(vm: Vmspace, start: number, pages: number): boolean {
    const end = start + pages * PAGE_SIZE;
    if (!this.#isFree(vm, start, end)) return false;
    const e = this.newEntry(vm, start, end, ME_WRITE);
    if (e === undefined) return false;
    if (this.addAmap(e)) return true;
    e.me_flags = 0;
    return false;
  }

  /** uvm_map of kernel pages from physical address `pa` on, read-only. */
  mapObject(vm: Vmspace, start: number, pages: number, pa: number): boolean {
    const e = this.newEntry(vm, start, start + pages * PAGE_SIZE, 0);
    if (e === undefined) return false;
    e.me_object = pa;
    return true;
  }

  #isFree(vm: Vmspace, start: number, end: number): boolean {
    if (start < PAGE_SIZE || end > VM_MAXUSER_ADDRESS) return false;
    return this.entries(vm).every((e) => end <= e.me_start || start >= e.me_end);
  }

  /** uvm_findspace: the lowest room for so many pages. */
  findSpace(vm: Vmspace, pages: number): number {
    let start = MMAP_BASE;
    const above = this.entries(vm).filter((e) => e.me_end > MMAP_BASE);
    for (const e of above.sort((a, b) => a.me_start - b.me_start)) {
      if (start + pages * PAGE_SIZE <= e.me_start) break;
      start = Math.max(start, e.me_end);
    }
    return start;
  }

  /** The index of the anon behind a page of an entry, -1 for none. */
  anonAt(e: MapEntry, va: number): number {
    return this.cpu.memory.ld32(this.slotOf(e, va)) - 1;
  }

  setAnon(e: MapEntry, va: number, index: number): void {
    this.cpu.memory.st32(this.slotOf(e, va), index + 1);
  }

  /** Where the amap says which anon is behind an address. */
  slotOf(e: MapEntry, va: number): number {
    return e.me_amap + 4 * ((trunc(va) - e.me_start) / PAGE_SIZE);
  }

  /** The entry behind an address of a program that it may touch. */
  permitted(vm: Vmspace, va: number, write: boolean): MapEntry | undefined {
    const e = this.lookup(vm, va);
    return e !== undefined && write && (e.me_flags & ME_WRITE) === 0 ? undefined : e;
  }
}
