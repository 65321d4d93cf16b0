/*
 * The P2M that a guest publishes in its shared_info, read as xc_domain_save reads it: by the guest's own page tables when
 * arch.p2m_cr3 is set, else through the tree that arch.pfn_to_mfn_frame_list_list names. What the guest says is not
 * believed: each frame of it must be one of the domain's (its M2P and its P2M agree).
 */
import { shared_info } from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import { ldI64, type Memory } from '@port-xen/layout';
import { GuestFrames } from './guest-frames.ts';
import { hex } from './hex.ts';
import { ToolstackError } from './toolstack-error.ts';

/** Entries of a page. */
const PER_PAGE = 512;
const PAGE = 4096;
const PRESENT = 1;

/** The largest count that the tree can hold. */
const MAX_PFNS = PER_PAGE ** 3;

/** What a guest's P2M says. */
export interface GuestP2m {
  /** The last pfn. */
  readonly maxPfn: number;
  /** The MFN of each pfn; -1 for none. Only the cross-check makes it one of the domain's. */
  readonly mfnOf: Int32Array;
  /** The pfns of the pages that hold the P2M. */
  readonly leafPfns: Int32Array;
  /** The pfn of a frame of the domain, else -1: what the M2P says, if the P2M agrees. */
  readonly pfnOf: (mfn: number) => number;
}

const wrong = (expected: string, found: string): never => {
  throw new ToolstackError(`Failed to map the guest's P2M: expected ${expected}, found ${found}`);
};

/** A word as an MFN; -1 for what cannot be one. */
const mfnAt = (memory: Memory, index: number): number => {
  const word = ldI64(memory, index * 8);
  return word >= 0 && word < 2 ** 31 ? word : -1;
};

/** The MFNs of the leaf pages, from the tree of frame lists. */
const leavesOfTree = (frames: GuestFrames, root: number, count: number): number[] =>
  frames.with(root, (_, list) => {
    const leaves: number[] = [];
    for (let i = 0; leaves.length < count; i++) {
      const page = mfnAt(list, i);
      if (page <= 0) return wrong(`a frame in frame_list_list[${i}]`, hex(page));
      frames.with(page, (_bytes, memory) => {
        for (let j = 0; j < PER_PAGE && leaves.length < count; j++) leaves.push(mfnAt(memory, j));
      });
    }
    return leaves;
  });

/** The MFNs of the leaf pages, by walking the page tables at `cr3` from `va` on. */
const leavesOfTables = (frames: GuestFrames, cr3: number, va: number, count: number): number[] => {
  const leaves: number[] = [];
  const entry = (table: number, index: number): number =>
    frames.with(table, (_, memory) => {
      const low = memory.ld32(index * 8);
      const high = memory.ld32(index * 8 + 4) & 0xfffff;
      if ((low & PRESENT) === 0 || high >= 0x800) {
        return wrong(
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
      const index = Math.floor(page / PER_PAGE ** level);
      table = entry(table, ((index % PER_PAGE) + PER_PAGE) % PER_PAGE);
    }
    leaves.push(entry(table, ((page % PER_PAGE) + PER_PAGE) % PER_PAGE));
  }
  return leaves;
};

/**
 * Reads a suspended domain's P2M.
 *
 * @param sharedInfo the domain's shared_info page
 * @throws ToolstackError if it is not published, or not as it should be; XenError if it names frames that are not the domain's
 */
export const readGuestP2m = (hv: Hypervisor, domid: number, sharedInfo: Memory): GuestP2m => {
  const frames = new GuestFrames(hv, domid);
  const { arch } = shared_info.at(sharedInfo, 0);
  const pages = arch.max_pfn;
  if (pages < 1 || pages > MAX_PFNS) {
    wrong(`arch.max_pfn within [1, ${MAX_PFNS}]`, `${pages}: the guest has not published it`);
  }
  const count = Math.ceil(pages / PER_PAGE);
  const root = mfnAt(sharedInfo, (shared_info.offset.arch + 8) / 8);
  const linear = arch.p2m_cr3 !== 0;
  if (!linear && root <= 0) wrong('arch.pfn_to_mfn_frame_list_list to be an MFN', hex(root));
  const leaves = linear
    ? leavesOfTables(frames, arch.p2m_cr3, ldI64(sharedInfo, shared_info.offset.arch + 32), count)
    : leavesOfTree(frames, root, count);

  const mfnOf = new Int32Array(pages).fill(-1);
  for (const [page, leaf] of leaves.entries()) {
    frames.with(leaf, (_, memory) => {
      const first = page * PER_PAGE;
      const some = Math.min(PER_PAGE, pages - first);
      for (let i = 0; i < some; i++) mfnOf[first + i] = mfnAt(memory, i);
    });
  }
  const { m2p } = hv;
  const pfnOf = (mfn: number): number => {
    if (mfn < 0 || mfn > m2p.maxMfn) return -1;
    const pfn = m2p.get(mfn);
    return pfn >= 0 && pfn < pages && mfnOf[pfn] === mfn ? pfn : -1;
  };
  const leafPfns = Int32Array.from(leaves, (mfn, i) => {
    const pfn = pfnOf(mfn);
    return pfn < 0 ? wrong(`p2m_frame_list[${i}] to be a frame of the domain`, hex(mfn)) : pfn;
  });
  return { maxPfn: pages - 1, mfnOf, leafPfns, pfnOf };
};
