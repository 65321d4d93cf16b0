/*
 * HYPERVISOR_update_va_mapping: the L1 entry that maps an address in the current address space, with a TLB flush in the same call.
 *
 *   flags   bits 1…0: 0 nothing, 1 flush the TLB, 2 forget the address · bits 63…2: 0 this vCPU, 4 (bit 2 alone) all of the domain's,
 *           otherwise the address of a bitmap of vCPUs
 */
import {
  DOMID_IO,
  UVMF_ALL,
  UVMF_FLUSHTYPE_MASK,
  UVMF_INVLPG,
  UVMF_TLB_FLUSH,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import { allVcpus, maskedVcpus } from './flush-mask.ts';
import { mayActFor, pageOwner } from './foreign-domain.ts';
import { PGT_l1_page_table } from './frame-table.ts';
import { isGuestAddress } from './guest-copy.ts';
import type { MemoryVcpu } from './memory-domain.ts';
import { PTE_PRESENT, PTE_PSE, pteFrame } from './page-entry.ts';
import { slotOf } from './page-walk.ts';

/** @returns 0; -EINVAL without an L1 for the address; -errno of the entry's check; -EFAULT for the bitmap, the entry being written */
export const updateVaMapping = (
  vcpu: MemoryVcpu,
  va: number,
  low: number,
  high: number,
  flags: number,
): number => update(vcpu, va, low, high, flags, vcpu.domain.domid);

/** As {@link updateVaMapping}, the frame being `domid`'s. @returns also -ESRCH, -EPERM */
export const updateVaMappingOtherdomain = (
  vcpu: MemoryVcpu,
  va: number,
  low: number,
  high: number,
  flags: number,
  domid: number,
): number => {
  const owner = pageOwner(vcpu.domain, domid & 0xffff);
  if (owner < 0) return -XEN_ESRCH;
  return update(vcpu, va, low, high, flags, owner);
};

const update = (
  vcpu: MemoryVcpu,
  va: number,
  low: number,
  high: number,
  flags: number,
  frameOwner: number,
): number => {
  const { domain } = vcpu;
  if (frameOwner !== DOMID_IO && !mayActFor(domain, frameOwner)) return -XEN_EPERM;
  const { tables, types } = domain.host;
  const l1 = l1TableOf(vcpu, va);
  if (l1 < 0 || !types.getPage(l1, domain.domid)) return -XEN_EINVAL;
  const result = tables.modify(1, l1, slotOf(1, va), low, high, false, frameOwner);
  types.putPage(l1);
  return result === 0 ? flush(vcpu, va, flags) : result;
};

/**
 * The L1 table that maps an address in the vCPU's current address space.
 * @returns its MFN, or -1 when there is none: not the guest's address, a level absent, or a table of another level in its place
 */
export const l1TableOf = (vcpu: MemoryVcpu, va: number): number => {
  if (!isGuestAddress(va)) return -1;
  const { memory, table } = vcpu.domain.host;
  let mfn = vcpu.mmu.root;
  for (let level = 4; level > 1; level--) {
    if (mfn < 0) return -1;
    const at = memory.wordIndex(mfn) + slotOf(level, va) * 2;
    const low = memory.words[at] as number;
    if ((low & (PTE_PRESENT | PTE_PSE)) !== PTE_PRESENT) return -1;
    mfn = pteFrame(low, memory.words[at + 1] as number);
  }
  const i = table.index(mfn);
  return table.type[i] === PGT_l1_page_table && (table.typeRefs[i] as number) > 0 ? mfn : -1;
};

const flush = (vcpu: MemoryVcpu, va: number, flags: number): number => {
  const kind = flags & UVMF_FLUSHTYPE_MASK;
  if (kind !== UVMF_TLB_FLUSH && kind !== UVMF_INVLPG) return 0;
  const which = flags - kind;
  const vcpus =
    which === 0 ? [vcpu] : which === UVMF_ALL ? allVcpus(vcpu) : maskedVcpus(vcpu, which);
  if (vcpus === null) return -XEN_EFAULT;
  for (const { mmu } of vcpus) {
    if (kind === UVMF_TLB_FLUSH) mmu.flush();
    else mmu.invalidate(va);
  }
  return 0;
};
