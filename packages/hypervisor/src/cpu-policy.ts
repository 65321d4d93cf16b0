/*
 * The CPUID leaves and MSRs that a domain sees unless the toolstack says otherwise (XEN_DOMCTL_get_cpu_policy): an x86-64 processor
 * with SSE2 and XSAVE of x87 and SSE state, named by nobody's brand.
 */
import { XEN_CPUID_NO_SUBLEAF, xen_cpuid_leaf, xen_msr_entry } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';

/** leaf, subleaf, eax, ebx, ecx, edx */
const LEAVES: readonly (readonly number[])[] = [
  [0x0, XEN_CPUID_NO_SUBLEAF, 0xd, 0x68747541, 0x444d4163, 0x69746e65],
  [0x1, XEN_CPUID_NO_SUBLEAF, 0x00800f12, 0x00000800, 0x0c000001, 0x078bfbff],
  [0xd, 0x0, 0x3, 576, 576, 0],
  [0xd, 0x1, 0, 0, 0, 0],
  [0x80000000, XEN_CPUID_NO_SUBLEAF, 0x80000008, 0x68747541, 0x444d4163, 0x69746e65],
  [0x80000001, XEN_CPUID_NO_SUBLEAF, 0x00800f12, 0, 0x00000001, 0x20100800],
  [0x80000008, XEN_CPUID_NO_SUBLEAF, 0x00003030, 0, 0, 0],
];

const MSR_PLATFORM_INFO = 0xce;
const MSR_ARCH_CAPABILITIES = 0x10a;

/** 24 bytes a leaf. */
export const defaultLeaves = (): Uint8Array => {
  const bytes = new Uint8Array(LEAVES.length * xen_cpuid_leaf.size);
  const memory = new BytesMemory(bytes);
  LEAVES.forEach((words, i) => {
    words.forEach((word, j) => {
      memory.st32(i * xen_cpuid_leaf.size + 4 * j, word);
    });
  });
  return bytes;
};

/** 16 bytes an MSR. */
export const defaultMsrs = (): Uint8Array => {
  const bytes = new Uint8Array(2 * xen_msr_entry.size);
  const memory = new BytesMemory(bytes);
  [MSR_PLATFORM_INFO, MSR_ARCH_CAPABILITIES].forEach((index, i) => {
    xen_msr_entry.at(memory, i * xen_msr_entry.size).idx = index;
  });
  return bytes;
};
