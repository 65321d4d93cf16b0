/*
 * Address spaces of programs (uvm_map.c): a few ranges each, of anonymous memory or of pages of the kernel's own that are shown
 * read-only (a program's text). Anonymous memory has an amap, an array with the anon of every page that was touched.
 *
 *     vmspace ─ entries ─┬─ [start, end) object  → kernel pages
 *                        └─ [start, end) amap    → | anon | 0 | anon | … |
 */
import { type Cpu, kassert, VM_MAXUSER_ADDRESS } from '@port-xen/kern';
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
import type { Pages } from './uvm-page.ts';

/** Where mmap looks for room. */
const MMAP_BASE = 2 ** 32;
/** Virtual time for each page that is looked at when a space is copied or given back. */
const PAGE_NS = 10;
/** Page tables that an amap may need beyond its own pages. */
const AMAP_SPARE = 4;
/** Pages that a new address space has to have at hand: page tables, a stack, amaps. */
const SPACE_SPARE = 16;

const trunc = (va: number): number => Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
const amapPages = (pages: number): number => Math.ceil((4 * pages) / PAGE_SIZE);

export class Maps {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pmap: UvmPmap;
  readonly pages: Pages;
  readonly anons: Anons;

  constructor(cpu: Cpu, data: number, pmap: UvmPmap, pages: Pages, anons: Anons) {
    this.cpu = cpu;
    this.data = data;
    this.pmap = pmap;
    this.pages = pages;
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

  #newEntry(vm: Vmspace, start: number, end: number, flags: number): MapEntry | undefined {
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
  #addAmap(e: MapEntry): boolean {
    const pages = amapPages((e.me_end - e.me_start) / PAGE_SIZE);
    if (!this.pages.canSpare(pages + AMAP_SPARE)) return false;
    e.me_amap = this.pages.kmAlloc(pages);
    e.me_amap_pages = pages;
    return true;
  }

