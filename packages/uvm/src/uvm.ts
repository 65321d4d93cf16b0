/*
 * Virtual memory (sys/uvm), put together: pages and kernel memory, anonymous memory, address spaces, swap. All of it is known by
 * pseudo-physical frame and virtual address; no machine frame is kept here, so that a restore changes nothing.
 */
import type { Cpu } from '@port-xen/kern';
import { Anons } from './uvm-anon.ts';
import type { UvmKern, UvmPmap } from './uvm-kernel.ts';
import { Maps } from './uvm-map.ts';
import { Pages } from './uvm-page.ts';
import { Swap } from './uvm-swap.ts';

export class Uvm {
  readonly cpu: Cpu;
  readonly pmap: UvmPmap;
  readonly kern: UvmKern;
  readonly pages: Pages;
  readonly swap: Swap;
  readonly anons: Anons;
  readonly maps: Maps;

  constructor(cpu: Cpu, data: number, pmap: UvmPmap, kern: UvmKern) {
    this.cpu = cpu;
    this.pmap = pmap;
    this.kern = kern;
    this.pages = new Pages(cpu, data, pmap, kern.sched);
    this.swap = new Swap(cpu, data, this.pages);
    this.anons = new Anons(cpu, data, this.pages, this.swap, kern.sched);
    this.maps = new Maps(cpu, data, pmap, this.pages, this.anons);
  }

  /** uvm_km_alloc(UVM_KMF_WIRED | UVM_KMF_ZERO). @returns the address of `pages` zeroed pages in a row */
  kmAlloc(pages: number): number {
    return this.pages.kmAlloc(pages);
  }

  /** uvm_km_free. */
  kmFree(va: number, pages: number): void {
    this.pages.kmFree(va, pages);
  }

  /** uvm_km_alloc(UVM_KMF_VAONLY): addresses without pages. */
  kmAllocVa(pages: number): number {
    return this.pages.kmAllocVa(pages);
  }
}
