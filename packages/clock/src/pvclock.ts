/*
 * Reading Xen's clock (vcpu_time_info, xen/include/public/xen.h):
 *
 *     repeat  v1 = version (even); read the rest; until version is still v1
 *     now     = system_time + ((tsc - tsc_timestamp) scaled by tsc_shift) × tsc_to_system_mul / 2^32   ns
 *
 * The product has 96 bits. It is taken in parts that a double holds exactly. System time is 64 bits wide and a double
 * holds 53 (104 days of ns), so it is never one number: it is two words in memory, and what is a number is the
 * difference between two of them.
 */
import { vcpu_time_info } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import type { Memory } from '@port-xen/layout';

const TWO_32 = 0x1_0000_0000;
const TSC = vcpu_time_info.offset.tsc_timestamp;
const SYSTEM = vcpu_time_info.offset.system_time;
const MUL = vcpu_time_info.offset.tsc_to_system_mul;
const SHIFT = vcpu_time_info.offset.tsc_shift;

/**
 * pvclock_scale_delta: TSC ticks in ns, rounded down.
 * @param delta below 2^53, also when shifted; negative counts as 0
 * @param mul unsigned 32 bits @param shift -31 … 31
 */
export const scaleDelta = (delta: number, mul: number, shift: number): number => {
  // A TSC below the stamp belongs to another processor; time does not go back for it.
  if (delta <= 0) return 0;
  const scaled =
    shift < 0 ? Math.floor(delta / ((1 << -shift) >>> 0)) : delta * ((1 << shift) >>> 0);
  const high = Math.floor(scaled / TWO_32);
  const low = scaled - high * TWO_32;
  const p = (low >>> 16) * mul;
  const q = (low & 0xffff) * mul;
  return high * mul + Math.floor((p + Math.floor(q / 0x1_0000)) / 0x1_0000);
};

/**
 * Nanoseconds from a system time, given by its halves, to now.
 * @param time address of the vCPU's vcpu_time_info
 */
export const nsSince = (cpu: Cpu, time: number, low: number, high: number): number => {
  const { memory } = cpu;
  for (;;) {
    const version = memory.ld32(time);
    const delta = cpu.tscSince(memory.ld32(time + TSC), memory.ld32(time + TSC + 4));
    const mul = memory.ld32(time + MUL) >>> 0;
    const shift = (memory.ld32(time + SHIFT) << 24) >> 24;
    const stampLow = memory.ld32(time + SYSTEM) >>> 0;
    const stampHigh = memory.ld32(time + SYSTEM + 4);
    if ((version & 1) !== 0 || memory.ld32(time) !== version) continue;
    return (stampHigh - high) * TWO_32 + (stampLow - (low >>> 0)) + scaleDelta(delta, mul, shift);
  }
};

/** Adds ns, |ns| up to 2^52, to the 64-bit word at an address. */
export const addNs = (memory: Memory, address: number, ns: number): void => {
  const low = (memory.ld32(address) >>> 0) + ns;
  const carry = Math.floor(low / TWO_32);
  memory.st32(address, low - carry * TWO_32);
  memory.st32(address + 4, memory.ld32(address + 4) + carry);
};

/** Stores the system time of now as a 64-bit word. */
export const storeSystemTime = (cpu: Cpu, time: number, into: number): void => {
  const { memory } = cpu;
  for (;;) {
    const version = memory.ld32(time);
    const low = memory.ld32(time + SYSTEM);
    const high = memory.ld32(time + SYSTEM + 4);
    if ((version & 1) !== 0 || memory.ld32(time) !== version) continue;
    memory.st32(into, low);
    memory.st32(into + 4, high);
    addNs(memory, into, nsSince(cpu, time, low, high));
    return;
  }
};
