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
/** Words of vcpu_time_info: version, tsc_timestamp, system_time, tsc_to_system_mul, tsc_shift. */
const WORDS = 8;
const TSC = vcpu_time_info.offset.tsc_timestamp / 4;
const SYSTEM = vcpu_time_info.offset.system_time / 4;
const MUL = vcpu_time_info.offset.tsc_to_system_mul / 4;
const SHIFT = vcpu_time_info.offset.tsc_shift / 4;
const SHIFT_MAX = 31;
/** 2^shift at shift + SHIFT_MAX. */
const POWERS: readonly number[] = Array.from(
  { length: 2 * SHIFT_MAX + 1 },
  (_, i) => 2 ** (i - SHIFT_MAX),
);

/** Below this a half of mul makes a product that a double holds: half a minute at 2 GHz. */
const SHORT = 2 ** 36;

/** ⌊scaled × mul / 2^32⌋ for what is not short. */
const scaleLong = (scaled: number, mul: number): number => {
  const high = Math.floor(scaled / TWO_32);
  const low = scaled - high * TWO_32;
  const p = (low >>> 16) * mul;
  const q = (low & 0xffff) * mul;
  return high * mul + Math.floor((p + Math.floor(q / 0x1_0000)) / 0x1_0000);
};

/**
 * pvclock_scale_delta: TSC ticks in ns, rounded down.
 * @param delta below 2^53, also when shifted; negative counts as 0
 * @param mul unsigned 32 bits @param shift -31 … 31
 */
export const scaleDelta = (delta: number, mul: number, shift: number): number => {
  // A TSC below the stamp belongs to another processor; time does not go back for it.
  if (delta <= 0) return 0;
  const scaled = Math.floor(delta * (POWERS[shift + SHIFT_MAX] as number));
  if (scaled >= SHORT) return scaleLong(scaled, mul);
  const low = Math.floor((scaled * (mul & 0xffff)) / 0x1_0000);
  return Math.floor((scaled * (mul >>> 16) + low) / 0x1_0000);
};

/**
 * Nanoseconds from a system time, given by its halves, to now.
 * @param time address of the vCPU's vcpu_time_info
 */
export const nsSince = (cpu: Cpu, time: number, low: number, high: number): number => {
  for (;;) {
    const words = cpu.load(time, WORDS);
    const version = words[0] as number;
    const delta = cpu.tscSince(words[TSC] as number, words[TSC + 1] as number);
    if ((version & 1) !== 0 || cpu.memory.ld32(time) !== version) continue;
    const stamp_ns =
      ((words[SYSTEM + 1] as number) - high) * TWO_32 +
      (((words[SYSTEM] as number) >>> 0) - (low >>> 0));
    const shift = ((words[SHIFT] as number) << 24) >> 24;
    return stamp_ns + scaleDelta(delta, (words[MUL] as number) >>> 0, shift);
  }
};

/** Adds ns, |ns| up to 2^52, to the 64-bit word at an address. */
export const addNs = (memory: Memory, address: number, ns: number): void => {
  const low = (memory.ld32(address) >>> 0) + ns;
  const carry = Math.floor(low / TWO_32);
  memory.st32(address, low - carry * TWO_32);
  memory.st32(address + 4, memory.ld32(address + 4) + carry);
};

/** Stores the system time of now as a 64-bit word. A stamp that is torn does no harm: what is added makes up for it. */
export const storeSystemTime = (cpu: Cpu, time: number, into: number): void => {
  const { memory } = cpu;
  const words = cpu.load(time, WORDS);
  const low = words[SYSTEM] as number;
  const high = words[SYSTEM + 1] as number;
  memory.st32(into, low);
  memory.st32(into + 4, high);
  addNs(memory, into, nsSince(cpu, time, low, high));
};
