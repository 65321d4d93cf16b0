/*
 * Xen's own part of every address space: L4 slots 256 to 271.
 *
 *   slot 256 → L3 → L2 → 2 MiB pages of the M2P, readable in ring 3
 *   slots 257 … 271: nothing that ring 3 could reach, so nothing at all here
 *
 * One L3 and one L2 serve every domain of the host: 2^27 frames, the most that a world's hosts have between them, take 1 GiB of
 * M2P, which is one L3 entry.
 */
import type { M2P } from './m2p.ts';
import type { MachineMemory } from './machine-memory.ts';
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_HIGH_NX,
  PTE_PRESENT,
  PTE_PSE,
  PTE_US,
  pteHigh,
  pteLow,
} from './page-entry.ts';

export const FIRST_XEN_SLOT = 256;
export const LAST_XEN_SLOT = 271;
/** Frames of the tables. */
export const XEN_TABLE_FRAMES = 2;

/** First MFN covered by an L2 entry, as a power of two. */
const ENTRY_SHIFT = 18;
const FLAGS = PTE_PRESENT | PTE_US | PTE_ACCESSED;

export class XenPageTables {
  readonly #memory: MachineMemory;
  readonly #l3: number;

  /** @param first the first of two frames for Xen alone */
  constructor(memory: MachineMemory, m2p: M2P, first: number) {
    this.#memory = memory;
    this.#l3 = first;
    const l2 = first + 1;
    this.#set(this.#l3, 0, pteLow(l2, FLAGS), pteHigh(l2));
    const firstEntry = memory.firstMfn >>> ENTRY_SHIFT;
    for (const [i, chunk] of m2p.chunks.entries()) {
      const low = pteLow(chunk, FLAGS | PTE_PSE | PTE_DIRTY);
      this.#set(l2, firstEntry + i, low, pteHigh(chunk) | PTE_HIGH_NX);
    }
  }

  /** Writes Xen's slots of an L4, whatever was there. */
  fillSlots(l4: number): void {
    for (let slot = FIRST_XEN_SLOT; slot <= LAST_XEN_SLOT; slot++) this.#set(l4, slot, 0, 0);
    this.showM2p(l4);
  }

  /** Makes the M2P visible through an L4. */
  showM2p(l4: number): void {
    this.#set(l4, FIRST_XEN_SLOT, pteLow(this.#l3, FLAGS), pteHigh(this.#l3));
  }

  /** Hides the M2P from an L4 (VMASST_TYPE_m2p_strict). */
  hideM2p(l4: number): void {
    this.#set(l4, FIRST_XEN_SLOT, 0, 0);
  }

  #set(table: number, slot: number, low: number, high: number): void {
    const at = this.#memory.wordIndex(table) + slot * 2;
    this.#memory.words[at] = low;
    this.#memory.words[at + 1] = high;
  }
}
