/*
 * What became of the vCPU's time (VCPUOP_get_runstate_info): running, runnable but not run (stolen), blocked, offline. Xen's
 * totals are this domain's and start anew after a restore, so what they came to when the domain stopped is added afterwards: a
 * guest sees totals since boot, the time away not in them.
 *
 * Xen writes the totals, and since when the vCPU is in its state, into a place that the guest names, whenever the vCPU gets or
 * loses its processor (VCPUOP_register_runstate_memory_area). It does so too when the vCPU stops for a suspend, which is the one
 * moment that no guest can note by itself; so it is in the image, and the guest that wakes up knows to the nanosecond when it
 * stopped. Since when it lives again the same record tells, of the new host.
 */
import {
  __HYPERVISOR_vcpu_op,
  RUNSTATE_blocked,
  RUNSTATE_offline,
  RUNSTATE_runnable,
  RUNSTATE_running,
  VCPUOP_get_runstate_info,
  VCPUOP_register_runstate_memory_area,
  vcpu_register_runstate_memory_area,
  vcpu_runstate_info,
} from '@port-xen/abi';
import { BytesMemory, copy, type Memory, zero } from '@port-xen/layout';
import type { Clock } from './clock.ts';
import { clock_data } from './clock-data.ts';

const STATES = 4;
const TWO_32 = 0x1_0000_0000;

/** Adds a 64-bit word to another one, or takes it away: exact, and wraps. */
const addWord = (memory: Memory, to: number, source: Memory, from: number, sign: 1 | -1): void => {
  const low = (memory.ld32(to) >>> 0) + sign * (source.ld32(from) >>> 0);
  const carry = Math.floor(low / TWO_32);
  memory.st32(to, low - carry * TWO_32);
  memory.st32(to + 4, memory.ld32(to + 4) + sign * source.ld32(from + 4) + carry);
};

/** Adds to four 64-bit words at an address, or takes away, Xen's own totals as of now. */
const accumulate = (clock: Clock, memory: Memory, address: number, sign: 1 | -1): void => {
  const { cpu } = clock;
  const { time, address: at } = clock.kern.args.at(vcpu_runstate_info);
  cpu.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, cpu.id, at);
  for (let i = 0; i < STATES; i++) {
    addWord(memory, address + 8 * i, cpu.memory, time.address(i), sign);
  }
};

const baseOf = (clock: Clock): number => clock.data + clock_data.offset.runstate_base;

/** Has Xen keep the record at an address; 0 ends it. Here and now it is written as of the last change. */
const keepRecord = (clock: Clock, address: number): void => {
  const op = clock.kern.args.at(vcpu_register_runstate_memory_area);
  op.addr.v = address;
  clock.vcpuOp(VCPUOP_register_runstate_memory_area, op.address);
};

/** Nanoseconds in each state since boot: u64 by RUNSTATE_*. */
export const readRunstate = (clock: Clock): Uint8Array => {
  const words = new Uint8Array(8 * STATES);
  clock.cpu.memory.read(baseOf(clock), words);
  accumulate(clock, new BytesMemory(words), 0, 1);
  return words;
};

/** At boot: what Xen counts from here on is the guest's. */
export const startRunstate = (clock: Clock): void =>
  accumulate(clock, clock.cpu.memory, baseOf(clock), -1);

/** At the suspend: the domain's stop will be written down. */
export const runstateSuspend = (clock: Clock): void => {
  const { left, suspend_offline } = clock_data.offset;
  const { memory } = clock.cpu;
  keepRecord(clock, clock.data + left);
  const offline = clock.d.left.time.address(RUNSTATE_offline);
  copy(memory, clock.data + suspend_offline, offline, 8);
};

/**
 * At the resume: how far system time has moved on between the last moment of the life before and the first one of this, and
 * what Xen counts from here on is added to what it came to.
 * A domain that never left was offline, and Xen's totals go on, also where it is told that it was restored.
 */
export const runstateResume = (clock: Clock): void => {
  const { data } = clock;
  const { memory } = clock.cpu;
  const { left, arrived } = clock.d;
  keepRecord(clock, arrived.address);
  keepRecord(clock, 0);
  const shift = data + clock_data.offset.shift;
  const base = baseOf(clock);
  const add = (to: number, from: number, sign: 1 | -1): void =>
    addWord(memory, to, memory, from, sign);
  zero(memory, shift, 8);
  const offline = arrived.time.address(RUNSTATE_offline);
  // Xen has gone on with the record: it is the domain that was, whatever it is told.
  if (left.state !== RUNSTATE_offline) {
    add(shift, offline, 1);
    add(shift, data + clock_data.offset.suspend_offline, -1);
    add(base + 8 * RUNSTATE_offline, shift, -1);
    return;
  }
  // It has lived here for so long when it entered its present state.
  add(shift, arrived.address + vcpu_runstate_info.offset.state_entry_time, 1);
  for (const state of [RUNSTATE_running, RUNSTATE_runnable, RUNSTATE_blocked]) {
    add(shift, arrived.time.address(state), -1);
  }
  add(shift, left.address + vcpu_runstate_info.offset.state_entry_time, -1);
  for (let i = 0; i < STATES; i++) add(base + 8 * i, left.time.address(i), 1);
  add(base + 8 * RUNSTATE_offline, offline, -1);
};

/** System time of the life before becomes system time of this one. @param address of a 64-bit word */
export const shiftTime = (clock: Clock, address: number): void => {
  const { memory } = clock.cpu;
  addWord(memory, address, memory, clock.data + clock_data.offset.shift, 1);
};
