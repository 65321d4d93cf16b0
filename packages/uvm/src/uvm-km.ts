/*
 * Kernel memory (uvm_km.c): wired pages at addresses of the kernel map, and addresses alone.
 *
 *     VM_MIN_KERNEL_ADDRESS | in use | free extent | in use | … | kernel_next: never given out
 *
 * Addresses come from the first extent that is long enough. What is given back is joined with the extents next to it.
 */
import { kassert } from '@port-xen/kern';
import { FREE_STACK, NEXTENT, PAGE_SIZE } from './uvm-data.ts';
import type { UvmPmap } from './uvm-kernel.ts';
import type { Pages } from './uvm-page.ts';

export class KernelMap {
  readonly pages: Pages;
  readonly pmap: UvmPmap;

  constructor(pages: Pages, pmap: UvmPmap) {
    this.pages = pages;
    this.pmap = pmap;
  }

  /** uvm_km_alloc(UVM_KMF_WIRED | UVM_KMF_ZERO). @returns the address of `pages` zeroed pages in a row */
  kmAlloc(pages: number): number {
    const va = this.kmAllocVa(pages);
    for (let i = 0; i < pages; i++) this.kmEnter(va + i * PAGE_SIZE);
    return va;
  }

  /** Puts a zeroed page at a kernel address. */
  kmEnter(va: number): void {
    const pfn = this.pages.pageAlloc();
    kassert(pfn >= 0, 'uvm: out of memory for kernel pages');
    this.pmap.clearPage(pfn * PAGE_SIZE);
    this.pmap.kenterPa(va, pfn * PAGE_SIZE, true);
  }

  /** uvm_km_free. */
  kmFree(va: number, pages: number): void {
    for (let i = 0; i < pages; i++) {
      const pa = this.pmap.extract(0, va + i * PAGE_SIZE);
      kassert(pa >= 0, 'uvm: expected a mapped kernel page');
      this.pmap.kremove(va + i * PAGE_SIZE);
      this.pages.pageFree(pa / PAGE_SIZE);
    }
    this.#freeVa(va, pages);
  }

  /** uvm_km_alloc(UVM_KMF_VAONLY): addresses without pages, from the first extent that is long enough. */
  kmAllocVa(pages: number): number {
    const { d } = this.pages;
    for (let i = 0; i < d.nextent; i++) {
      const e = d.extents.at(i);
      if (e.pages < pages) continue;
      const { va } = e;
      e.va = va + pages * PAGE_SIZE;
      e.pages -= pages;
      if (e.pages === 0) this.#dropExtent(i);
      return va;
    }
    const va = d.kernel_next;
    d.kernel_next = va + pages * PAGE_SIZE;
    kassert(d.kernel_next <= FREE_STACK, 'uvm: the kernel map is full');
    return va;
  }

  /** Joins what is freed with the extents next to it. When the table is full, the addresses are lost. */
  #freeVa(start: number, count: number): void {
    const { d } = this.pages;
    let va = start;
    let pages = count;
    for (let i = d.nextent - 1; i >= 0; i--) {
      const e = d.extents.at(i);
      if (e.va + e.pages * PAGE_SIZE !== va && va + pages * PAGE_SIZE !== e.va) continue;
      va = Math.min(va, e.va);
      pages += e.pages;
      this.#dropExtent(i);
    }
    if (va + pages * PAGE_SIZE === d.kernel_next) {
      d.kernel_next = va;
      return;
    }
    if (d.nextent === NEXTENT) return;
    const e = d.extents.at(d.nextent++);
    e.va = va;
    e.pages = pages;
  }

  #dropExtent(i: number): void {
    const { d } = this.pages;
    const last = d.extents.at(--d.nextent);
    const e = d.extents.at(i);
    e.va = last.va;
    e.pages = last.pages;
  }
}
