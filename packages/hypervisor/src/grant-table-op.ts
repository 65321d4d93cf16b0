/*
 * HYPERVISOR_grant_table_op (xen/common/grant_table.c): arrays of operations, each with a status of its own.
 */
import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_no_device_space,
  GNTST_okay,
  GNTST_permission_denied,
  GNTTABOP_copy,
  GNTTABOP_get_version,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_set_version,
  GNTTABOP_setup_table,
  GNTTABOP_transfer,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_unmap_grant_ref,
  GTF_accept_transfer,
  GTF_transfer_committed,
  GTF_transfer_completed,
  GTF_type_mask,
  gnttab_copy,
  gnttab_get_version,
  gnttab_map_grant_ref,
  gnttab_query_size,
  gnttab_set_version,
  gnttab_setup_table,
  gnttab_transfer,
  gnttab_unmap_and_replace,
  gnttab_unmap_grant_ref,
  XEN_EBUSY,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import type { Memory, Struct, View } from '@port-xen/layout';
import type { Domain } from './domain.ts';
import { giveFrame, stealFrame } from './domain-frames.ts';
import {
  createGrantHostMapping,
  destroyGrantHostMapping,
  type HostAddress,
  holdFrame,
  releaseFrame,
} from './grant-mapping.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, returnStruct, returnU64 } from './guest-words.ts';

const COUNT_MAX = 0x10000;
const PAGE_SIZE = 4096;

type Caller = GuestVcpu;

/** Where a struct was copied to. */
interface Placed {
  readonly memory: Memory;
  readonly address: number;
}

/** The domain that an operation names. */
const domainOf = (vcpu: Caller, domid: number): Domain | undefined =>
  domid === DOMID_SELF || domid === vcpu.domain.domid
    ? vcpu.domain
    : vcpu.domain.xen.domains.get(domid);

/** Runs `one` over an array of structs in guest memory. @returns 0 or -errno */
const each = <S extends Struct>(
  vcpu: Caller,
  S: S,
  array: number,
  count: number,
  one: (op: View<S>) => void,
): number => {
  for (let i = 0; i < count; i++) {
    const at = array + i * S.size;
    const op = fetchStruct(vcpu, S, at);
    if (op === null) return -XEN_EFAULT;
    one(op);
    if (!returnStruct(vcpu, S, at, op)) return -XEN_EFAULT;
  }
  return 0;
};

/** host_addr of an operation, as address and as halves. */
const hostAddress = (op: Placed, offset: number, flags: number): HostAddress => {
  const low = op.memory.ld32(op.address + offset);
  const high = op.memory.ld32(op.address + offset + 4);
  return { flags, va: high * 0x1_0000_0000 + (low >>> 0), low, high };
};

const map = (vcpu: Caller, op: View<typeof gnttab_map_grant_ref>): void => {
  const granter = vcpu.domain.xen.domains.get(op.dom);
  const { flags, ref } = op;
  op.handle = 0;
  if ((flags & (GNTMAP_host_map | GNTMAP_device_map)) === 0) {
    op.status = GNTST_bad_gntref;
    return;
  }
  if (granter === undefined || granter.dying) {
    op.status = GNTST_bad_domain;
    return;
  }
  const writable = (flags & GNTMAP_readonly) === 0;
  const taken = granter.grants.acquire(ref, vcpu.domain.domid, writable);
  op.status = taken.status;
  if (taken.status !== GNTST_okay) return;
  const { host } = vcpu.domain;
  const fail = (status: number): void => {
    granter.grants.release(ref, writable);
    op.status = status;
  };
  const held = (flags & GNTMAP_device_map) !== 0;
  if (held && !holdFrame(host, taken.mfn, granter.domid, writable)) {
    fail(GNTST_general_error);
    return;
  }
  const at = hostAddress(op, gnttab_map_grant_ref.offset.host_addr, flags);
  if ((flags & GNTMAP_host_map) !== 0) {
    const status = createGrantHostMapping(vcpu, at, taken.mfn, granter.domid);
    if (status !== GNTST_okay) {
      if (held) releaseFrame(host, taken.mfn, writable);
      fail(status);
      return;
    }
  }
  const handle = vcpu.domain.maptrack.add({ domid: op.dom, ref, mfn: taken.mfn, flags });
  if (handle < 0) {
    if ((flags & GNTMAP_host_map) !== 0) destroyGrantHostMapping(vcpu, at, taken.mfn);
    if (held) releaseFrame(host, taken.mfn, writable);
    fail(GNTST_no_device_space);
    return;
  }
  if (writable) host.markDirty(taken.mfn);
  op.handle = handle;
  op.dev_bus_addr = taken.mfn * PAGE_SIZE;
};

