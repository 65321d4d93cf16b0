/*
 * The two L4s of a vCPU: guest-kernel and guest-user address space. Each holds a general and an L4 type reference, so that an
 * address space in use stays a valid one whether it is pinned or not.
 */
import { XEN_EINVAL } from '@port-xen/abi';
import { destroyLdt } from './descriptors.ts';
import { PGT_l4_page_table } from './frame-table.ts';
import type { MemoryVcpu } from './memory-domain.ts';

const take = (vcpu: MemoryVcpu, mfn: number): number =>
  vcpu.domain.host.types.getPageAndType(mfn, vcpu.domain.domid, PGT_l4_page_table);

const drop = (vcpu: MemoryVcpu, mfn: number): void => {
  if (mfn >= 0) vcpu.domain.host.types.putPageAndType(mfn);
};

/**
 * MMUEXT_NEW_BASEPTR. The LDT is faulted in anew in the new address space.
 * @returns 0, or -errno of the check; the old root stays then
 */
export const newKernelRoot = (vcpu: MemoryVcpu, mfn: number): number => {
  const { mmu, domain } = vcpu;
  const old = mmu.kernelRoot;
  if (old !== mfn) {
    const result = take(vcpu, mfn);
    if (result !== 0) return result;
    destroyLdt(vcpu);
    if (!domain.m2pStrict) domain.host.xenTables.showM2p(mfn);
    mmu.kernelRoot = mfn;
    drop(vcpu, old);
  }
  mmu.flush();
  return 0;
};

/**
 * MMUEXT_NEW_USER_BASEPTR. MFN 0 is none.
 * @returns 0, or -errno of the check; the old root stays then
 */
export const newUserRoot = (vcpu: MemoryVcpu, mfn: number): number => {
  const { mmu, domain } = vcpu;
  const old = mmu.userRoot;
  if (mfn === Math.max(old, 0)) return 0;
  if (mfn !== 0) {
    const result = take(vcpu, mfn);
    if (result !== 0) return result;
    if (domain.m2pStrict) domain.host.xenTables.hideM2p(mfn);
  }
  mmu.userRoot = mfn === 0 ? -1 : mfn;
  drop(vcpu, old);
  mmu.flush();
  return 0;
};

/**
 * Gives a vCPU that has none its address spaces (XEN_DOMCTL_setvcpucontext).
 * @param user 0 for none
 * @returns 0, or -errno with none given
 */
export const installRoots = (vcpu: MemoryVcpu, kernel: number, user: number): number => {
  if (vcpu.mmu.kernelRoot >= 0 || vcpu.mmu.userRoot >= 0) return -XEN_EINVAL;
  const result = newKernelRoot(vcpu, kernel);
  if (result !== 0) return result;
  const userResult = newUserRoot(vcpu, user);
  if (userResult !== 0) dropRoots(vcpu);
  return userResult;
};

/** Leaves a vCPU without address spaces. */
export const dropRoots = (vcpu: MemoryVcpu): void => {
  const { kernelRoot, userRoot } = vcpu.mmu;
  destroyLdt(vcpu);
  vcpu.mmu.flush();
  vcpu.mmu.kernelRoot = -1;
  vcpu.mmu.userRoot = -1;
  drop(vcpu, kernelRoot);
  drop(vcpu, userRoot);
};