  /** uvm_map of zero-filled memory. @returns false when there is no room, no memory, or something there */
  mapAnon(vm: Vmspace, start: number, pages: number): boolean {
    const end = start + pages * PAGE_SIZE;
    if (!this.#isFree(vm, start, end)) return false;
    const e = this.#newEntry(vm, start, end, ME_WRITE);
    if (e === undefined) return false;
    if (this.#addAmap(e)) return true;
    e.me_flags = 0;
    return false;
  }

  /** uvm_map of kernel pages from physical address `pa` on, read-only. */
  mapObject(vm: Vmspace, start: number, pages: number, pa: number): boolean {
    const e = this.#newEntry(vm, start, start + pages * PAGE_SIZE, 0);
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
    return this.cpu.memory.ld32(this.#slot(e, va)) - 1;
  }

  setAnon(e: MapEntry, va: number, index: number): void {
    this.cpu.memory.st32(this.#slot(e, va), index + 1);
  }

  #slot(e: MapEntry, va: number): number {
    return e.me_amap + 4 * ((trunc(va) - e.me_start) / PAGE_SIZE);
  }

  /**
   * Shares an entry with a new address space (uvmspace_fork): every page copy-on-write from now on, in both.
   * @returns false when there is no memory for it
   */
  share(from: Vmspace, e: MapEntry, to: Vmspace): boolean {
    const copy = this.#newEntry(to, e.me_start, e.me_end, e.me_flags & ME_WRITE);
    if (copy === undefined) return false;
    copy.me_object = e.me_object;
    if (e.me_object >= 0) return true;
    if (!this.#addAmap(copy)) {
      copy.me_flags = 0;
      return false;
    }
    this.pmap.users.protect(from.vm_pmap, e.me_start, e.me_end);
    for (let va = e.me_start; va < e.me_end; va += PAGE_SIZE) {
      const index = this.anonAt(e, va);
      if (index < 0) continue;
      this.anons.at(index).an_ref++;
      this.setAnon(copy, va, index);
    }
    this.cpu.spend(((e.me_end - e.me_start) / PAGE_SIZE) * PAGE_NS);
    return true;
  }

  /** The page tables of the spaces that have an anon: it is at the same address in all of them. */
  #pmapsOf(index: number): number[] {
    const { an_va } = this.anons.at(index);
    return this.spaces()
      .filter((vm) => {
        const e = this.lookup(vm, an_va);
        return e !== undefined && e.me_object < 0 && this.anonAt(e, an_va) === index;
      })
      .map((vm) => vm.vm_pmap);
  }

  /** Takes every mapping of an anon away, wherever it is. */
  unmapAnon(index: number): void {
    const { an_va } = this.anons.at(index);
    for (const pmap of this.#pmapsOf(index)) this.pmap.users.remove(pmap, an_va);
  }

  /** pmap_clear_reference, wherever an anon is. @returns whether anybody has used it since the last time */
  clearReference(index: number): boolean {
    const { an_va } = this.anons.at(index);
    let used = false;
    for (const pmap of this.#pmapsOf(index)) {
      used = this.pmap.users.clearReference(pmap, an_va) || used;
    }
    return used;
  }

  /** Splits an entry in two at an address within it. @returns false when there is no room or memory for the second */
  #clip(vm: Vmspace, e: MapEntry, at: number): boolean {
    const second = this.#newEntry(vm, at, e.me_end, e.me_flags & ME_WRITE);
    if (second === undefined) return false;
    if (e.me_object >= 0) second.me_object = e.me_object + (at - e.me_start);
    else if (this.#addAmap(second)) {
      const anons = new Uint8Array((4 * (e.me_end - at)) / PAGE_SIZE);
      this.cpu.memory.read(this.#slot(e, at), anons);
      this.cpu.memory.write(second.me_amap, anons);
      this.cpu.memory.write(this.#slot(e, at), new Uint8Array(anons.length));
    } else {
      second.me_flags = 0;
      return false;
    }
    e.me_end = at;
    return true;
  }

  /** uvm_unmap. @returns false when there is no memory to split an entry with */
  unmap(vm: Vmspace, start: number, end: number): boolean {
    for (const e of this.entries(vm)) {
      if (e.me_end <= start || e.me_start >= end) continue;
      if (e.me_end > end && !this.#clip(vm, e, end)) return false;
      if (e.me_start >= start) this.#dropEntry(vm, e, true);
      else {
        if (!this.#clip(vm, e, start)) return false;
        const rest = this.lookup(vm, start);
        if (rest !== undefined) this.#dropEntry(vm, rest, true);
      }
    }
    return true;
  }

  #dropEntry(vm: Vmspace, e: MapEntry, mapped: boolean): void {
    const { users } = this.pmap;
    for (let va = e.me_start; va < e.me_end; va += PAGE_SIZE) {
      const index = e.me_object >= 0 ? -1 : this.anonAt(e, va);
      if (mapped && (index >= 0 || e.me_object >= 0)) users.remove(vm.vm_pmap, va);
      if (index >= 0) this.anons.release(index);
    }
    this.cpu.spend(((e.me_end - e.me_start) / PAGE_SIZE) * PAGE_NS);
    if (e.me_amap !== 0) this.pages.kmFree(e.me_amap, e.me_amap_pages);
    e.me_flags = 0;
  }

  /** Takes the page tables from an address space that nobody runs in any more; its memory follows by {@link freeNext}. */
  retire(vm: Vmspace): void {
    kassert(vm.vm_pmap !== 0, 'uvm: an address space is retired twice');
    this.pmap.users.destroy(vm.vm_pmap);
    vm.vm_pmap = 0;
  }

  /** uvmspace_free, a range at a time. @returns false when nothing is left and the space can be used again */
  freeNext(vm: Vmspace): boolean {
    const e = this.entries(vm)[0];
    if (e !== undefined) {
      this.#dropEntry(vm, e, false);
      return true;
    }
    vm.vm_used = 0;
    return false;
  }

  /** The entry behind an address of a program that it may touch. */
  permitted(vm: Vmspace, va: number, write: boolean): MapEntry | undefined {
    const e = this.lookup(vm, va);
    return e !== undefined && write && (e.me_flags & ME_WRITE) === 0 ? undefined : e;
  }
}
