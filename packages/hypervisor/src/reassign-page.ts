/*
 * MMUEXT_REASSIGN_PAGE of Xen 2, from domain 0: a page changes its owner, who is asked nothing but has given one away for it. Domain 0 has no
 * frames of its own here: it gets one from Xen for this, so that nothing of it is left with domain 0 either way.
 */
import { freeStolenFrame, giveFrame } from './domain-frames.ts';
import type { Hypervisor } from './hypervisor.ts';

/**
 * Gives a domain a page whose first bytes are `bytes`, the others zero.
 * @param bytes 4096 at most
 * @returns its MFN, of which the M2P says nothing; -1 when there is no such domain, or it is dying or at its limit, or Xen has no frame
 */
export const reassignFromDom0 = (xen: Hypervisor, bytes: Uint8Array, domid: number): number => {
  const { host } = xen;
  const to = xen.domains.get(domid);
  if (to === undefined) return -1;
  // Zeroed.
  const mfn = host.allocator.allocate(0);
  if (mfn < 0) return -1;
  host.memory.frameBytes(mfn).set(bytes);
  if (giveFrame(host, to, mfn)) {
    host.markDirty(mfn);
    return mfn;
  }
  freeStolenFrame(host, mfn);
  return -1;
};
