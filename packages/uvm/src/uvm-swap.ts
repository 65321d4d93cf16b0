/*
 * Swap slots (uvm_swap.c): devices cut into pages, one behind the other, a bit for each page that is in use. The devices are disks of
 * the domain; what is on them is worth nothing once the domain has ended, and stays with the domain when it is saved.
 *
 *     slots    | device 0 | device 1 | …
 *
 * Devices take turns, a cluster each. A slot that could not be written is bad, and is not used again.
 */
import { type Cpu, kassert } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { NSWAP, PAGE_SIZE, type Swapdev, uvm_data } from './uvm-data.ts';
import type { KernelMap } from './uvm-km.ts';

const SLOTS_PER_PAGE = PAGE_SIZE * 8;

/** Slots in a row. */
interface Run {
  readonly slot: number;
  readonly count: number;
}

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

  /** Whether another device can be used. */
  get hasRoom(): boolean {
    return this.d.sw_ndev < NSWAP;
  }

  /** Whether a device is in use already. */
  isOn(cdev: number): boolean {
    return this.#devices().some(({ swd_cdev }) => swd_cdev === cdev);
  }

  /** swapctl(SWAP_ON). @param cdev the device's entry @param size bytes @returns slots */
  on(cdev: number, size: number): number {
    const { d } = this;
    kassert(this.hasRoom, `uvm: expected at most ${NSWAP} swap devices`);
    const sdp = d.sw_dev.at(d.sw_ndev++);
    const slots = Math.floor(size / PAGE_SIZE);
    sdp.swd_map = this.km.kmAlloc(Math.ceil(slots / SLOTS_PER_PAGE));
    sdp.swd_drumoffset = d.sw_slots;
    sdp.swd_npages = slots;
    sdp.swd_npginuse = 0;
    sdp.swd_npgbad = 0;
    sdp.swd_next = 0;
    sdp.swd_cdev = cdev;
    d.sw_slots += slots;
    return slots;
  }

  /** Slots that a page could be written to. */
  get spare(): number {
    return this.d.sw_slots - this.d.sw_inuse;
  }

  #devices(): Swapdev[] {
    const { sw_dev, sw_ndev } = this.d;
    return Array.from({ length: sw_ndev }, (_, i) => sw_dev.at(i));
  }

  /** swapdrum_getsdp: the device that a slot is on. */
  deviceOf(slot: number): Swapdev {
    const sdp = this.#devices().find(
      ({ swd_drumoffset, swd_npages }) =>
        slot >= swd_drumoffset && slot < swd_drumoffset + swd_npages,
    );
    kassert(sdp !== undefined, `uvm: there is no swap slot ${slot}`);
    return sdp;
  }

  /** Byte offset of a slot on its device. */
  offsetOf(slot: number): number {
    return (slot - this.deviceOf(slot).swd_drumoffset) * PAGE_SIZE;
  }

  #isUsed(sdp: Swapdev, page: number): boolean {
    return (this.cpu.memory.ld8(sdp.swd_map + (page >>> 3)) & (1 << (page & 7))) !== 0;
  }

  #set(sdp: Swapdev, page: number, used: boolean): void {
    const { memory } = this.cpu;
    const at = sdp.swd_map + (page >>> 3);
    const bit = 1 << (page & 7);
    memory.st8(at, used ? memory.ld8(at) | bit : memory.ld8(at) & ~bit);
    sdp.swd_npginuse += used ? 1 : -1;
    this.d.sw_inuse += used ? 1 : -1;
  }

  /** uvm_swap_alloc: slots in a row on one device, up to `max`. @returns the first one and how many; none when all are full */
  alloc(max: number): Run {
    const { d } = this;
    for (let i = 0; i < d.sw_ndev; i++) {
      const sdp = d.sw_dev.at((d.sw_turn + i) % d.sw_ndev);
      if (sdp.swd_npginuse === sdp.swd_npages) continue;
      d.sw_turn = (d.sw_turn + i + 1) % d.sw_ndev;
      return this.#allocFrom(sdp, max);
    }
    return { slot: 0, count: 0 };
  }

  #allocFrom(sdp: Swapdev, max: number): Run {
    let page = sdp.swd_next % sdp.swd_npages;
    while (this.#isUsed(sdp, page)) page = (page + 1) % sdp.swd_npages;
    let count = 0;
    while (count < max && page + count < sdp.swd_npages && !this.#isUsed(sdp, page + count)) {
      this.#set(sdp, page + count, true);
      count++;
    }
    sdp.swd_next = page + count;
    return { slot: sdp.swd_drumoffset + page, count };
  }

  /** uvm_swap_free. */
  free(slot: number): void {
    const sdp = this.deviceOf(slot);
    const page = slot - sdp.swd_drumoffset;
    kassert(this.#isUsed(sdp, page), `uvm: swap slot ${slot} is freed twice`);
    this.#set(sdp, page, false);
  }

  /** uvm_swap_markbad: the slot stays in use for good. @returns whether it is the device's first */
  markBad(slot: number): boolean {
    const sdp = this.deviceOf(slot);
    this.d.sw_bad++;
    return sdp.swd_npgbad++ === 0;
  }
}
