/*
 * GNTTABOP_transfer (xen/common/grant_table.c): a frame of the caller's becomes another domain's, which said by an entry of its
 * grant table that it takes one from the caller.
 *
 * The frame leaves the caller first. A transfer that fails after that has lost it: it is free.
 *
 * Domain 0 has no frames of its own here. What it transfers is a frame that it has just got for this (XENMEM_increase_reservation,
 * as Linux's netback does for each page that it flips), so that nothing of it is left with domain 0 either way.
 */
import {
  GNTST_bad_domain,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_no_device_space,
  GNTST_okay,
  GTF_accept_transfer,
  GTF_transfer_committed,
  GTF_transfer_completed,
  type gnttab_transfer,
} from '@port-xen/abi';
import type { View } from '@port-xen/layout';
import type { Domain } from './domain.ts';
import { freeStolenFrame, giveFrame, stealFrame } from './domain-frames.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import type { Hypervisor } from './hypervisor.ts';

/** One operation. */
export const grantTransfer = (vcpu: GuestVcpu, op: View<typeof gnttab_transfer>): void => {
  const { domain } = vcpu;
  const { host } = domain;
  const { mfn } = op;
  if (!stealFrame(host, domain, mfn)) {
    op.status = GNTST_bad_page;
    return;
  }
  const to = domain.xen.domains.get(op.domid);
  op.status = to === undefined ? GNTST_bad_domain : hand(domain.domid, to, op.ref, mfn);
  if (op.status !== GNTST_okay) freeStolenFrame(host, mfn);
};

/**
 * One operation of domain 0's: a page whose first bytes are `bytes`, the others zero.
 * @param bytes 4096 at most @returns GNTST_*
 */
export const transferFromDom0 = (
  xen: Hypervisor,
  bytes: Uint8Array,
  domid: number,
  ref: number,
): number => {
  const { host } = xen;
  const to = xen.domains.get(domid);
  if (to === undefined) return GNTST_bad_domain;
  // Zeroed.
  const mfn = host.allocator.allocate(0);
  if (mfn < 0) return GNTST_no_device_space;
  host.memory.frameBytes(mfn).set(bytes);
  const status = hand(0, to, ref, mfn);
  if (status !== GNTST_okay) freeStolenFrame(host, mfn);
  return status;
};

const hand = (from: number, to: Domain, ref: number, mfn: number): number => {
  const { memory } = to.host;
  const address = to.grants.addressOf(ref);
  if (to.dying || to.totPages >= to.maxPages || address < 0) return GNTST_general_error;
  const word = memory.ld32(address);
  if ((word & 0xffff) !== GTF_accept_transfer || word >>> 16 !== from) {
    return GNTST_general_error;
  }
  memory.st16(address, GTF_accept_transfer | GTF_transfer_committed);
  if (!giveFrame(to.host, to, mfn)) return GNTST_general_error;
  memory.st32(address + 4, mfn);
  memory.st16(address, GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
  return GNTST_okay;
};
