/*
 * GNTTABOP_copy (xen/common/grant_table.c): up to a page from one frame to another. Either side is a grant of any domain's to the
 * caller, or a frame of the caller's own (DOMID_SELF). Both are held while the copy lasts.
 */
import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  type gnttab_copy,
} from '@port-xen/abi';
import type { View } from '@port-xen/layout';
import type { Domain } from './domain.ts';
import { holdFrame, releaseFrame } from './grant-mapping.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

const PAGE_SIZE = 4096;

/** One side, held. */
interface Side {
  readonly status: number;
  readonly mfn: number;
  /** Whose grant it is; undefined for a frame of the caller's own. */
  readonly granter: Domain | undefined;
  readonly ref: number;
}

const failed = (status: number): Side => ({ status, mfn: -1, granter: undefined, ref: 0 });

const claim = (
  vcpu: GuestVcpu,
  ptr: View<typeof gnttab_copy>['source'],
  isRef: boolean,
  writable: boolean,
): Side => {
  const { domain } = vcpu;
  const { host, domid } = domain;
  const { u } = ptr;
  if (!isRef) {
    const mfn = u.gmfn;
    if (host.table.ownerOf(mfn) !== domid) return failed(GNTST_bad_page);
    if (!holdFrame(host, mfn, domid, writable)) return failed(GNTST_general_error);
    return { status: GNTST_okay, mfn, granter: undefined, ref: 0 };
  }
  const granter = namedBy(vcpu, ptr.domid);
  if (granter === undefined) return failed(GNTST_bad_domain);
  const { ref } = u;
  const { status, mfn } = granter.grants.acquire(ref, domid, writable, false);
  if (status !== GNTST_okay) return failed(status);
  if (!holdFrame(host, mfn, granter.domid, writable)) {
    granter.grants.release(ref, writable);
    return failed(GNTST_general_error);
  }
  return { status: GNTST_okay, mfn, granter, ref };
};

const letGo = (vcpu: GuestVcpu, side: Side, writable: boolean): void => {
  if (side.status !== GNTST_okay) return;
  releaseFrame(vcpu.domain.host, side.mfn, writable);
  side.granter?.grants.release(side.ref, writable);
};

const namedBy = (vcpu: GuestVcpu, domid: number): Domain | undefined => {
  if (domid === DOMID_SELF) return vcpu.domain;
  const domain = vcpu.domain.xen.domains.get(domid);
  return domain?.dying === true ? undefined : domain;
};

/** Whether a side may be named as it is. @returns GNTST_* */
const mayName = (vcpu: GuestVcpu, domid: number, isRef: boolean): number => {
  if (!isRef && domid !== DOMID_SELF) return GNTST_permission_denied;
  return namedBy(vcpu, domid) === undefined ? GNTST_bad_domain : GNTST_okay;
};

/** One operation. */
export const grantCopy = (vcpu: GuestVcpu, op: View<typeof gnttab_copy>): void => {
  const { source, dest, len, flags } = op;
  const fromRef = (flags & GNTCOPY_source_gref) !== 0;
  const toRef = (flags & GNTCOPY_dest_gref) !== 0;
  op.status = mayName(vcpu, source.domid, fromRef) || mayName(vcpu, dest.domid, toRef);
  if (op.status !== GNTST_okay) return;
  const from = claim(vcpu, source, fromRef, false);
  const to = from.status === GNTST_okay ? claim(vcpu, dest, toRef, true) : from;
  op.status = to.status;
  if (to.status === GNTST_okay) {
    op.status = copy(vcpu, from.mfn, source.offset, to.mfn, dest.offset, len);
    letGo(vcpu, to, true);
  }
  letGo(vcpu, from, false);
};

const copy = (
  vcpu: GuestVcpu,
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  length: number,
): number => {
  if (fromOffset + length > PAGE_SIZE || toOffset + length > PAGE_SIZE) return GNTST_bad_copy_arg;
  const { host } = vcpu.domain;
  host.memory.copy(to * PAGE_SIZE + toOffset, from * PAGE_SIZE + fromOffset, length);
  host.markDirty(to);
  return GNTST_okay;
};
