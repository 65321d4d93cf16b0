/*
 * The processor's page-table walk: four levels from a root, 9 bits of the address each.
 *
 *   47 ……… 39 38 …… 30 29 …… 21 20 …… 12 11 ……… 0
 *      L4        L3       L2       L1      offset
 *
 * A level grants what all levels above it grant. An L2 entry with PSE ends the walk (2 MiB: the M2P only). Accessed bits are set
 * on the way of a walk that succeeds, the dirty bit with a store, in the tables themselves.
 */
import { PageFault, PFEC_FETCH, PFEC_PRESENT, PFEC_USER, PFEC_WRITE } from '@port-xen/vcpu';
import type { HostMemory } from './host-memory.ts';
import { PAGE_WORDS } from './machine-memory.ts';
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_HIGH_NX,
  PTE_PRESENT,
  PTE_PSE,
  PTE_RW,
  PTE_US,
  pteFrame,
} from './page-entry.ts';

export const READ = 0;
export const WRITE = 1;
export const FETCH = 2;

/** The fault of an access that a walk refused with `present`, as Xen reports it: from user mode or not, whatever the ring. */
export const pageFault = (
  va: number,
  access: number,
  present: number,
  kernelMode: boolean,
): PageFault => {
  const kind = access === WRITE ? PFEC_WRITE : access === FETCH ? PFEC_FETCH : 0;
  return new PageFault(va, present | kind | (kernelMode ? 0 : PFEC_USER));
};

const L3_SPAN = 2 ** 30;
const L4_SPAN = 2 ** 39;

/** Slot of an address in a table of that level. */
export const slotOf = (level: number, va: number): number => {
  if (level === 1) return (va >>> 12) & 511;
  if (level === 2) return (va >>> 21) & 511;
  return Math.floor(va / (level === 3 ? L3_SPAN : L4_SPAN)) & 511;
};

export class PageWalk {
  /** Of the last walk that succeeded: the frame reached. */
  frame = -1;
  /** Of the last walk: word index of the last entry looked at. */
  entry = -1;
  /** Of the last walk: whether all levels seen grant stores. */
  writable = false;
  readonly #host: HostMemory;
  readonly #path = new Int32Array(4);

  constructor(host: HostMemory) {
    this.#host = host;
  }

  /**
   * @param root MFN of an L4, or -1
   * @param va canonical
   * @returns -1 when the access is allowed; otherwise PFEC_PRESENT or 0, as the fault's error code has it
   */
  walk(root: number, va: number, access: number): number {
    if (root < 0) return 0;
    const { memory } = this.#host;
    const { words } = memory;
    let table = root;
    let low = 0;
    let high = 0;
    let granted = PTE_RW | PTE_US;
    let noExecute = 0;
    let level = 4;
    for (; level >= 1; level--) {
      const at = memory.wordIndex(table) + slotOf(level, va) * 2;
      low = words[at] as number;
      high = words[at + 1] as number;
      this.entry = at;
      this.#path[level - 1] = at;
      if ((low & PTE_PRESENT) === 0) return 0;
      granted &= low;
      noExecute |= high & PTE_HIGH_NX;
      table = pteFrame(low, high);
      if (level === 2 && (low & PTE_PSE) !== 0) break;
    }
    this.writable = (granted & PTE_RW) !== 0;
    if ((granted & PTE_US) === 0) return PFEC_PRESENT;
    if (access === WRITE && !this.writable) return PFEC_PRESENT;
    if (access === FETCH && noExecute !== 0) return PFEC_PRESENT;
    this.frame = level === 2 ? table + ((va >>> 12) & 511) : table;
    this.#touch(Math.max(level, 1), access === WRITE ? PTE_DIRTY : 0);
    return -1;
  }

  #touch(last: number, dirty: number): void {
    const { words, firstMfn } = this.#host.memory;
    for (let level = 4; level >= last; level--) {
      const at = this.#path[level - 1] as number;
      const low = words[at] as number;
      const wanted = low | PTE_ACCESSED | (level === last ? dirty : 0);
      if (wanted === low) continue;
      words[at] = wanted;
      this.#host.markDirty(firstMfn + Math.floor(at / PAGE_WORDS));
    }
  }
}
