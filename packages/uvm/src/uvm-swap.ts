/*
 * Swap slots (uvm_swap.c): a device cut into pages, a bit for each that is in use. The device is a disk of the domain; what
 * is on it is worth nothing once the domain has ended, and stays with the domain when it is saved.
 */
import { type Cpu, kassert } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { PAGE_SIZE, uvm_data } from './uvm-data.ts';
import type { KernelMap } from './uvm-km.ts';

const SLOTS_PER_PAGE = PAGE_SIZE * 8;

export class Swap {
  readonly cpu: Cpu;
  readonly data: number;
  readonly km: KernelMap;

  constructor(cpu: Cpu, data: number, km: KernelMap) {
    this.cpu = cpu;
    this.data = data;
    this.km = km;
  }

  get d(): View<typeof uvm_data>['swap'] {
    return uvm_data.at(this.cpu.memory, this.data).swap;
  }

  /** swapctl(SWAP_ON): once. @param cdev the device's entry @param size bytes @returns slots */
  on(cdev: number, size: number): number {
    const { d } = this;
    kassert(d.sw_cdev === 0, 'uvm: there is a swap device already');
    const slots = Math.floor(size / PAGE_SIZE);
    d.sw_map = this.km.kmAlloc(Math.ceil(slots / SLOTS_PER_PAGE));
    d.sw_slots = slots;
    d.sw_cdev = cdev;
    return slots;
  }

  /** Whether a page could be written out now or is being written out. */
  get canHelp(): boolean {
    const { d } = this;
    return d.sw_inuse < d.sw_slots || d.sw_busy > 0;
  }

  #isUsed(slot: number): boolean {
    return (this.cpu.memory.ld8(this.d.sw_map + (slot >>> 3)) & (1 << (slot & 7))) !== 0;
  }

  #set(slot: number, used: boolean): void {
    const { memory } = this.cpu;
    const { d } = this;
    const at = d.sw_map + (slot >>> 3);
    const bit = 1 << (slot & 7);
    memory.st8(at, used ? memory.ld8(at) | bit : memory.ld8(at) & ~bit);
    d.sw_inuse += used ? 1 : -1;
  }

  /** uvm_swap_alloc: slots in a row, up to `max`. @returns the first one and how many; none when the device is full */
  alloc(max: number): { readonly slot: number; readonly count: number } {
    const { d } = this;
    if (d.sw_inuse === d.sw_slots) return { slot: 0, count: 0 };
    let slot = d.sw_next % d.sw_slots;
    while (this.#isUsed(slot)) slot = (slot + 1) % d.sw_slots;
    let count = 0;
    while (count < max && slot + count < d.sw_slots && !this.#isUsed(slot + count)) {
      this.#set(slot + count, true);
      count++;
    }
    d.sw_next = slot + count;
    return { slot, count };
  }

  /** uvm_swap_free. */
  free(slot: number): void {
    kassert(this.#isUsed(slot), `uvm: swap slot ${slot} is freed twice`);
    this.#set(slot, false);
  }
}
