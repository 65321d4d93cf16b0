/*
 * A machine on paper for uvm: pages by pfn, a table of kernel mappings, a table for each user address space. It keeps what a real
 * pmap and Xen would refuse: a page that is mapped writable is never zeroed as a table, and whatever is asked for is written down.
 */
import type { Cpu } from '@port-xen/kern';
import { BytesMemory, type Memory } from '@port-xen/layout';
import { Uvm, type UvmKern, type UvmPmap, uvm_data } from '../src/index.ts';

const PAGE = 4096;
/** Where uvm's data is on paper: a run of bytes of its own. */
const DATA = 0x1000_0000;

interface UserPage {
  readonly pa: number;
  readonly writable: boolean;
}

export class PaperMachine {
  readonly pages = new Map<number, Uint8Array>();
  /** Kernel mappings: page address to pfn. */
  readonly kernel = new Map<number, number>();
  readonly users = new Map<number, Map<number, UserPage>>();
  readonly uvm: Uvm;
  readonly wakeups: number[] = [];
  readonly #data = new BytesMemory(new Uint8Array(uvm_data.size), DATA);
  #pmaps = 0;

  constructor(nrPages: number) {
    const memory = this.#memory();
    const cpu = { memory, spend: () => {}, id: 0 } as unknown as Cpu;
    const sched = { wakeup: (wchan: number) => this.wakeups.push(wchan) };
    this.uvm = new Uvm(cpu, DATA, this.#pmap(), { sched } as unknown as UvmKern);
    this.uvm.pages.physload(4, 20, nrPages);
  }

  /** The pfn mapped at a kernel address. */
  pfnAt(va: number): number {
    const pfn = this.kernel.get(Math.floor(va / PAGE) * PAGE);
    if (pfn === undefined) throw new Error(`expected a kernel mapping, found none at ${va}`);
    return pfn;
  }

  page(pfn: number): Uint8Array {
    let bytes = this.pages.get(pfn);
    if (bytes === undefined) {
      bytes = new Uint8Array(PAGE).fill(0xee);
      this.pages.set(pfn, bytes);
    }
    return bytes;
  }

  /** Whether anything maps a page. */
  isMapped(pfn: number): boolean {
    if ([...this.kernel.values()].includes(pfn)) return true;
    return [...this.users.values()].some((table) =>
      [...table.values()].some(({ pa }) => pa === pfn * PAGE),
    );
  }

  #memory(): Memory {
    const byteAt = (va: number): [Uint8Array, number] => [
      this.page(this.pfnAt(va)),
      ((va % PAGE) + PAGE) % PAGE,
    ];
    const data = this.#data;
    const isData = (va: number): boolean => va >= DATA && va < DATA + uvm_data.size;
    const ld8 = (va: number): number => {
      if (isData(va)) return data.ld8(va);
      const [bytes, at] = byteAt(va);
      return bytes[at] as number;
    };
    const st8 = (va: number, value: number): void => {
      const [bytes, at] = isData(va) ? [data.bytes, va - DATA] : byteAt(va);
      bytes[at] = value;
    };
    const load = (va: number, size: number): number => {
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = (value << 8) | ld8(va + i);
      return value;
    };
    const store = (va: number, size: number, value: number): void => {
      for (let i = 0; i < size; i++) st8(va + i, (value >>> (8 * i)) & 0xff);
    };
    return {
      ld8,
      ld16: (va) => load(va, 2),
      ld32: (va) => load(va, 4) | 0,
      st8,
      st16: (va, value) => store(va, 2, value),
      st32: (va, value) => store(va, 4, value),
      read: (va, into) => {
        for (let i = 0; i < into.length; i++) into[i] = ld8(va + i);
      },
      write: (va, from) => {
        for (let i = 0; i < from.length; i++) st8(va + i, from[i] as number);
      },
    };
  }

  #pmap(): UvmPmap {
    const tableOf = (pmap: number): Map<number, UserPage> => {
      const table = this.users.get(pmap);
      if (table === undefined) throw new Error(`expected a pmap, found ${pmap}`);
      return table;
    };
    return {
      kenterPa: (va, pa) => this.kernel.set(va, pa / PAGE),
      kremove: (va) => this.kernel.delete(va),
      extract: (_, va) => this.pfnAt(va) * PAGE,
      isMapped: (va) => this.kernel.has(va),
      clearPage: (pa) => this.page(pa / PAGE).fill(0),
      copyPage: (from, to) => this.page(to / PAGE).set(this.page(from / PAGE)),
      users: {
        create: () => {
          this.users.set(++this.#pmaps, new Map());
          return this.#pmaps;
        },
        enter: (pmap, va, pa, writable) => void tableOf(pmap).set(va, { pa, writable }),
        remove: (pmap, va) => void tableOf(pmap).delete(va),
        protect: (pmap, start, end) => {
          for (const [va, { pa }] of tableOf(pmap)) {
            if (va >= start && va < end) tableOf(pmap).set(va, { pa, writable: false });
          }
        },
        clearReference: () => false,
        lookup: (pmap, va) => tableOf(pmap).get(va),
        destroy: (pmap) => void this.users.delete(pmap),
      },
    };
  }
}
