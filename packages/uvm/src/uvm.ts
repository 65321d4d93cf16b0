/*
 * Physical pages and kernel memory (sys/uvm). uvm knows only pseudo-physical frames, so a restore changes nothing here.
 *
 *     pfn 0 … low_end            free at boot (below the kernel)
 *     low_end … first            kernel image, P2M, start_info, page tables, boot stack
 *     first … nr_pages           free at boot
 *
 *     avail    ranges that were never given out, taken from below
 *     stack    pages that came back, a stack of u32 in kernel memory that grows with its content
 *
 *     VM_MIN_KERNEL_ADDRESS …    kernel map: addresses given out from below, freed extents kept in a table
 */
import { type Cpu, KERNBASE, kassert } from '@port-xen/kern';
import { array, i64, struct, u32, type View } from '@port-xen/layout';

const PAGE_SIZE = 4096;
/** L4 slot 320. */
export const VM_MIN_KERNEL_ADDRESS = -0x6000_0000_0000;
/** Kernel memory that the map may hold, bytes. */
const KERNEL_MAP_SIZE = 2 ** 32;
/** Where the stack of free pages lies: above the map. */
const FREE_STACK = VM_MIN_KERNEL_ADDRESS + KERNEL_MAP_SIZE;
const NEXTENT = 64;

const extent = struct('uvm_extent', { va: i64, pages: u32 });

export const uvm_data = struct('uvm_data', {
  /** The next page never given out, and the end of its range. */
  avail_next: u32,
  avail_end: u32,
  /** The range after that one. */
  avail2_next: u32,
  avail2_end: u32,
  /** Pages on the stack, and how many it has room for. */
  nfree: u32,
  free_room: u32,
  /** Pages in use by somebody. */
  used: u32,
  kernel_next: i64,
  nextent: u32,
  extents: array(extent, NEXTENT),
});

/** What uvm needs of the pmap. */
export interface UvmPmap {
  kenterPa(va: number, pa: number, writable: boolean): void;
  kremove(va: number): void;
  extract(pmap: number, va: number): number;
  isMapped(va: number): boolean;
  clearPage(pa: number): void;
}

export class Uvm {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pmap: UvmPmap;

  constructor(cpu: Cpu, data: number, pmap: UvmPmap) {
    this.cpu = cpu;
    this.data = data;
    this.pmap = pmap;
  }

  get #d(): View<typeof uvm_data> {
    return uvm_data.at(this.cpu.memory, this.data);
  }

  /**
   * uvm_page_physload: says which pages are free at boot. The builder mapped some of them; a page with a writable mapping
   * cannot become a page table, so these are unmapped by {@link unmapFree} once tables can be read.
   * @param lowEnd pfns [0, lowEnd) are free @param first pfns [first, end) are free
   */
  physload(lowEnd: number, first: number, end: number): void {
    const d = this.#d;
    d.avail_next = first;
    d.avail_end = end;
    d.avail2_next = 0;
    d.avail2_end = lowEnd;
    d.kernel_next = VM_MIN_KERNEL_ADDRESS;
  }

  /** Takes away the builder's mappings of free pages; they lie at KERNBASE + pa. */
  unmapFree(): void {
    const d = this.#d;
    for (const [from, to] of [
      [d.avail2_next, d.avail2_end],
      [d.avail_next, d.avail_end],
    ] as const) {
      for (let pfn = from; pfn < to && this.pmap.isMapped(KERNBASE + pfn * PAGE_SIZE); pfn++) {
        this.pmap.kremove(KERNBASE + pfn * PAGE_SIZE);
      }
    }
  }

  /** Free pages. */
  get free(): number {
    const d = this.#d;
    return d.nfree + (d.avail_end - d.avail_next) + (d.avail2_end - d.avail2_next);
  }

  /** uvm_pagealloc: a page, its content unspecified. @returns its pfn, -1 when there is none */
  pageAlloc(): number {
    const d = this.#d;
    if (d.nfree > 0) {
      d.nfree--;
      d.used++;
      return this.cpu.memory.ld32(FREE_STACK + 4 * d.nfree);
    }
    if (d.avail_next < d.avail_end) {
      d.used++;
      return d.avail_next++;
    }
    if (d.avail2_next < d.avail2_end) {
      d.used++;
      return d.avail2_next++;
    }
    return -1;
  }

  /** uvm_pagefree. When the stack has no room for the page, the page becomes its room. */
  pageFree(pfn: number): void {
    const d = this.#d;
    d.used--;
    if (d.nfree === d.free_room) {
      this.pmap.kenterPa(FREE_STACK + 4 * d.free_room, pfn * PAGE_SIZE, true);
      d.free_room += PAGE_SIZE / 4;
      return;
    }
    this.cpu.memory.st32(FREE_STACK + 4 * d.nfree, pfn);
    d.nfree++;
  }

  /** uvm_km_alloc(UVM_KMF_WIRED | UVM_KMF_ZERO). @returns the address of `pages` zeroed pages in a row */
  kmAlloc(pages: number): number {
    const va = this.kmAllocVa(pages);
    for (let i = 0; i < pages; i++) {
      const pfn = this.pageAlloc();
      kassert(pfn >= 0, `uvm: out of memory for ${pages} kernel pages`);
      this.pmap.clearPage(pfn * PAGE_SIZE);
      this.pmap.kenterPa(va + i * PAGE_SIZE, pfn * PAGE_SIZE, true);
    }
    return va;
  }

  /** uvm_km_free. */
  kmFree(va: number, pages: number): void {
    for (let i = 0; i < pages; i++) {
      const pa = this.pmap.extract(0, va + i * PAGE_SIZE);
      kassert(pa >= 0, 'uvm: expected a mapped kernel page');
      this.pmap.kremove(va + i * PAGE_SIZE);
      this.pageFree(pa / PAGE_SIZE);
    }
    const d = this.#d;
    if (d.nextent === NEXTENT) return;
    const e = d.extents.at(d.nextent++);
    e.va = va;
    e.pages = pages;
  }

  /** uvm_km_alloc(UVM_KMF_VAONLY): addresses without pages. */
  kmAllocVa(pages: number): number {
    const d = this.#d;
    for (let i = 0; i < d.nextent; i++) {
      const e = d.extents.at(i);
      if (e.pages !== pages) continue;
      const { va } = e;
      const last = d.extents.at(--d.nextent);
      e.va = last.va;
      e.pages = last.pages;
      return va;
    }
    const va = d.kernel_next;
    d.kernel_next = va + pages * PAGE_SIZE;
    kassert(d.kernel_next <= FREE_STACK, 'uvm: the kernel map is full');
    return va;
  }
}
