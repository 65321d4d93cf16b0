/*
 * HYPERVISOR_grant_table_op(cmd, array, count) (xen/common/grant_table.c): arrays of operations, each with a status of its own, and
 * the few that are about the table itself. Version 1 only: the host runs with gnttab=max-ver:1.
 */
import {
  __HYPERVISOR_grant_table_op,
  DOMID_SELF,
  GNTST_bad_domain,
  GNTST_bad_virt_addr,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GNTTABOP_copy,
  GNTTABOP_get_status_frames,
  GNTTABOP_get_version,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_set_version,
  GNTTABOP_setup_table,
  GNTTABOP_transfer,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_unmap_grant_ref,
  gnttab_copy,
  gnttab_get_status_frames,
  gnttab_get_version,
  gnttab_map_grant_ref,
  gnttab_query_size,
  gnttab_set_version,
  gnttab_setup_table,
  gnttab_transfer,
  gnttab_unmap_and_replace,
  gnttab_unmap_grant_ref,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import type { Struct, View } from '@port-xen/layout';
import type { Domain } from './domain.ts';
import { grantCopy } from './grant-copy.ts';
import { mapGrantRef, unmapAndReplace, unmapGrantRef } from './grant-map.ts';
import { grantTransfer } from './grant-transfer.ts';
import { isGuestAddress } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, returnStruct, returnU64 } from './guest-words.ts';

/** The domain that an operation names. */
const domainOf = (vcpu: GuestVcpu, domid: number): Domain | undefined =>
  domid === DOMID_SELF || domid === vcpu.domain.domid
    ? vcpu.domain
    : vcpu.domain.xen.domains.get(domid);

/** Whether the caller may ask about a domain's table. @returns GNTST_* */
const mayAsk = (vcpu: GuestVcpu, domain: Domain | undefined): number => {
  if (domain === undefined) return GNTST_bad_domain;
  return domain === vcpu.domain ? GNTST_okay : GNTST_permission_denied;
};

/** Runs `one` over an array of structs in guest memory. @returns 0, -EFAULT, or what a continuation gives */
const each = <S extends Struct>(
  vcpu: GuestVcpu,
  cmd: number,
  S: S,
  array: number,
  count: number,
  one: (vcpu: GuestVcpu, op: View<S>) => void,
): number => {
  for (let i = 0; i < count; i++) {
    const at = array + i * S.size;
    if (i > 0 && vcpu.preemptCheck()) {
      return vcpu.hypercallContinuation(__HYPERVISOR_grant_table_op, cmd, at, count - i);
    }
    const op = fetchStruct(vcpu, S, at);
    if (op === null) return -XEN_EFAULT;
    one(vcpu, op);
    if (!returnStruct(vcpu, S, at, op)) return -XEN_EFAULT;
  }
  return 0;
};

/** One struct, filled by `one` and given back. */
const single = <S extends Struct>(
  vcpu: GuestVcpu,
  S: S,
  arg: number,
  one: (op: View<S>) => number,
): number => {
  const op = fetchStruct(vcpu, S, arg);
  if (op === null) return -XEN_EFAULT;
  const rc = one(op);
  return returnStruct(vcpu, S, arg, op) ? rc : -XEN_EFAULT;
};

/** Grows the table and gives the MFNs of its frames. */
const setupTable = (vcpu: GuestVcpu, op: View<typeof gnttab_setup_table>): number => {
  const { nr_frames, frame_list } = op;
  const domain = domainOf(vcpu, op.dom);
  op.status = mayAsk(vcpu, domain);
  if (domain === undefined || op.status !== GNTST_okay) return 0;
  if (!domain.grants.grow(nr_frames)) {
    op.status = GNTST_general_error;
    return 0;
  }
  for (let i = 0; i < nr_frames; i++) {
    const given = returnU64(vcpu, frame_list + 8 * i, domain.grants.frames[i] as number);
    if (!given) op.status = GNTST_bad_virt_addr;
  }
  return 0;
};

const querySize = (vcpu: GuestVcpu, op: View<typeof gnttab_query_size>): number => {
  const domain = domainOf(vcpu, op.dom);
  op.status = mayAsk(vcpu, domain);
  if (domain === undefined || op.status !== GNTST_okay) return 0;
  op.nr_frames = domain.grants.frames.length;
  op.max_nr_frames = domain.grants.maxFrames;
  return 0;
};

/** Version 2 is as if set_version knew of none. */
const setVersion = (op: View<typeof gnttab_set_version>): number => {
  const wanted = op.version;
  op.version = 1;
  if (wanted !== 1 && wanted !== 2) return -XEN_EINVAL;
  return wanted === 2 ? -XEN_ENOSYS : 0;
};

const getVersion = (vcpu: GuestVcpu, arg: number): number => {
  const op = fetchStruct(vcpu, gnttab_get_version, arg);
  if (op === null) return -XEN_EFAULT;
  const domain = domainOf(vcpu, op.dom);
  if (domain === undefined) return -XEN_ESRCH;
  if (domain !== vcpu.domain) return -XEN_EPERM;
  op.version = 1;
  return returnStruct(vcpu, gnttab_get_version, arg, op) ? 0 : -XEN_EFAULT;
};

/** Status frames are version 2's: a table of version 1 has none. */
const getStatusFrames = (vcpu: GuestVcpu, op: View<typeof gnttab_get_status_frames>): number => {
  const refused = mayAsk(vcpu, domainOf(vcpu, op.dom));
  op.status = refused || (op.nr_frames > 0 ? GNTST_general_error : GNTST_okay);
  return 0;
};

/** @param count signed */
export const grantTableOp = (vcpu: GuestVcpu, cmd: number, arg: number, count: number): number => {
  if (count < 0) return -XEN_EINVAL;
  switch (cmd) {
    case GNTTABOP_map_grant_ref:
      return each(vcpu, cmd, gnttab_map_grant_ref, arg, count, mapGrantRef);
    case GNTTABOP_unmap_grant_ref:
      return each(vcpu, cmd, gnttab_unmap_grant_ref, arg, count, unmapGrantRef);
    case GNTTABOP_unmap_and_replace:
      return each(vcpu, cmd, gnttab_unmap_and_replace, arg, count, unmapAndReplace);
    case GNTTABOP_copy:
      return each(vcpu, cmd, gnttab_copy, arg, count, grantCopy);
    case GNTTABOP_transfer:
      return each(vcpu, cmd, gnttab_transfer, arg, count, grantTransfer);
    case GNTTABOP_set_version:
      return single(vcpu, gnttab_set_version, arg, setVersion);
    case GNTTABOP_get_version:
      return getVersion(vcpu, arg);
    case GNTTABOP_setup_table:
    case GNTTABOP_query_size:
    case GNTTABOP_get_status_frames:
      return count === 1 ? ofTable(vcpu, cmd, arg) : -XEN_EINVAL;
    default:
      return -XEN_ENOSYS;
  }
};

const ofTable = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  switch (cmd) {
    case GNTTABOP_setup_table: {
      const op = fetchStruct(vcpu, gnttab_setup_table, arg);
      if (op === null || (op.nr_frames > 0 && !isGuestAddress(op.frame_list))) return -XEN_EFAULT;
      return single(vcpu, gnttab_setup_table, arg, (wanted) => setupTable(vcpu, wanted));
    }
    case GNTTABOP_query_size:
      return single(vcpu, gnttab_query_size, arg, (wanted) => querySize(vcpu, wanted));
    default:
      return single(vcpu, gnttab_get_status_frames, arg, (wanted) => getStatusFrames(vcpu, wanted));
  }
};
