/*
 * Where things are in a domain's shared_info, and how wide: the one difference between domains that a kernel's ELF note asks for. Everything
 * that Xen writes there goes through the domain's layout.
 *
 *     xen-3.0   vcpu_info[32] at 0, 64 bytes each: upcall bytes, selector of 64 bits, cr2, time · 4096 ports in words of 64 bits
 *     xen-2.0   vcpu_data[1] at 0, 4 bytes: upcall bytes · selector of 32 bits, 1024 ports in words of 32 bits, time: the domain's own
 *
 * In both the upcall bytes come first, `pending` and then `mask`. What each event needs is a number here, and both have their fields in one
 * order and so one shape, so that reading it costs a load; only what happens once a second is a function that differs.
 */
import {
  shared_info,
  vcpu_info,
  XEN_LEGACY_MAX_VCPUS,
  XEN2_CR2_OFFSET,
  XEN2_MAX_VIRT_CPUS,
  XEN2_NR_EVENT_CHANNELS,
  xen2_shared_info,
} from '@port-xen/abi';
import type { Memory } from '@port-xen/layout';
import type { Tsc } from '@port-xen/vcpu';
import type { DomainTsc } from './domain-tsc.ts';
import { type HostClock, writeTimeInfo } from './pvclock.ts';
import { writeXen2Time } from './xen2-time.ts';

/** The Xen whose shared_info a domain has. */
export type SharedInfoName = 'xen-3.0' | 'xen-2.0';

/** What is written of time. */
export interface TimeSource {
  readonly clock: HostClock;
  /** The domain's counter at `stamp_ns`. */
  readonly tsc: Tsc;
  readonly rate: Pick<DomainTsc, 'scale' | 'khz'>;
  /** Host time of the clock. */
  readonly stamp_ns: number;
  /** The domain's own offset of the wall clock. */
  readonly offset_s: number;
}

export interface SharedInfoLayout {
  readonly name: SharedInfoName;
  /** vCPUs that there is room for. */
  readonly vcpus: number;
  /** Ports that there is room for, port 0 included. */
  readonly ports: number;
  /** From one vCPU's upcall bytes to the next's. */
  readonly infoSize: number;
  /** Of shared_info: the bitmaps. */
  readonly pending: number;
  readonly mask: number;
  /** Of a vCPU's upcall bytes: which words of ports to look at. */
  readonly selector: number;
  /** 2^wordShift ports have a bit of the selector. */
  readonly wordShift: number;
  /** Of a vCPU's upcall bytes: the address of its last page fault, 8 bytes. */
  readonly cr2: number;
  /** Of a vCPU's upcall bytes: vcpu_time_info, where there is one that a copy can be made of. */
  readonly time: number;
  /** A vCPU may have its info and a copy of its time elsewhere (VCPUOP_register_*). */
  readonly registers: boolean;
  /** What the domain says its last pfn is, and one; 0 when it has no place to say so. */
  readonly maxPfn: (memory: Memory, sharedInfo: number) => number;
  /** Writes the time, under the version protocol. @param info the vCPU's upcall bytes */
  readonly writeTime: (memory: Memory, sharedInfo: number, info: number, from: TimeSource) => void;
  /** Somebody set the wall clock. */
  readonly writeWallclock: (memory: Memory, sharedInfo: number, from: TimeSource) => void;
}

const XEN_3: SharedInfoLayout = {
  name: 'xen-3.0',
  vcpus: XEN_LEGACY_MAX_VCPUS,
  ports: 4096,
  infoSize: vcpu_info.size,
  pending: shared_info.offset.evtchn_pending,
  mask: shared_info.offset.evtchn_mask,
  selector: vcpu_info.offset.evtchn_pending_sel,
  wordShift: 6,
  cr2: vcpu_info.offset.arch,
  time: vcpu_info.offset.time,
  registers: true,
  maxPfn: (memory, sharedInfo) => shared_info.at(memory, sharedInfo).arch.max_pfn,
  writeTime: (memory, _, info, { clock, tsc, rate, stamp_ns }) =>
    writeTimeInfo(memory, info + vcpu_info.offset.time, tsc, clock, stamp_ns, rate.scale),
  writeWallclock: (memory, sharedInfo, { clock, offset_s }) =>
    clock.writeWallclock(memory, sharedInfo, offset_s),
};

const XEN_2: SharedInfoLayout = {
  name: 'xen-2.0',
  vcpus: XEN2_MAX_VIRT_CPUS,
  ports: XEN2_NR_EVENT_CHANNELS,
  infoSize: xen2_shared_info.offset.evtchn_pending,
  pending: xen2_shared_info.offset.evtchn_pending,
  mask: xen2_shared_info.offset.evtchn_mask,
  // The only vCPU's upcall bytes are where shared_info begins.
  selector: xen2_shared_info.offset.evtchn_pending_sel,
  wordShift: 5,
  cr2: XEN2_CR2_OFFSET,
  time: -1,
  registers: false,
  maxPfn: () => 0,
  writeTime: (memory, sharedInfo, _, from) => writeXen2Time(memory, sharedInfo, from),
  writeWallclock: writeXen2Time,
};

export const sharedInfoLayout = (name: SharedInfoName): SharedInfoLayout =>
  name === 'xen-2.0' ? XEN_2 : XEN_3;
