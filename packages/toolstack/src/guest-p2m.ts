/*
 * The P2M that a guest publishes in its shared_info, read as xc_domain_save reads it: by the guest's own page tables when
 * arch.p2m_cr3 is set, else through the tree that arch.pfn_to_mfn_frame_list_list names. What the guest says is not
 * believed: each frame of it must be one of the domain's (its M2P and its P2M agree).
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import type { Memory } from '@port-xen/layout';
import { GuestFrames } from './guest-frames.ts';
import { guestInterface } from './guest-interface.ts';
import { hex } from './hex.ts';
import { mfnAt, PFNS_PER_PAGE, wrongP2m } from './p2m-leaves.ts';

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

/**
 * Reads a suspended domain's P2M.
 *
 * @param sharedInfo the domain's shared_info page
 * @throws ToolstackError if it is not published, or not as it should be; XenError if it names frames that are not the domain's
 */
export const readGuestP2m = (hv: Hypervisor, domid: number, sharedInfo: Memory): GuestP2m => {
  const frames = new GuestFrames(hv, domid);
  const { interface: name } = hv.domctl.getDomainInfo(domid);
  const { pages, leaves } = guestInterface(name).p2mPlace(hv, domid, sharedInfo);
  const mfnOf = new Int32Array(pages).fill(-1);
  for (const [page, leaf] of leaves.entries()) {
    frames.with(leaf, (_, memory) => {
      const first = page * PFNS_PER_PAGE;
      const some = Math.min(PFNS_PER_PAGE, pages - first);
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
    return pfn < 0 ? wrongP2m(`p2m_frame_list[${i}] to be a frame of the domain`, hex(mfn)) : pfn;
  });
  return { maxPfn: pages - 1, mfnOf, leafPfns, pfnOf };
};