const unmap = (
  vcpu: Caller,
  op: View<typeof gnttab_unmap_grant_ref>,
  replacement?: HostAddress,
): void => {
  const mapping = vcpu.domain.maptrack.get(op.handle);
  if (mapping === undefined) {
    op.status = GNTST_bad_handle;
    return;
  }
  const { host } = vcpu.domain;
  const writable = (mapping.flags & GNTMAP_readonly) === 0;
  if ((mapping.flags & GNTMAP_host_map) !== 0) {
    const at = hostAddress(op, 0, mapping.flags);
    const status = destroyGrantHostMapping(vcpu, at, mapping.mfn, replacement);
    if (status !== GNTST_okay) {
      op.status = status;
      return;
    }
  }
  if ((mapping.flags & GNTMAP_device_map) !== 0) releaseFrame(host, mapping.mfn, writable);
  if (writable) host.markDirty(mapping.mfn);
  vcpu.domain.maptrack.remove(op.handle);
  vcpu.domain.xen.domains.get(mapping.domid)?.grants.release(mapping.ref, writable);
  op.status = GNTST_okay;
};

/** One side of a copy, held while it lasts. */
interface Side {
  readonly status: number;
  readonly mfn: number;
  release(): void;
}

const NOTHING = (): void => {};

const sideOf = (
  vcpu: Caller,
  ptr: View<typeof gnttab_copy>['source'],
  isRef: boolean,
  writable: boolean,
): Side => {
  const failed = (status: number): Side => ({ status, mfn: -1, release: NOTHING });
  const { host, domid } = vcpu.domain;
  const domain = domainOf(vcpu, ptr.domid);
  if (domain === undefined || domain.dying) return failed(GNTST_bad_domain);
  if (isRef) {
    const ref = ptr.u.ref;
    const taken = domain.grants.acquire(ref, domid, writable);
    if (taken.status !== GNTST_okay) return failed(taken.status);
    if (!holdFrame(host, taken.mfn, domain.domid, writable)) {
      domain.grants.release(ref, writable);
      return failed(GNTST_bad_page);
    }
    return {
      status: GNTST_okay,
      mfn: taken.mfn,
      release: () => {
        releaseFrame(host, taken.mfn, writable);
        domain.grants.release(ref, writable);
      },
    };
  }
  if (domain !== vcpu.domain) return failed(GNTST_permission_denied);
  const mfn = ptr.u.gmfn;
  if (!holdFrame(host, mfn, domid, writable)) return failed(GNTST_bad_page);
  return { status: GNTST_okay, mfn, release: () => releaseFrame(host, mfn, writable) };
};

const copy = (vcpu: Caller, op: View<typeof gnttab_copy>): void => {
  const { source, dest, len, flags } = op;
  if (source.offset + len > PAGE_SIZE || dest.offset + len > PAGE_SIZE) {
    op.status = GNTST_bad_copy_arg;
    return;
  }
  const from = sideOf(vcpu, source, (flags & GNTCOPY_source_gref) !== 0, false);
  const to =
    from.status === GNTST_okay ? sideOf(vcpu, dest, (flags & GNTCOPY_dest_gref) !== 0, true) : from;
  op.status = to.status;
  if (to.status === GNTST_okay) {
    const { host } = vcpu.domain;
    const bytes = host.memory.frameBytes(from.mfn).slice(source.offset, source.offset + len);
    host.memory.frameBytes(to.mfn).set(bytes, dest.offset);
    host.markDirty(to.mfn);
    to.release();
  }
  from.release();
};

const transfer = (vcpu: Caller, op: View<typeof gnttab_transfer>): void => {
  const { host } = vcpu.domain;
  const to = vcpu.domain.xen.domains.get(op.domid);
  if (to === undefined || to === vcpu.domain || to.dying) {
    op.status = GNTST_bad_domain;
    return;
  }
  const address = to.grants.addressOf(op.ref);
  const word = address < 0 ? 0 : host.memory.ld32(address);
  const accepts =
    (word & GTF_type_mask) === GTF_accept_transfer && word >>> 16 === vcpu.domain.domid;
  if (!accepts || (word & (GTF_transfer_committed | GTF_transfer_completed)) !== 0) {
    op.status = GNTST_bad_gntref;
    return;
  }
  const { mfn } = op;
  if (!(mfn < 2 ** 31) || to.totPages >= to.maxPages || !stealFrame(host, vcpu.domain, mfn)) {
    op.status = GNTST_bad_page;
    return;
  }
  if (!giveFrame(host, to, mfn)) {
    op.status = GNTST_general_error;
    return;
  }
  host.memory.st16(address, (word & 0xffff) | GTF_transfer_committed);
  host.memory.st32(address + 4, mfn);
  host.memory.st16(address, (word & 0xffff) | GTF_transfer_committed | GTF_transfer_completed);
  op.status = GNTST_okay;
};

