/*
 * The two-level bitmaps in a domain's shared_info, as Xen writes them.
 */
import type { MachineMemory } from './machine-memory.ts';
import type { SharedInfoLayout } from './shared-info-layout.ts';

/** Ports of the two-level ABI, as Xen 3 lays it out. */
export const NR_EVENT_CHANNELS = 4096;

/** Sets a bit. @returns whether it was set before */
const testAndSet = (memory: MachineMemory, base: number, bit: number): boolean => {
  const at = base + 4 * (bit >>> 5);
  const old = memory.ld32(at);
  memory.st32(at, old | (1 << (bit & 31)));
  return (old & (1 << (bit & 31))) !== 0;
};

const test = (memory: MachineMemory, base: number, bit: number): boolean =>
  (memory.ld32(base + 4 * (bit >>> 5)) & (1 << (bit & 31))) !== 0;

/** evtchn_2l_clear_pending. */
export const clearPending = (
  memory: MachineMemory,
  layout: SharedInfoLayout,
  sharedInfo: number,
  port: number,
): void => {
  const at = sharedInfo + layout.pending + 4 * (port >>> 5);
  memory.st32(at, memory.ld32(at) & ~(1 << (port & 31)));
};

/** Whether a port is pending, masked or not (SCHEDOP_poll). */
export const isPending = (
  memory: MachineMemory,
  layout: SharedInfoLayout,
  sharedInfo: number,
  port: number,
): boolean => test(memory, sharedInfo + layout.pending, port);

/** Tells a vCPU to look at a word of ports. @returns whether its upcall became pending by this (vcpu_mark_events_pending) */
const select = (
  memory: MachineMemory,
  layout: SharedInfoLayout,
  vcpuInfo: number,
  port: number,
): boolean => {
  if (testAndSet(memory, vcpuInfo + layout.selector, port >>> layout.wordShift)) return false;
  const wasPending = memory.ld8(vcpuInfo) !== 0;
  memory.st8(vcpuInfo, 1);
  return !wasPending;
};

/**
 * evtchn_2l_set_pending.
 * @param sharedInfo @param vcpuInfo machine addresses
 * @returns 'quiet': it was pending; 'set': it is now, and no vCPU need be woken for it; 'told': an upcall became pending
 */
export const setPending = (
  memory: MachineMemory,
  layout: SharedInfoLayout,
  sharedInfo: number,
  vcpuInfo: number,
  port: number,
): 'quiet' | 'set' | 'told' => {
  if (testAndSet(memory, sharedInfo + layout.pending, port)) return 'quiet';
  if (test(memory, sharedInfo + layout.mask, port)) return 'set';
  return select(memory, layout, vcpuInfo, port) ? 'told' : 'set';
};

/** evtchn_2l_unmask. @returns whether an upcall became pending, for an event that waited */
export const unmask = (
  memory: MachineMemory,
  layout: SharedInfoLayout,
  sharedInfo: number,
  vcpuInfo: number,
  port: number,
): boolean => {
  const at = sharedInfo + layout.mask + 4 * (port >>> 5);
  const old = memory.ld32(at);
  const bit = 1 << (port & 31);
  memory.st32(at, old & ~bit);
  if ((old & bit) === 0 || !test(memory, sharedInfo + layout.pending, port)) return false;
  return select(memory, layout, vcpuInfo, port);
};
