/*
 * Xen reading and writing guest memory for a hypercall, through the page tables of the vCPU's current mode (copy_from_guest,
 * copy_to_guest). A range that is not canonical, reaches into Xen's part of the address space or is not mapped is refused, and
 * then nothing is copied. A page table of the guest cannot be written this way.
 */
import { isCanonicalAddress, PageFault } from '@port-xen/vcpu';
import type { MemoryVcpu } from './memory-domain.ts';

/** 0xffff800000000000 … 0xffff87ffffffffff are Xen's. */
const HYPERVISOR_START = -0x8000_0000_0000;
const HYPERVISOR_END = -0x7800_0000_0000;

/** Whether an address is the guest's: canonical and not in Xen's range (__addr_ok). */
export const isGuestAddress = (va: number): boolean =>
  isCanonicalAddress(va) && !(va >= HYPERVISOR_START && va < HYPERVISOR_END);

const isGuestRange = (va: number, length: number): boolean =>
  isGuestAddress(va) && (length <= 1 || isGuestAddress(va + length - 1)) && va + length !== 0;

/** @throws what is not a fault of the guest's tables */
const unreached = (error: unknown): false => {
  if (error instanceof PageFault) return false;
  throw error;
};

/** Fills the first `length` bytes of `into` from guest memory at `va`. @returns false for -EFAULT */
export const copyFromGuest = (
  vcpu: MemoryVcpu,
  va: number,
  into: Uint8Array,
  length: number = into.length,
): boolean => {
  if (!isGuestRange(va, length)) return false;
  try {
    vcpu.mmu.readPart(va, into, length);
    return true;
  } catch (error) {
    return unreached(error);
  }
};

/** Stores the first `length` bytes of `from` to guest memory at `va`. @returns false for -EFAULT */
export const copyToGuest = (
  vcpu: MemoryVcpu,
  va: number,
  from: Uint8Array,
  length: number = from.length,
): boolean => {
  if (!isGuestRange(va, length)) return false;
  try {
    vcpu.mmu.writeForXen(va, from, length);
    return true;
  } catch (error) {
    return unreached(error);
  }
};

/** As {@link copyToGuest}, in the guest kernel's address space whatever mode the vCPU is in: what the kernel asked to be told. */
export const copyToKernel = (vcpu: MemoryVcpu, va: number, from: Uint8Array): boolean => {
  const { mmu } = vcpu;
  const mode = mmu.kernelMode;
  mmu.kernelMode = true;
  const copied = copyToGuest(vcpu, va, from);
  mmu.kernelMode = mode;
  return copied;
};