const setupTable = (vcpu: Caller, arg: number): number => {
  const op = fetchStruct(vcpu, gnttab_setup_table, arg);
  if (op === null) return -XEN_EFAULT;
  const domain = domainOf(vcpu, op.dom);
  if (domain === undefined) op.status = GNTST_bad_domain;
  else if (domain !== vcpu.domain) op.status = GNTST_permission_denied;
  else if (!domain.grants.grow(op.nr_frames)) op.status = GNTST_general_error;
  else {
    op.status = GNTST_okay;
    for (let i = 0; i < op.nr_frames; i++) {
      if (!returnU64(vcpu, op.frame_list + 8 * i, domain.grants.frames[i] as number)) {
        return -XEN_EFAULT;
      }
    }
  }
  return returnStruct(vcpu, gnttab_setup_table, arg, op) ? 0 : -XEN_EFAULT;
};

const querySize = (vcpu: Caller, arg: number): number => {
  const op = fetchStruct(vcpu, gnttab_query_size, arg);
  if (op === null) return -XEN_EFAULT;
  const domain = domainOf(vcpu, op.dom);
  if (domain === undefined) op.status = GNTST_bad_domain;
  else if (domain !== vcpu.domain) op.status = GNTST_permission_denied;
  else {
    op.nr_frames = domain.grants.frames.length;
    op.max_nr_frames = domain.grants.maxFrames;
    op.status = GNTST_okay;
  }
  return returnStruct(vcpu, gnttab_query_size, arg, op) ? 0 : -XEN_EFAULT;
};

const setVersion = (vcpu: Caller, arg: number): number => {
  const op = fetchStruct(vcpu, gnttab_set_version, arg);
  if (op === null) return -XEN_EFAULT;
  const wanted = op.version;
  let rc = 0;
  // A host may allow version 1 only (gnttab=max-ver:1), and this one does.
  if (wanted !== 1 && wanted !== 2) rc = -XEN_EINVAL;
  else if (wanted === 2) rc = -XEN_ENOSYS;
  else if (vcpu.domain.grants.busy) rc = -XEN_EBUSY;
  op.version = 1;
  return returnStruct(vcpu, gnttab_set_version, arg, op) ? rc : -XEN_EFAULT;
};

const getVersion = (vcpu: Caller, arg: number): number => {
  const op = fetchStruct(vcpu, gnttab_get_version, arg);
  if (op === null) return -XEN_EFAULT;
  const domain = domainOf(vcpu, op.dom);
  if (domain === undefined) return -XEN_ESRCH;
  if (domain !== vcpu.domain) return -XEN_EPERM;
  op.version = 1;
  return returnStruct(vcpu, gnttab_get_version, arg, op) ? 0 : -XEN_EFAULT;
};

/** HYPERVISOR_grant_table_op(cmd, array, count). */
export const grantTableOp = (vcpu: Caller, cmd: number, arg: number, count: number): number => {
  if (count > COUNT_MAX) return -XEN_EINVAL;
  switch (cmd) {
    case GNTTABOP_map_grant_ref:
      return each(vcpu, gnttab_map_grant_ref, arg, count, (op) => map(vcpu, op));
    case GNTTABOP_unmap_grant_ref:
      return each(vcpu, gnttab_unmap_grant_ref, arg, count, (op) => unmap(vcpu, op));
    case GNTTABOP_unmap_and_replace:
      return each(vcpu, gnttab_unmap_and_replace, arg, count, (op) =>
        unmap(
          vcpu,
          op as unknown as View<typeof gnttab_unmap_grant_ref>,
          hostAddress(op, gnttab_unmap_and_replace.offset.new_addr, 0),
        ),
      );
    case GNTTABOP_copy:
      return each(vcpu, gnttab_copy, arg, count, (op) => copy(vcpu, op));
    case GNTTABOP_transfer:
      return each(vcpu, gnttab_transfer, arg, count, (op) => transfer(vcpu, op));
    case GNTTABOP_setup_table:
      return count === 1 ? setupTable(vcpu, arg) : -XEN_EINVAL;
    case GNTTABOP_query_size:
      return count === 1 ? querySize(vcpu, arg) : -XEN_EINVAL;
    case GNTTABOP_set_version:
      return count === 1 ? setVersion(vcpu, arg) : -XEN_EINVAL;
    case GNTTABOP_get_version:
      return getVersion(vcpu, arg);
    default:
      return -XEN_ENOSYS;
  }
};
