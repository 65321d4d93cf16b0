/*
 * GNTTABOP_transfer (xen/common/grant_table.c): a frame of the caller's becomes another domain's, which said by an entry of its
 * grant table that it takes one from the caller.
 *
 * The frame leaves the caller first. A transfer that fails after that has lost it: it is free.
 */
import {
  GNTST_bad_domain,
  GNTST_bad_page,
  GNTST_general_error,
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
  op.status = to === undefined ? GNTST_bad_domain : hand(domain, to, op.ref, mfn);
  if (op.status !== GNTST_okay) freeStolenFrame(host, mfn);
};

const hand = (from: Domain, to: Domain, ref: number, mfn: number): number => {
  const { memory } = to.host;
  const address = to.grants.addressOf(ref);
  if (to.dying || to.totPages >= to.maxPages || address < 0) return GNTST_general_error;
  const word = memory.ld32(address);
  if ((word & 0xffff) !== GTF_accept_transfer || word >>> 16 !== from.domid) {
    return GNTST_general_error;
  }
  memory.st16(address, GTF_accept_transfer | GTF_transfer_committed);
  if (!giveFrame(to.host, to, mfn)) return GNTST_general_error;
  memory.st32(address + 4, mfn);
  memory.st16(address, GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
  return GNTST_okay;
};
