/*
 * Anonymous memory, page by page (uvm_anon.c). An anon has one reference for each address space that has it, and, because
 * spaces come to share memory by forks alone, stands at one address in all of them.
 *
 *     free ──alloc──► in a page ──page-out──► in a swap slot ──page-in──► in a page
 *       ▲                 │ last reference           │
 *       └─────────────────┴──────────────────────────┘
 */
import { type Cpu, kassert, type Sched } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { AN_BUSY, ANON_TABLE, type Anon, PAGE_SIZE, uvm_data, vm_anon } from './uvm-data.ts';
import type { KernelMap } from './uvm-km.ts';
import type { Pages } from './uvm-page.ts';
import type { Swap } from './uvm-swap.ts';

const PER_PAGE = PAGE_SIZE / vm_anon.size;

export class Anons {
  readonly cpu: Cpu;
  readonly data: number;
  readonly pages: Pages;
  readonly km: KernelMap;
  readonly swap: Swap;
  readonly sched: Sched;

  constructor(cpu: Cpu, data: number, pages: Pages, km: KernelMap, swap: Swap, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.pages = pages;
    this.km = km;
    this.swap = swap;
    this.sched = sched;
  }

  get d(): View<typeof uvm_data>['anons'] {
    return uvm_data.at(this.cpu.memory, this.data).anons;
  }

  /** Anons that are in a page, those on their way included. */
  get resident(): number {
    const { sw_inuse, sw_bad } = this.swap.d;
    return this.d.inuse - (sw_inuse - sw_bad);
  }

  at(index: number): Anon {
    return vm_anon.at(this.cpu.memory, ANON_TABLE + index * vm_anon.size);
  }

  /** uvm_analloc: one reference to the page `pfn` at `va`. @returns its index, -1 when there is no memory for it */
  alloc(pfn: number, va: number): number {
    const { d } = this;
    if (d.free_head === 0 && d.nanon === d.anon_room) {
      if (!this.pages.canSpare(1)) return -1;
      this.km.kmEnter(ANON_TABLE + d.anon_room * vm_anon.size);
      d.anon_room += PER_PAGE;
    }
    const index = d.free_head === 0 ? d.nanon++ : d.free_head - 1;
    const anon = this.at(index);
    d.free_head = anon.an_next;
    d.inuse++;
    anon.an_next = 0;
    anon.an_ref = 1;
    anon.an_flags = 0;
    anon.an_page = pfn + 1;
    anon.an_swslot = 0;
    anon.an_wire = 0;
    anon.an_va = va;
    return index;
  }

  /** Drops a reference; with the last one go page and swap slot, or as soon as the page has arrived. */
  release(index: number): void {
    const anon = this.at(index);
    kassert(anon.an_ref > 0, 'uvm: an anon without a reference is released');
    if (--anon.an_ref === 0 && (anon.an_flags & AN_BUSY) === 0) this.#free(index);
  }

  /** The page has arrived where it was going. */
  settle(index: number): void {
    const anon = this.at(index);
    anon.an_flags &= ~AN_BUSY;
    this.sched.wakeup(anon.address);
    if (anon.an_ref === 0) this.#free(index);
  }

  #free(index: number): void {
    const { d } = this;
    const anon = this.at(index);
    if (anon.an_page !== 0) this.pages.pageFree(anon.an_page - 1);
    if (anon.an_swslot !== 0) this.swap.free(anon.an_swslot - 1);
    anon.an_page = 0;
    anon.an_swslot = 0;
    anon.an_next = d.free_head;
    d.free_head = index + 1;
    d.inuse--;
  }
}
