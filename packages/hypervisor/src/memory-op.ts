/*
 * HYPERVISOR_memory_op: a domain's reservation, and what it may know of the machine.
 *
 *   cmd   bits 5…0: XENMEM_*; the rest: the extent that a continuation starts with
 *
 * The reservation calls return how many extents were done, and nothing of why there were not more.
 */
import {
  DOMID_SELF,
  MACH2PHYS_VIRT_END,
  MACH2PHYS_VIRT_START,
  XEN_EFAULT,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_increase_reservation,
  XENMEM_machphys_mapping,
  XENMEM_machphys_mfn_list,
  XENMEM_maximum_gpfn,
  XENMEM_maximum_ram_page,
  XENMEM_maximum_reservation,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
  xen_machphys_mapping,
  xen_machphys_mfn_list,
  xen_memory_map,
} from '@port-xen/abi';
import { anyDomain, mayActFor } from './foreign-domain.ts';
import { copyFromGuest, copyToGuest } from './guest-copy.ts';
import { fetchStruct, returnStruct, returnU64 } from './guest-words.ts';
import type { MemoryDomain, MemoryVcpu } from './memory-domain.ts';
import { memoryExchange } from './memory-exchange.ts';
import { memoryReservation } from './memory-reservation.ts';

const COMMAND_MASK = 63;
const COMMAND_SHIFT = 6;
/** An e820 entry. */
const E820_SIZE = 20;

/**
 * @param command 32 bits
 * @param arg guest address of the command's struct
 */
export const memoryOp = (vcpu: MemoryVcpu, command: number, arg: number): number => {
  const op = command & COMMAND_MASK;
  const start = command >>> COMMAND_SHIFT;
  const { domain } = vcpu;
  switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
      return memoryReservation(vcpu, op, arg, start);
    case XENMEM_exchange:
      return memoryExchange(vcpu, arg);
    case XENMEM_maximum_ram_page:
      return domain.host.m2p.maxMfn;
    case XENMEM_current_reservation:
      return ofDomain(vcpu, arg, (d) => d.totPages);
    case XENMEM_maximum_reservation:
      return ofDomain(vcpu, arg, (d) => d.maxPages);
    case XENMEM_maximum_gpfn:
      return ofDomain(vcpu, arg, (d) => Math.max(d.maxPfn, 1) - 1);
    case XENMEM_machphys_mfn_list:
      return machphysMfnList(vcpu, arg);
    case XENMEM_machphys_mapping:
      return machphysMapping(vcpu, arg);
    case XENMEM_memory_map:
      return memoryMap(vcpu, arg);
    default:
      return -XEN_ENOSYS;
  }
};

const ofDomain = (
  vcpu: MemoryVcpu,
  arg: number,
  answer: (domain: MemoryDomain) => number,
): number => {
  const bytes = new Uint8Array(2);
  if (!copyFromGuest(vcpu, arg, bytes)) return -XEN_EFAULT;
  const domid = new DataView(bytes.buffer).getUint16(0, true);
  const domain = anyDomain(vcpu.domain, domid);
  if (domain === undefined) return -XEN_ESRCH;
  if (domid !== DOMID_SELF && !mayActFor(vcpu.domain, domain.domid)) return -XEN_EPERM;
  return answer(domain);
};

/** MFNs of the M2P's 2 MiB chunks, from machine frame 0 on; a hole repeats the chunk before it. */
const machphysMfnList = (vcpu: MemoryVcpu, arg: number): number => {
  const list = fetchStruct(vcpu, xen_machphys_mfn_list, arg);
  if (list === null) return -XEN_EFAULT;
  const { m2p, memory } = vcpu.domain.host;
  const first = Math.floor(memory.firstMfn / 2 ** 18);
  const end = Math.min(list.max_extents, first + m2p.chunks.length);
  for (let i = 0; i < end; i++) {
    const mfn = m2p.chunks[i - first] ?? 0;
    if (!returnU64(vcpu, list.extent_start + i * 8, mfn)) return -XEN_EFAULT;
  }
  list.nr_extents = end;
  return returnStruct(vcpu, xen_machphys_mfn_list, arg, list) ? 0 : -XEN_EFAULT;
};

const machphysMapping = (vcpu: MemoryVcpu, arg: number): number => {
  const bytes = new Uint8Array(xen_machphys_mapping.size);
  if (!copyFromGuest(vcpu, arg, bytes)) return -XEN_EFAULT;
  const { v_start, v_end, max_mfn } = xen_machphys_mapping.offset;
  const put = (offset: number, value: number) =>
    new DataView(bytes.buffer).setBigInt64(offset, BigInt(value), true);
  put(v_start, MACH2PHYS_VIRT_START);
  put(v_end, MACH2PHYS_VIRT_END);
  put(max_mfn, vcpu.domain.host.m2p.maxMfn);
  return copyToGuest(vcpu, arg, bytes) ? 0 : -XEN_EFAULT;
};

const memoryMap = (vcpu: MemoryVcpu, arg: number): number => {
  const { e820 } = vcpu.domain;
  if (e820 === null) return -XEN_ENOSYS;
  const map = fetchStruct(vcpu, xen_memory_map, arg);
  if (map === null) return -XEN_EFAULT;
  const count = Math.min(map.nr_entries, Math.floor(e820.length / E820_SIZE));
  if (!copyToGuest(vcpu, map.buffer, e820.subarray(0, count * E820_SIZE))) return -XEN_EFAULT;
  map.nr_entries = count;
  return returnStruct(vcpu, xen_memory_map, arg, map) ? 0 : -XEN_EFAULT;
};
