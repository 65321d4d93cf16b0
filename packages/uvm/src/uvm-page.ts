/*
 * Physical pages (uvm_page.c). Only pseudo-physical frames are known here, so a restore changes
 * nothing.
 *
 *     pfn 0 … low_end            free at boot (below the kernel)
 *     low_end … first            kernel image, P2M, start_info, page tables, boot stack
 *     first … nr_pages           free at boot
 *
 *     avail    ranges that were never given out, taken from below
 *     stack    pages that came back, a stack of u32 in kernel memory that grows with its content
 *
 * Programs do not get the last pages: what gives pages back needs some itself.
 */
import { type Cpu, KERNBASE, kassert, type Sched } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { ANON_TABLE, FREE_STACK, PAGE_SIZE, uvm_data, VM_MIN_KERNEL_ADDRESS } from './uvm-data.ts';
import type { UvmPmap } from './uvm-kernel.ts';
import { Waiters } from './uvm-waiters.ts';

/** Pages that only the kernel is given. */
const RESERVE_KERNEL = 40;
const FREEMIN_MIN = 64;
/** Of all pages, the share below which the page daemon works. */
const FREEMIN_SHARE = 64;

export class Pages {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pmap: UvmPmap;
  readonly sched: Sched;
  readonly waiters: Waiters;

  constructor(cpu: Cpu, data: number, pmap: UvmPmap, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.pmap = pmap;
    this.sched = sched;
    this.waiters = new Waiters(cpu, data, sched);
  }

  get d(): View<typeof uvm_data>['pages'] {
    return uvm_data.at(this.cpu.memory, this.data).pages;
  }

  /**
   * uvm_page_physload: says which pages are free at boot. The builder mapped some of them; a page with a writable mapping
   * cannot become a page table, so these are unmapped by {@link unmapFree} once tables can be read.
   * @param lowEnd pfns [0, lowEnd) are free @param first pfns [first, end) are free
   */
  physload(lowEnd: number, first: number, end: number): void {
    const { d } = this;
    d.avail_next = first;
    d.avail_end = end;
    d.avail2_next = 0;
    d.avail2_end = lowEnd;
    d.kernel_next = VM_MIN_KERNEL_ADDRESS;
    d.freemin = Math.max(FREEMIN_MIN, Math.floor(end / FREEMIN_SHARE));
    d.freetarg = Math.floor((d.freemin * 3) / 2);
  }

  /** Takes away the builder's mappings of free pages; they lie at KERNBASE + pa. */
  unmapFree(): void {
    const { d } = this;
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
    const { d } = this;
    return d.nfree + (d.avail_end - d.avail_next) + (d.avail2_end - d.avail2_next);
  }

  /** What the page daemon sleeps on. */
  get daemonChannel(): number {
    return this.d.address + 1;
  }

  /** uvm_pagealloc: a page, its content unspecified. @returns its pfn, -1 when there is none */
  pageAlloc(): number {
    const { d } = this;
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

  /** A page for a program. @returns its pfn, -1 when there are only the kernel's left */
  pageAllocUser(): number {
    const { free } = this;
    if (free <= this.d.freemin) this.wakeDaemon();
    return this.canSpare(1) ? this.pageAlloc() : -1;
  }

  /** Whether so many pages can be taken on a program's behalf: they are there, and nobody waits who asked before. */
  canSpare(pages: number): boolean {
    return this.#has(pages) && (this.waiters.none || this.d.in_turn !== 0);
  }

  #has(pages: number): boolean {
    return this.free - pages >= RESERVE_KERNEL;
  }

  /** Whether the kernel is about to run out of the pages that it makes page tables of. */
  get isLow(): boolean {
    return this.free < RESERVE_KERNEL / 2;
  }

  /** Whether the first of those that wait need not wait any longer. */
  get isFirstServed(): boolean {
    return this.#has(this.waiters.first);
  }

  /** Takes pages, within one macro-instruction, for an lwp that uvm_wait has just let through: nobody who waits behind it comes first. */
  inTurn<T>(take: () => T): T {
    const { d } = this;
    d.in_turn = 1;
    const taken = take();
    d.in_turn = 0;
    return taken;
  }

  /** Whether so many pages could be spared if so many more were free. */
  couldSpare(pages: number, more: number): boolean {
    return this.#has(pages - more);
  }

  /** Asks the page daemon for enough free pages that so many can be spared. */
  want(pages: number): void {
    const { d } = this;
    d.wanted = Math.max(d.wanted, pages + RESERVE_KERNEL);
    this.wakeDaemon();
  }

  wakeDaemon(): void {
    this.sched.wakeup(this.daemonChannel);
  }

  /** Free pages beyond those that are waited for. */
  get spare(): number {
    return this.free - this.waiters.pages;
  }

  /** Whether the page daemon has work to do. @param working it is at work */
  isShort(working: boolean): boolean {
    const { d } = this;
    if (this.free >= d.wanted) d.wanted = 0;
    const { pages } = this.waiters;
    const waited = pages === 0 ? 0 : pages + RESERVE_KERNEL;
    return this.free < Math.max(working ? d.freetarg : d.freemin, d.wanted, waited);
  }

  /** uvm_pagefree. When the stack has no room for the page, the page becomes its room, and stays in use. */
  pageFree(pfn: number): void {
    const { d } = this;
    if (d.nfree === d.free_room) {
      this.pmap.kenterPa(FREE_STACK + 4 * d.free_room, pfn * PAGE_SIZE, true);
      d.free_room += PAGE_SIZE / 4;
      kassert(FREE_STACK + 4 * d.free_room <= ANON_TABLE, 'uvm: too many free pages');
      return;
    }
    this.cpu.memory.st32(FREE_STACK + 4 * d.nfree, pfn);
    d.nfree++;
    d.used--;
    if (!this.waiters.none && this.isFirstServed) this.waiters.wakeFirst();
  }
}
