/*
 * HYPERVISOR_mmuext_op: pins, address spaces, TLB, LDT, clearing and copying pages.
 *
 *   request   cmd u32 @0 | arg1: mfn or linear_addr u64 @8 | arg2: nr_ents u32, vcpumask address or src_mfn @16
 */
import {
  __HYPERVISOR_mmuext_op,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_COPY_PAGE,
  MMUEXT_FLUSH_CACHE,
  MMUEXT_FLUSH_CACHE_GLOBAL,
  MMUEXT_INVLPG_ALL,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_INVLPG_MULTI,
  MMUEXT_MARK_SUPER,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_SET_LDT,
  MMUEXT_TLB_FLUSH_ALL,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_TLB_FLUSH_MULTI,
  MMUEXT_UNMARK_SUPER,
  MMUEXT_UNPIN_TABLE,
  XEN_EACCES,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import { runBatch } from './batch.ts';
import { setLdt } from './descriptors.ts';
import { allVcpus, maskedVcpus } from './flush-mask.ts';
import { mayActFor, pageOwner } from './foreign-domain.ts';
import { PGT_writable_page } from './frame-table.ts';
import type { HostMemory } from './host-memory.ts';
import type { MemoryVcpu } from './memory-domain.ts';
import { newKernelRoot, newUserRoot } from './roots.ts';

const TWO_32 = 2 ** 32;

/** @returns 0 or the first failure's -errno; `*pdone` counts what was done */
export const mmuextOp = (
  vcpu: MemoryVcpu,
  requests: number,
  count: number,
  pdone: number,
  foreigndom: number,
): number => {
  const owner = pageOwner(vcpu.domain, foreigndom & 0xffff);
  if (owner < 0) return -XEN_ESRCH;
  if (!mayActFor(vcpu.domain, owner)) return -XEN_EPERM;
  const batch = { nr: __HYPERVISOR_mmuext_op, requests, size: 24, count, pdone, foreigndom };
  return runBatch(vcpu, batch, (request) => perform(vcpu, owner, request));
};

const perform = (vcpu: MemoryVcpu, owner: number, request: DataView): number => {
  const { host } = vcpu.domain;
  const command = request.getUint32(0, true);
  const arg1 = request.getInt32(12, true) * TWO_32 + request.getUint32(8, true);
  const arg2 = request.getInt32(20, true) * TWO_32 + request.getUint32(16, true);
  if (command >= MMUEXT_PIN_L1_TABLE && command <= MMUEXT_PIN_L4_TABLE) {
    return host.types.pin(arg1, owner, command + 1);
  }
  switch (command) {
    case MMUEXT_UNPIN_TABLE:
      return host.types.unpin(arg1, owner);
    case MMUEXT_CLEAR_PAGE:
      return clearPage(host, owner, arg1);
    case MMUEXT_COPY_PAGE:
      return copyPage(host, owner, arg1, arg2);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
      return -XEN_EOPNOTSUPP;
    default:
      return forCaller(vcpu, owner, command, arg1, arg2, request);
  }
};

/** Commands about the calling vCPU or domain only. */
const forCaller = (
  vcpu: MemoryVcpu,
  owner: number,
  command: number,
  arg1: number,
  arg2: number,
  request: DataView,
): number => {
  const refused = owner === vcpu.domain.domid ? 0 : -XEN_EPERM;
  switch (command) {
    case MMUEXT_NEW_BASEPTR:
      return refused || newKernelRoot(vcpu, arg1);
    case MMUEXT_NEW_USER_BASEPTR:
      return refused || newUserRoot(vcpu, arg1);
    case MMUEXT_TLB_FLUSH_LOCAL:
      return refused || flush([vcpu]);
    case MMUEXT_INVLPG_LOCAL:
      return refused || flush([vcpu], arg1);
    case MMUEXT_TLB_FLUSH_MULTI:
      return refused || flush(maskedVcpus(vcpu, arg2));
    case MMUEXT_INVLPG_MULTI:
      return refused || flush(maskedVcpus(vcpu, arg2), arg1);
    case MMUEXT_TLB_FLUSH_ALL:
      return refused || flush(allVcpus(vcpu));
    case MMUEXT_INVLPG_ALL:
      return refused || flush(allVcpus(vcpu), arg1);
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
      return refused || -XEN_EACCES;
    case MMUEXT_SET_LDT:
      return refused || setLdt(vcpu, arg1, request.getUint32(16, true));
    default:
      return -XEN_ENOSYS;
  }
};

/** Empties TLBs, or forgets one address in them. @returns 0, or -EINVAL for a bitmap that could not be read */
const flush = (vcpus: MemoryVcpu[] | null, va?: number): number => {
  if (vcpus === null) return -XEN_EINVAL;
  for (const { mmu } of vcpus) {
    if (va === undefined) mmu.flush();
    else mmu.invalidate(va);
  }
  return 0;
};

const clearPage = (host: HostMemory, owner: number, mfn: number): number => {
  if (host.types.getPageAndType(mfn, owner, PGT_writable_page) !== 0) return -XEN_EINVAL;
  host.markDirty(mfn);
  host.memory.frameBytes(mfn).fill(0);
  host.types.putPageAndType(mfn);
  return 0;
};

const copyPage = (host: HostMemory, owner: number, to: number, from: number): number => {
  if (!host.types.getPage(from, owner)) return -XEN_EINVAL;
  const result = host.types.getPageAndType(to, owner, PGT_writable_page);
  if (result === 0) {
    host.markDirty(to);
    host.memory.frameBytes(to).set(host.memory.frameBytes(from));
    host.types.putPageAndType(to);
  }
  host.types.putPage(from);
  return result === 0 ? 0 : -XEN_EINVAL;
};
