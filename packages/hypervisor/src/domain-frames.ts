/*
 * Frames coming to a domain and leaving it.
 */

import { destroyGdt } from './descriptors.ts';
import {
  NO_OWNER,
  PGC_allocated,
  PGC_xen_heap,
  PGT_pinned,
  PGT_validated,
  PGT_writable_page,
} from './frame-table.ts';
import type { HostMemory } from './host-memory.ts';
import type { MemoryDomain } from './memory-domain.ts';
import { insist, ModelBug } from './model-bug.ts';
import { dropRoots } from './roots.ts';

const own = (host: HostMemory, mfn: number, domid: number, flags: number): void => {
  const { table } = host;
  const i = table.index(mfn);
  if (table.refs[i] !== 0) {
    throw new ModelBug(`a frame in use was given away: ${table.describe(mfn)}`);
  }
  table.owner[i] = domid;
  table.refs[i] = 1;
  table.flags[i] = flags;
};

/** Whether a domain may get that many frames more. */
const mayGet = (domain: MemoryDomain, frames: number): boolean =>
  !domain.dying && domain.totPages + frames <= domain.maxPages;

/**
 * Gives a domain 2^order zeroed frames.
 * @param pfn entered in the M2P for the first, counting on from there; -1 leaves the M2P alone
 * @returns the first MFN; -1 when the domain is at its limit or dying, or the host has no such block
 */
export const populate = (
  host: HostMemory,
  domain: MemoryDomain,
  order: number,
  pfn: number,
): number => {
  const count = 1 << order;
  if (!mayGet(domain, count)) return -1;
  const first = host.allocator.allocate(order);
  if (first < 0) return -1;
  for (let i = 0; i < count; i++) {
    own(host, first + i, domain.domid, PGC_allocated);
    if (pfn >= 0) host.m2p.set(first + i, pfn + i);
  }
  domain.totPages += count;
  return first;
};

/**
 * A frame of Xen's own that the domain may map writable but never make anything else of (shared_info, grant table). It does not
 * count for the domain's limits. @returns its MFN, or -1 when the host is full
 */
export const allocateXenFrame = (host: HostMemory, domain: MemoryDomain): number => {
  const mfn = host.allocator.allocate(0);
  if (mfn < 0) return -1;
  own(host, mfn, domain.domid, PGC_allocated | PGC_xen_heap | PGT_validated);
  const i = host.table.index(mfn);
  host.table.type[i] = PGT_writable_page;
  host.table.typeRefs[i] = 1;
  host.countXenFrames(domain.domid, 1);
  return mfn;
};

/** Lets go a frame of {@link allocateXenFrame}; it is free when nobody maps it any more. */
export const freeXenFrame = (host: HostMemory, mfn: number): void => {
  const flags = host.table.flags[host.table.index(mfn)] as number;
  insist((flags & PGC_xen_heap) !== 0, `expected Xen's frame, found ${host.table.describe(mfn)}`);
  host.types.putPageType(mfn);
  insist(host.types.putAllocated(mfn), `Xen's frame was freed twice: ${host.table.describe(mfn)}`);
};

/**
 * Takes a frame away from a domain that holds nothing but the owner's reference (steal_page): contents kept, owner none.
 * @returns whether it was in that state
 */
export const stealFrame = (host: HostMemory, domain: MemoryDomain, mfn: number): boolean => {
  const { table } = host;
  const i = table.index(mfn);
  if (i < 0 || table.owner[i] !== domain.domid || table.refs[i] !== 1) return false;
  const flags = (table.flags[i] as number) & (PGC_allocated | PGC_xen_heap | PGT_pinned);
  if (flags !== PGC_allocated) return false;
  host.flushAll();
  table.owner[i] = NO_OWNER;
  table.refs[i] = 0;
  table.type[i] = 0;
  table.flags[i] = 0;
  domain.totPages--;
  return true;
};

/** Gives a stolen frame to a domain. @returns false, nothing done, when it may not get one */
export const giveFrame = (host: HostMemory, domain: MemoryDomain, mfn: number): boolean => {
  if (!mayGet(domain, 1)) return false;
  exchangeFrame(host, domain, mfn);
  return true;
};

/** Gives a stolen frame, or a fresh one, in return for another: limits do not count. */
export const exchangeFrame = (host: HostMemory, domain: MemoryDomain, mfn: number): void => {
  own(host, mfn, domain.domid, PGC_allocated);
  domain.totPages++;
};

/** Frees a stolen frame. */
export const freeStolenFrame = (host: HostMemory, mfn: number): void => {
  host.m2p.set(mfn, -1);
  host.allocator.release(mfn);
};

/**
 * Takes everything from a dying domain (domain_relinquish_resources): the vCPUs' address spaces and descriptor tables, the pins,
 * and the owner's reference on each frame. What others still map is freed when they let go. Xen's own frames for the domain are
 * left to freeXenFrame.
 */
export const relinquishMemory = (host: HostMemory, domain: MemoryDomain): void => {
  insist(domain.dying, `expected domain ${domain.domid} to be dying`);
  for (const vcpu of domain.vcpus) {
    if (vcpu === undefined) continue;
    dropRoots(vcpu);
    destroyGdt(vcpu);
    vcpu.ldtEntries = 0;
  }
  eachFrameOf(host, domain.domid, (mfn) => void host.types.unpin(mfn, domain.domid));
  eachFrameOf(host, domain.domid, (mfn, flags) => {
    if ((flags & PGC_xen_heap) === 0) host.types.putAllocated(mfn);
  });
};

const eachFrameOf = (
  host: HostMemory,
  domid: number,
  visit: (mfn: number, flags: number) => void,
): void => {
  const { owner, flags, firstMfn } = host.table;
  for (let i = 0; i < owner.length; i++) {
    if (owner[i] === domid) visit(firstMfn + i, flags[i] as number);
  }
};
