/*
 * A saved guest's memory by virtual address: the walk that its processor would make, through page tables that name pages
 * by pfn. Read-only.
 */
import type { Memory } from '@port-xen/layout';
import type { ImageIndex } from './image-index.ts';

const PAGE = 4096;
const PER_TABLE = 512;
const PRESENT = 1;
const FRAME_HIGH = 0xfffff;

/** The image has nothing at an address. */
export class NotMapped extends Error {
  constructor(address: number) {
    super(`nothing is mapped at 0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`);
  }
}

export class GuestMemory implements Memory {
  readonly #index: ImageIndex;
  readonly #root: number;
  readonly #views = new Map<number, DataView | undefined>();

  /** @param root pfn of the level 4 table */
  constructor(index: ImageIndex, root: number) {
    this.#index = index;
    this.#root = root;
  }

  /** The pfn at an address, or -1. */
  pfnAt(address: number): number {
    let pfn = this.#root;
    for (const level of [4, 3, 2, 1]) {
      const table = this.#index.page(pfn);
      if (table === undefined) return -1;
      const slot = Math.floor(address / PAGE / PER_TABLE ** (level - 1)) % PER_TABLE;
      const at = ((slot + PER_TABLE) % PER_TABLE) * 8;
      const entry = new DataView(table.buffer, table.byteOffset + at, 8);
      const low = entry.getUint32(0, true);
      if ((low & PRESENT) === 0) return -1;
      pfn = (entry.getUint32(4, true) & FRAME_HIGH) * 2 ** 20 + (low >>> 12);
    }
    return pfn;
  }

  ld8(address: number): number {
    return this.#view(address).getUint8(this.#within(address));
  }

  ld16(address: number): number {
    if (this.#within(address) > PAGE - 2) return this.ld8(address) | (this.ld8(address + 1) << 8);
    return this.#view(address).getUint16(this.#within(address), true);
  }

  ld32(address: number): number {
    if (this.#within(address) > PAGE - 4)
      return this.ld16(address) | (this.ld16(address + 2) << 16);
    return this.#view(address).getInt32(this.#within(address), true);
  }

  read(address: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const view = this.#view(address + done);
      const within = this.#within(address + done);
      const some = Math.min(into.length - done, PAGE - within);
      into.set(new Uint8Array(view.buffer, view.byteOffset + within, some), done);
      done += some;
    }
  }

  st8(): never {
    throw new Error('a saved guest is not written to');
  }

  st16(): never {
    return this.st8();
  }

  st32(): never {
    return this.st8();
  }

  write(): never {
    return this.st8();
  }

  #within(address: number): number {
    return ((address % PAGE) + PAGE) % PAGE;
  }

  #view(address: number): DataView {
    const number = Math.floor(address / PAGE);
    if (!this.#views.has(number)) {
      const page = this.#index.page(this.pfnAt(address));
      this.#views.set(
        number,
        page === undefined ? undefined : new DataView(page.buffer, page.byteOffset, PAGE),
      );
    }
    const view = this.#views.get(number);
    if (view === undefined) throw new NotMapped(address);
    return view;
  }
}
