/*
 * XENMEM_increase_reservation, _decrease_reservation and _populate_physmap: lists of extents of 2^order frames.
 *
 *   increase   out: MFNs given (no list, no telling); the guest enters them in the M2P itself
 *   populate   in: pfns, out: MFNs in their places; entered in the M2P
 *   decrease   in: MFNs; the owner's reference goes, the frame when nothing maps it any more
 */
import {
  __HYPERVISOR_memory_op,
  XEN_EFAULT,
  XEN_EPERM,
  XENMEM_decrease_reservation,
  XENMEM_populate_physmap,
  XENMEMF_populate_on_demand,
  xen_memory_reservation,
} from '@port-xen/abi';
import { populate } from './domain-frames.ts';
import { anyDomain, mayActFor } from './foreign-domain.ts';
import { EXTENT_ORDER } from './frame-allocator.ts';
import { PGC_xen_heap } from './frame-table.ts';
import { fetchStruct, fetchU64, returnU64 } from './guest-words.ts';
import type { MemoryDomain, MemoryVcpu } from './memory-domain.ts';

/** More extents cannot be said in a continuation's command. */
const MAX_EXTENTS = 2 ** 26 - 1;
const COMMAND_SHIFT = 6;
/** Beyond, a pfn is none: the M2P entry stays invalid. */
const MAX_PFN = 2 ** 31;

interface Reservation {
  readonly vcpu: MemoryVcpu;
  readonly domain: MemoryDomain;
  /** Guest address of the list, 0 for none. */
  readonly list: number;
  readonly order: number;
}

/** @returns extents done, from the first on; -EFAULT, -EPERM */
export const memoryReservation = (
  vcpu: MemoryVcpu,
  op: number,
  arg: number,
  start: number,
): number => {
  const wanted = fetchStruct(vcpu, xen_memory_reservation, arg);
  if (wanted === null) return -XEN_EFAULT;
  const { nr_extents, extent_order, extent_start, mem_flags, domid } = wanted;
  if (nr_extents > MAX_EXTENTS || start >= nr_extents || extent_order > EXTENT_ORDER) return start;
  const domain = anyDomain(vcpu.domain, domid);
  if (domain === undefined) return start;
  if (!mayActFor(vcpu.domain, domain.domid)) return -XEN_EPERM;
  const reservation = { vcpu, domain, list: extent_start, order: extent_order };
  if (op !== XENMEM_decrease_reservation && !satisfiable(reservation, mem_flags)) return start;
  for (let i = start; i < nr_extents; i++) {
    if (i > start && vcpu.preemptCheck()) {
      const command = op + i * 2 ** COMMAND_SHIFT;
      return vcpu.hypercallContinuation(__HYPERVISOR_memory_op, command, arg);
    }
    const done =
      op === XENMEM_decrease_reservation
        ? decrease(reservation, i)
        : increase(reservation, i, op === XENMEM_populate_physmap);
    if (!done) return i;
  }
  return nr_extents;
};

/** An address limit that all of this host's frames are under; nothing on demand. */
const satisfiable = ({ domain }: Reservation, flags: number): boolean => {
  const bits = flags & 0xff;
  const limited = bits !== 0 && domain.host.m2p.maxMfn >= 2 ** (bits - 12);
  return !limited && (flags & XENMEMF_populate_on_demand) === 0;
};

const increase = (reservation: Reservation, i: number, withPfn: boolean): boolean => {
  const { vcpu, domain, list, order } = reservation;
  const at = list + i * 8;
  let pfn = -1;
  if (withPfn) {
    const given = fetchU64(vcpu, at);
    if (given === undefined) return false;
    if (given + 2 ** order <= MAX_PFN) pfn = given;
  }
  const mfn = populate(domain.host, domain, order, pfn);
  if (mfn < 0) return false;
  return list === 0 || returnU64(vcpu, at, mfn);
};

const decrease = (reservation: Reservation, i: number): boolean => {
  const { vcpu, domain, list, order } = reservation;
  const { types, table } = domain.host;
  const first = fetchU64(vcpu, list + i * 8);
  if (first === undefined) return false;
  for (let k = 0; k < 2 ** order; k++) {
    const mfn = first + k;
    if (!types.getPage(mfn, domain.domid)) return false;
    const xens = ((table.flags[table.index(mfn)] as number) & PGC_xen_heap) !== 0;
    if (!xens) types.putAllocated(mfn);
    types.putPage(mfn);
    if (xens) return false;
  }
  return true;
};
