/*
 * What became of the vCPU's time (VCPUOP_get_runstate_info): running, runnable but not run (stolen), blocked, offline. Xen's
 * totals are this domain's and start anew after a restore, so the clock notes them at the suspend and adds the difference
 * afterwards: a guest sees totals since boot, the time away not in them.
 */
import { __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, vcpu_runstate_info } from '@port-xen/abi';
import { BytesMemory, type Memory } from '@port-xen/layout';
import type { Clock } from './clock.ts';
import { clock_data } from './clock-data.ts';

const STATES = 4;
const TWO_32 = 0x1_0000_0000;

/** Adds to four 64-bit words at an address, or takes away, Xen's own totals: exact in all 64 bits. */
const accumulate = (clock: Clock, memory: Memory, address: number, sign: 1 | -1): void => {
  const { cpu } = clock;
  const { time, address: at } = clock.kern.args.at(vcpu_runstate_info);
  cpu.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, cpu.id, at);
  for (let i = 0; i < STATES; i++) {
    const from = time.address(i);
    const to = address + 8 * i;
    const low = (memory.ld32(to) >>> 0) + sign * (cpu.memory.ld32(from) >>> 0);
    const carry = Math.floor(low / TWO_32);
    memory.st32(to, low - carry * TWO_32);
    memory.st32(to + 4, memory.ld32(to + 4) + sign * cpu.memory.ld32(from + 4) + carry);
  }
};

const baseOf = (clock: Clock): number => clock.data + clock_data.offset.runstate_base;

/** Nanoseconds in each state since boot: u64 by RUNSTATE_*. */
export const readRunstate = (clock: Clock): Uint8Array => {
  const words = new Uint8Array(8 * STATES);
  clock.cpu.memory.read(baseOf(clock), words);
  accumulate(clock, new BytesMemory(words), 0, 1);
  return words;
};

/** At the suspend: the base becomes the totals. */
export const noteRunstate = (clock: Clock): void =>
  accumulate(clock, clock.cpu.memory, baseOf(clock), 1);

/** At the resume: what Xen counts from here on is added. */
export const resumeRunstate = (clock: Clock): void =>
  accumulate(clock, clock.cpu.memory, baseOf(clock), -1);
