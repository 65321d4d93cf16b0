/*
 * Free frames, as a buddy system of orders 0 to 9 (4 KiB to 2 MiB).
 *
 * The 2 MiB extents are handed out in an order drawn from the world's seed, so that no two hosts and no two lives of a
 * domain get the same frames by habit. A smaller block is cut from the smallest free block that holds it; freed blocks are put
 * together with their buddies again. A free block is known by its first frame: `order` is there, and -1 everywhere else.
 *
 *     free[9] ── extent 17 ── extent 3 ── …        (a doubly linked list per order, through next and previous)
 *     free[0] ── frame 4711 ── …
 *
 * Frames are given out zeroed. The buffer comes zeroed, so only frames that were used before are cleared, when they are given.
 */
import type { Random } from '@port-xen/sim';
import type { MachineMemory } from './machine-memory.ts';
import { ModelBug } from './model-bug.ts';

/** Order of a 2 MiB extent: the largest block. */
export const EXTENT_ORDER = 9;
export const EXTENT_FRAMES = 512;

const NONE = -1;

export class FrameAllocator {
  readonly #memory: MachineMemory;
  readonly #random: Random;
  readonly #head = new Int32Array(EXTENT_ORDER + 1).fill(NONE);
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #order: Int8Array;
  readonly #used: Uint8Array;
  #free = 0;

  /** @param firstFree frames before it are never given out (Xen's own) */
  constructor(memory: MachineMemory, firstFree: number, random: Random) {
    const { frames } = memory;
    this.#memory = memory;
    this.#random = random;
    this.#next = new Int32Array(frames);
    this.#previous = new Int32Array(frames);
    this.#order = new Int8Array(frames).fill(NONE);
    this.#used = new Uint8Array(frames);
    this.#addAll(firstFree);
  }

  /** Free frames. */
  get free(): number {
    return this.#free;
  }

  /**
   * @param order 0 … 9
   * @returns the first MFN of 2^order zeroed frames, aligned to their number; -1 when there are none
   */
  allocate(order: number): number {
    let from = order;
    while (from <= EXTENT_ORDER && this.#head[from] === NONE) from++;
    if (from > EXTENT_ORDER) return -1;
    const block = this.#head[from] as number;
    this.#unlink(block);
    while (from > order) {
      from--;
      this.#link(block + (1 << from), from);
    }
    for (let i = block; i < block + (1 << order); i++) this.#clear(i);
    this.#free -= 1 << order;
    return this.#memory.firstMfn + block;
  }

  /** Takes one frame back. */
  release(mfn: number): void {
    let block = mfn - this.#memory.firstMfn;
    let order = 0;
    if (this.#order[block] !== NONE) throw new ModelBug(`mfn ${mfn} was freed twice`);
    this.#free++;
    while (order < EXTENT_ORDER) {
      const buddy = block ^ (1 << order);
      if (buddy >= this.#memory.frames || this.#order[buddy] !== order) break;
      this.#unlink(buddy);
      block = Math.min(block, buddy);
      order++;
    }
    this.#link(block, order);
  }

  #addAll(firstFree: number): void {
    const { frames } = this.#memory;
    const extents: number[] = [];
    for (let i = firstFree; i < frames; ) {
      if (i % EXTENT_FRAMES === 0 && i + EXTENT_FRAMES <= frames) {
        extents.push(i);
        i += EXTENT_FRAMES;
      } else {
        this.release(this.#memory.firstMfn + i);
        i++;
      }
    }
    for (const extent of this.#random.shuffle(extents)) this.#link(extent, EXTENT_ORDER);
    this.#free += extents.length * EXTENT_FRAMES;
  }

  #clear(index: number): void {
    if (this.#used[index] !== 0) this.#memory.frameBytes(this.#memory.firstMfn + index).fill(0);
    this.#used[index] = 1;
  }

  /** An extent that comes back is put before or behind the next one to go, as the seed says. */
  #link(block: number, order: number): void {
    const first = this.#head[order] as number;
    const behind = order === EXTENT_ORDER && first !== NONE && this.#random.below(2) === 1;
    const previous = behind ? first : NONE;
    const next = behind ? (this.#next[first] as number) : first;
    this.#order[block] = order;
    this.#previous[block] = previous;
    this.#next[block] = next;
    if (previous === NONE) this.#head[order] = block;
    else this.#next[previous] = block;
    if (next !== NONE) this.#previous[next] = block;
  }

  #unlink(block: number): void {
    const order = this.#order[block] as number;
    const previous = this.#previous[block] as number;
    const next = this.#next[block] as number;
    if (previous === NONE) this.#head[order] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#order[block] = NONE;
  }
}
