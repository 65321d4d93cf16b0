/*
 * Virtual memory (sys/uvm), put together: pages and kernel memory, anonymous memory, address spaces, swap. All of it is known by
 * pseudo-physical frame and virtual address; no machine frame is kept here, so that a restore changes nothing.
 */
import type { Cpu } from '@port-xen/kern';
import { textOf } from '@port-xen/layout';
import { Anons } from './uvm-anon.ts';
import type { UvmKern, UvmPmap } from './uvm-kernel.ts';
import { KernelMap } from './uvm-km.ts';
import { Maps } from './uvm-map.ts';
import { Pages } from './uvm-page.ts';
import { Swap } from './uvm-swap.ts';
import { freeNext, retire } from './uvm-unmap.ts';

export class Uvm {
  readonly cpu: Cpu;
  readonly pmap: UvmPmap;
  readonly kern: UvmKern;
  readonly pages: Pages;
  readonly km: KernelMap;
  readonly swap: Swap;
  readonly anons: Anons;
  readonly maps: Maps;

  constructor(cpu: Cpu, data: number, pmap: UvmPmap, kern: UvmKern) {
    this.cpu = cpu;
    this.pmap = pmap;
    this.kern = kern;
    this.pages = new Pages(cpu, data, pmap, kern.sched);
    this.km = new KernelMap(this.pages, pmap);
    this.swap = new Swap(cpu, data, this.km);
    this.anons = new Anons(cpu, data, this.pages, this.km, this.swap, kern.sched);
    this.maps = new Maps(cpu, data, pmap, this.pages, this.km, this.anons);
  }

  /** uvmspace_free of a space in which nobody has run yet: in one go. */
  discard(vmspace: number): void {
    const vm = this.maps.at(vmspace);
    retire(this.maps, vm);
    while (freeNext(this.maps, vm));
  }

  /** How the disk that a swap slot is on is called. */
  swapName(slot: number): string {
    const name = textOf(this.kern.cdevsw.at(this.swap.deviceOf(slot).swd_cdev).d_name);
    return name === '' ? 'a disk that is gone' : `/dev/${name}`;
  }

  /** uvm_km_alloc(UVM_KMF_WIRED | UVM_KMF_ZERO). @returns the address of `pages` zeroed pages in a row */
  kmAlloc(pages: number): number {
    return this.km.kmAlloc(pages);
  }

  /** uvm_km_free. */
  kmFree(va: number, pages: number): void {
    this.km.kmFree(va, pages);
  }

  /** uvm_km_alloc(UVM_KMF_VAONLY): addresses without pages. */
  kmAllocVa(pages: number): number {
    return this.km.kmAllocVa(pages);
  }
}
