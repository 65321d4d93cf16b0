/*
 * GNTTABOP_map_grant_ref, _unmap_grant_ref and _unmap_and_replace (xen/common/grant_table.c).
 *
 * A mapping is of the host kind, a page-table entry, of the device kind, which here is a hold on the frame and no more, or of both.
 * Each is a pin of the grant of its own, and each is unmapped when its address is given: host_addr, dev_bus_addr. The handle goes
 * with the last.
 */
import {
  GNTMAP_contains_pte,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_general_error,
  GNTST_no_device_space,
  GNTST_okay,
  gnttab_map_grant_ref,
  gnttab_unmap_and_replace,
  gnttab_unmap_grant_ref,
} from '@port-xen/abi';
import type { Memory, View } from '@port-xen/layout';
import {
  createGrantHostMapping,
  destroyGrantHostMapping,
  type HostAddress,
  holdFrame,
  releaseFrame,
} from './grant-mapping.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

const PAGE_SIZE = 4096;
const TWO_32 = 2 ** 32;
const EITHER = GNTMAP_host_map | GNTMAP_device_map;

/** The address in a field of an operation. */
const hostAddress = (memory: Memory, at: number, flags: number): HostAddress => {
  const low = memory.ld32(at);
  const high = memory.ld32(at + 4);
  return { flags, va: high * TWO_32 + (low >>> 0), low, high };
};

const isNull = ({ low, high }: HostAddress): boolean => low === 0 && high === 0;

/** GNTTABOP_map_grant_ref, one operation. */
export const mapGrantRef = (vcpu: GuestVcpu, op: View<typeof gnttab_map_grant_ref>): void => {
  const { domain } = vcpu;
  const { host } = domain;
  const { flags, ref, dom } = op;
  if ((flags & EITHER) === 0) {
    op.status = GNTST_bad_gntref;
    return;
  }
  const granter = domain.xen.domains.get(dom);
  if (granter === undefined || granter.dying) {
    op.status = GNTST_bad_domain;
    return;
  }
  if (domain.maptrack.full) {
    op.status = GNTST_no_device_space;
    return;
  }
  const writable = (flags & GNTMAP_readonly) === 0;
  const onDevice = (flags & GNTMAP_device_map) !== 0;
  const onHost = (flags & GNTMAP_host_map) !== 0;
  const { status, mfn } = granter.grants.acquire(ref, domain.domid, writable, true);
  op.status = status;
  if (status !== GNTST_okay) return;
  const giveUp = (result: number): void => {
    granter.grants.release(ref, writable);
    op.status = result;
  };
  if (onDevice && !holdFrame(host, mfn, granter.domid, writable)) {
    giveUp(GNTST_general_error);
    return;
  }
  if (onHost) {
    const at = hostAddress(op.memory, op.address + gnttab_map_grant_ref.offset.host_addr, flags);
    const result = createGrantHostMapping(vcpu, at, mfn, granter.domid);
    if (result !== GNTST_okay) {
      if (onDevice) releaseFrame(host, mfn, writable);
      giveUp(result);
      return;
    }
    // The other kind's pin: what one pin was granted, a second one is.
    if (onDevice) granter.grants.acquire(ref, domain.domid, writable, true);
  }
  if (writable) host.markDirty(mfn);
  op.handle = domain.maptrack.add({ granter, ref, mfn, flags });
  op.dev_bus_addr = mfn * PAGE_SIZE;
};

/** GNTTABOP_unmap_grant_ref, one operation. */
export const unmapGrantRef = (vcpu: GuestVcpu, op: View<typeof gnttab_unmap_grant_ref>): void => {
  const { offset } = gnttab_unmap_grant_ref;
  const device = hostAddress(op.memory, op.address + offset.dev_bus_addr, 0);
  op.status = unmap(vcpu, op.memory, op.address, op.handle, device, null);
};

/** GNTTABOP_unmap_and_replace, one operation: the entry at new_addr moves into the place of the mapping. */
export const unmapAndReplace = (
  vcpu: GuestVcpu,
  op: View<typeof gnttab_unmap_and_replace>,
): void => {
  const { offset } = gnttab_unmap_and_replace;
  const replacement = hostAddress(op.memory, op.address + offset.new_addr, 0);
  op.status = unmap(vcpu, op.memory, op.address, op.handle, null, replacement);
};

/** @param at of host_addr, which both structs begin with */
const unmap = (
  vcpu: GuestVcpu,
  memory: Memory,
  at: number,
  handle: number,
  device: HostAddress | null,
  replacement: HostAddress | null,
): number => {
  const { domain } = vcpu;
  const { host, xen, maptrack } = domain;
  const mapping = maptrack.get(handle);
  if (mapping === undefined) return GNTST_bad_handle;
  const { flags, mfn } = mapping;
  const writable = (flags & GNTMAP_readonly) === 0;
  const place = hostAddress(memory, at, flags);
  const offDevice = device !== null && !isNull(device) && (flags & GNTMAP_device_map) !== 0;
  const offHost = !isNull(place) && (flags & GNTMAP_host_map) !== 0;
  if (offDevice && device.va !== mfn * PAGE_SIZE) return GNTST_general_error;
  if (offHost) {
    const other = replacement === null || isNull(replacement) ? undefined : replacement;
    if (other !== undefined && (flags & GNTMAP_contains_pte) !== 0) return GNTST_general_error;
    const result = destroyGrantHostMapping(vcpu, place, mfn, other);
    if (result !== GNTST_okay) return result;
  }
  const { granter } = mapping;
  if (offHost) {
    mapping.flags &= ~GNTMAP_host_map;
    granter.grants.release(mapping.ref, writable);
  }
  if (offDevice) {
    mapping.flags &= ~GNTMAP_device_map;
    granter.grants.release(mapping.ref, writable);
    releaseFrame(host, mfn, writable);
  }
  if ((mapping.flags & EITHER) === 0) maptrack.remove(handle);
  if (granter.dying) xen.reap();
  return GNTST_okay;
};
