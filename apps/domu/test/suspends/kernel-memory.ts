import { KERNBASE, PAGE_SIZE } from '@port-xen/kern';
import type { Memory } from '@port-xen/layout';
import type { TestHost } from '@tooling/testbed';

/**
 * A running guest's kernel memory, by the addresses that its image was linked for, for a test that meddles with it: physical
 * memory is at KERNBASE, and which frame a page is in the M2P knows.
 */
export class KernelMemory implements Memory {
  readonly #memory: Memory;
  readonly #frames = new Map<number, number>();

  constructor({ hv }: TestHost, domid: number) {
    this.#memory = hv.memory;
    for (let i = 0; i < hv.frames; i++) {
      const mfn = hv.firstMfn + i;
      if (hv.host.table.owner[i] === domid) this.#frames.set(hv.m2p.get(mfn), mfn);
    }
  }

  /** The machine address. */
  #at(address: number): number {
    const pa = address - KERNBASE;
    const mfn = this.#frames.get(Math.floor(pa / PAGE_SIZE));
    if (mfn === undefined) throw new Error(`expected a page of the kernel at ${address}`);
    return mfn * PAGE_SIZE + (pa % PAGE_SIZE);
  }

  ld8(address: number): number {
    return this.#memory.ld8(this.#at(address));
  }

  ld16(address: number): number {
    return this.ld8(address) | (this.ld8(address + 1) << 8);
  }

  ld32(address: number): number {
    return this.ld16(address) | (this.ld16(address + 2) << 16);
  }

  st8(address: number, value: number): void {
    this.#memory.st8(this.#at(address), value);
  }

  st16(address: number, value: number): void {
    this.st8(address, value);
    this.st8(address + 1, value >>> 8);
  }

  st32(address: number, value: number): void {
    this.st16(address, value);
    this.st16(address + 2, value >>> 16);
  }

  read(address: number, into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.ld8(address + i);
  }

  write(address: number, from: Uint8Array): void {
    from.forEach((byte, i) => {
      this.st8(address + i, byte);
    });
  }
}
