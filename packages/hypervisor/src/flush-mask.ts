/*
 * Which vCPUs' TLBs a guest means: a bitmap in guest memory, one bit per vCPU, 64 to a word.
 */
import { fetchU32 } from './guest-words.ts';
import type { MemoryVcpu } from './memory-domain.ts';

/** vCPUs of a bitmap in guest memory; null for -EFAULT. Bits of vCPUs that do not exist mean nothing. */
export const maskedVcpus = (vcpu: MemoryVcpu, bitmap: number): MemoryVcpu[] | null => {
  const { vcpus } = vcpu.domain;
  const chosen: MemoryVcpu[] = [];
  for (let first = 0; first < vcpus.length; first += 64) {
    const low = fetchU32(vcpu, bitmap + first / 8);
    const high = fetchU32(vcpu, bitmap + first / 8 + 4);
    if (low === undefined || high === undefined) return null;
    for (let bit = 0; bit < 64; bit++) {
      const set = bit < 32 ? (low >>> bit) & 1 : (high >>> (bit - 32)) & 1;
      const other = vcpus[first + bit];
      if (set === 1 && other !== undefined) chosen.push(other);
    }
  }
  return chosen;
};

/** All vCPUs of the caller's domain. */
export const allVcpus = (vcpu: MemoryVcpu): MemoryVcpu[] =>
  vcpu.domain.vcpus.filter((other) => other !== undefined);
