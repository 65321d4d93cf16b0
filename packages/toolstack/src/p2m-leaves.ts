/*
 * The pages of a guest's P2M, as a guest tells of them: in a tree of frame lists, in one list, or by its own page tables. What it says is
 * not believed here: each frame of a list or a table has to be the domain's to be looked at, and the leaves are for the caller to check.
 */
import { ldI64, type Memory } from '@port-xen/layout';
import type { GuestFrames } from './guest-frames.ts';
import { hex } from './hex.ts';
import { ToolstackError } from './toolstack-error.ts';

/** Entries of a page. */
export const PFNS_PER_PAGE = 512;
const PAGE = 4096;
const PRESENT = 1;

/** @throws ToolstackError */
export const wrongP2m = (expected: string, found: string): never => {
  throw new ToolstackError(`Failed to map the guest's P2M: expected ${expected}, found ${found}`);
};

/** A word of a page as an MFN; -1 for what cannot be one. */
export const mfnAt = (memory: Memory, index: number): number => {
  const word = ldI64(memory, index * 8);
  return word >= 0 && word < 2 ** 31 ? word : -1;
};

/** The MFNs of the leaf pages, from the tree of frame lists. */
export const leavesOfTree = (frames: GuestFrames, root: number, count: number): number[] =>
  frames.with(root, (_, list) => {
    const leaves: number[] = [];
    for (let i = 0; leaves.length < count; i++) {
      const page = mfnAt(list, i);
      if (page <= 0) return wrongP2m(`a frame in frame_list_list[${i}]`, hex(page));
      frames.with(page, (_bytes, memory) => {
        for (let j = 0; j < PFNS_PER_PAGE && leaves.length < count; j++)
          leaves.push(mfnAt(memory, j));
      });
    }
    return leaves;
  });

/** The MFNs of the leaf pages, from one list that ends where it names no frame, or with its page. */
export const leavesOfList = (frames: GuestFrames, root: number): number[] =>
  frames.with(root, (_, list) => {
    const leaves: number[] = [];
    for (let i = 0; i < PFNS_PER_PAGE; i++) {
      const leaf = mfnAt(list, i);
      if (leaf <= 0) break;
      leaves.push(leaf);
    }
    if (leaves.length === 0) wrongP2m('a frame in frame_list[0]', hex(mfnAt(list, 0)));
    return leaves;
  });

/** The MFNs of the leaf pages, by walking the page tables at `cr3` from `va` on. */
export const leavesOfTables = (
  frames: GuestFrames,
  cr3: number,
  va: number,
  count: number,
): number[] => {
  const leaves: number[] = [];
  const entry = (table: number, index: number): number =>
    frames.with(table, (_, memory) => {
      const low = memory.ld32(index * 8);
      const high = memory.ld32(index * 8 + 4) & 0xfffff;
      if ((low & PRESENT) === 0 || high >= 0x800) {
        return wrongP2m(
          `a present entry for va ${hex(va)}`,
          `entry ${index} of frame ${hex(table)} without`,
        );
      }
      return (high << 20) | (low >>> 12);
    });
  for (let i = 0; i < count; i++) {
    const page = Math.floor(va / PAGE) + i;
    let table = Math.floor(cr3 / PAGE);
    for (const level of [3, 2, 1]) {
      const index = Math.floor(page / PFNS_PER_PAGE ** level);
      table = entry(table, ((index % PFNS_PER_PAGE) + PFNS_PER_PAGE) % PFNS_PER_PAGE);
    }
    leaves.push(entry(table, ((page % PFNS_PER_PAGE) + PFNS_PER_PAGE) % PFNS_PER_PAGE));
  }
  return leaves;
};
