/*
 * The machine-to-physical table: a u64 per MFN, in Xen-owned memory that every guest can read.
 *
 *   virtual address 0xffff800000000000 + mfn * 8, mapped in 2 MiB chunks of 2^18 entries each (1 GiB of memory)
 *
 * Only the chunks that cover frames of this host exist. An entry is the pfn that the owner gave, all ones for a free frame,
 * 0x5555… for a frame that was never given.
 */
import type { MachineMemory } from './machine-memory.ts';
import { PAGE_WORDS } from './machine-memory.ts';

/** Entries of a 2 MiB chunk, as a power of two. */
const CHUNK_SHIFT = 18;
const CHUNK_ENTRIES = 2 ** CHUNK_SHIFT;
/** Frames of a chunk. */
const M2P_CHUNK_FRAMES = 512;
const NEVER_GIVEN = 0x5555_5555;

/** Frames the table takes on a host of so many from `firstMfn` on, which need not be the first of a chunk. */
export const m2pFrames = (firstMfn: number, frames: number): number =>
  (Math.ceil((firstMfn + frames) / CHUNK_ENTRIES) - Math.floor(firstMfn / CHUNK_ENTRIES)) *
  M2P_CHUNK_FRAMES;

export class M2P {
  /** The highest frame number of this host. */
  readonly maxMfn: number;
  /** First MFN of each 2 MiB chunk, in the order of the frames they cover. */
  readonly chunks: readonly number[];
  readonly #memory: MachineMemory;
  readonly #firstWord: number;
  /** The frame that the first entry of the first chunk is about. */
  readonly #firstEntry: number;

  /** @param first MFN of the first of {@link m2pFrames} frames, aligned to 2 MiB, for Xen alone */
  constructor(memory: MachineMemory, first: number) {
    this.#memory = memory;
    this.maxMfn = memory.firstMfn + memory.frames - 1;
    this.#firstWord = memory.wordIndex(first);
    this.#firstEntry = Math.floor(memory.firstMfn / CHUNK_ENTRIES) * CHUNK_ENTRIES;
    const count = m2pFrames(memory.firstMfn, memory.frames);
    const chunks: number[] = [];
    for (let i = 0; i < count; i += M2P_CHUNK_FRAMES) chunks.push(first + i);
    this.chunks = chunks;
    memory.words.fill(NEVER_GIVEN, this.#firstWord, this.#firstWord + count * PAGE_WORDS);
  }

  /** @returns the pfn of a frame, or -1 when the entry is not one (below 2^31) */
  get(mfn: number): number {
    if (!this.#memory.valid(mfn)) return -1;
    const at = this.#word(mfn);
    const { words } = this.#memory;
    const low = words[at] as number;
    return words[at + 1] === 0 && low >= 0 ? low : -1;
  }

  /** Sets an entry to a pfn; -1 is the invalid entry. */
  set(mfn: number, pfn: number): void {
    this.setPair(mfn, pfn, pfn < 0 ? -1 : 0);
  }

  /** Sets an entry to any 64 bits. */
  setPair(mfn: number, low: number, high: number): void {
    const at = this.#word(mfn);
    this.#memory.words[at] = low;
    this.#memory.words[at + 1] = high;
  }

  #word(mfn: number): number {
    return this.#firstWord + (mfn - this.#firstEntry) * 2;
  }
}
