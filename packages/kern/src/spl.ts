/*
 * Interrupt priority levels (sys/arch/xen/include/intrdefs.h) and the event mask of the vCPU.
 *
 * Events come only between macro-instructions, so within one no level is needed; a level protects what several steps
 * of a routine do. What arrives while the level is too high stays pending: the port stays masked, the soft
 * interrupt stays scheduled, and {@link Spl.splx} runs both.
 */
import { __HYPERVISOR_xen_version, XENVER_version } from '@port-xen/abi';
import { i64, struct, u32, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import { type SharedInfoLayout, XEN3_SHARED_INFO } from './shared-info.ts';

export const IPL_NONE = 0;
export const IPL_SOFTCLOCK = 2;
export const IPL_SOFTBIO = 3;
export const IPL_SOFTNET = 4;
export const IPL_SOFTSERIAL = 5;
export const IPL_VM = 6;
export const IPL_SCHED = 7;
export const IPL_HIGH = 8;
export const NIPL = 9;

export const spl_data = struct('spl_data', {
  /** The current level. */
  ci_ilevel: u32,
  /** Bit per level: something of that level waits for the level to fall. */
  ci_ipending: u32,
  /** Leaf(level): runs what is pending above `level`, at its own level. 0 until events are set up. */
  spl_dispatch: i64,
});

export class Spl {
  readonly cpu: Cpu;
  readonly data: number;
  /** Address at which shared_info is mapped: HYPERVISOR_shared_info. */
  readonly sharedInfo: number;
  readonly layout: SharedInfoLayout;
  /** Address of this vCPU's part of shared_info. */
  readonly vcpu: number;

  constructor(
    cpu: Cpu,
    data: number,
    sharedInfo: number,
    layout: SharedInfoLayout = XEN3_SHARED_INFO,
  ) {
    this.cpu = cpu;
    this.data = data;
    this.sharedInfo = sharedInfo;
    this.layout = layout;
    this.vcpu = sharedInfo + cpu.id * layout.vcpuSize;
  }

  get #d(): View<typeof spl_data> {
    return spl_data.at(this.cpu.memory, this.data);
  }

  /** evtchn_upcall_pending: 1 when Xen has something to tell. */
  get upcallPending(): number {
    return this.cpu.memory.ld8(this.vcpu + this.layout.upcallPending);
  }

  set upcallPending(pending: number) {
    this.cpu.memory.st8(this.vcpu + this.layout.upcallPending, pending);
  }

  /** evtchn_upcall_mask: 1 while no upcall is delivered. */
  get upcallMask(): number {
    return this.cpu.memory.ld8(this.vcpu + this.layout.upcallMask);
  }

  set upcallMask(mask: number) {
    this.cpu.memory.st8(this.vcpu + this.layout.upcallMask, mask);
  }

  get level(): number {
    return this.#d.ci_ilevel;
  }

  /** Sets the level without running anything: for whoever dispatches. */
  setLevel(level: number): void {
    this.#d.ci_ilevel = level;
  }

  /** Raises the level to at least `level`. @returns the level before */
  splraise(level: number): number {
    const d = this.#d;
    const old = d.ci_ilevel;
    d.ci_ilevel = Math.max(old, level);
    return old;
  }

  /** Goes back to a level and runs what waited for it. */
  splx(level: number): void {
    const d = this.#d;
    d.ci_ilevel = level;
    if (d.ci_ipending >>> (level + 1) !== 0 && d.spl_dispatch !== 0)
      this.cpu.call(d.spl_dispatch, level);
  }

  /** Something of `level` waits. */
  setPending(level: number): void {
    const d = this.#d;
    d.ci_ipending |= 1 << level;
  }

  /** Takes the highest level above `level` at which something waits; -1 when nothing does. */
  takePending(level: number): number {
    const d = this.#d;
    const waiting = (d.ci_ipending >>> (level + 1)) << (level + 1);
    if (waiting === 0) return -1;
    const highest = 31 - Math.clz32(waiting);
    d.ci_ipending &= ~(1 << highest);
    return highest;
  }

  setDispatch(leafAddress: number): void {
    this.#d.spl_dispatch = leafAddress;
  }

  /** cli: no upcall is delivered. */
  disableIntr(): void {
    this.upcallMask = 1;
  }

  /** sti: upcalls are delivered; one that is already pending is asked for by entering Xen. */
  enableIntr(): void {
    this.upcallMask = 0;
    if (this.upcallPending !== 0) this.cpu.hypercall(__HYPERVISOR_xen_version, XENVER_version);
  }
}
