/*
 * Time in a PV guest (sys/arch/xen/xen/clock.c, xen_clock.c).
 *
 *     system time   ns since *this host's* Xen started: another number on another host
 *     monotonic     system time + mono_offset: goes on after a restore where it stood at the suspend
 *     wall clock    shared_info.wc + system time: always the host's
 *     tick          hardclock() at hz, by a one-shot timer; hard_base is the system time of the last tick
 *
 * Suspend notes the monotonic time and lets go of VIRQ_TIMER. Resume re-bases both: what was in system time of the old
 * host is never compared with system time of the new one. The 100 Hz periodic timer that Xen starts with every new domain
 * is stopped, so that one timer ticks and no more.
 */
import {
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  shared_info,
  VCPUOP_stop_periodic_timer,
  VIRQ_TIMER,
  type vcpu_time_info,
} from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Callout, type Cpu, IPL_SCHED, type Msgbuf, type Spl } from '@port-xen/kern';
import { i64, struct, u32, u64, type View } from '@port-xen/layout';
import { readSystemTime } from './pvclock.ts';

export const HZ = 100;
export const NS_PER_TICK: number = 1e9 / HZ;
/** Ticks made up at once after the guest did not run; what is more is dropped. */
const CATCH_UP_MAX = 10;

export const clock_data = struct('clock_data', {
  /** Monotonic time minus system time, ns. */
  mono_offset: i64,
  /** Monotonic time at the suspend, ns. */
  mono_at_suspend: u64,
  /** System time at which the last hardclock was due, ns. */
  hard_base: u64,
  timer_port: u32,
});

/** What the clock needs of the kernel. */
export interface ClockKern {
  readonly spl: Spl;
  readonly callout: Callout;
  readonly msgbuf: Msgbuf;
}

export class Clock {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: ClockKern;
  readonly evtchn: Evtchn;

  constructor(cpu: Cpu, data: number, kern: ClockKern, evtchn: Evtchn) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.evtchn = evtchn;
  }

  get #d(): View<typeof clock_data> {
    return clock_data.at(this.cpu.memory, this.data);
  }

  get #time(): View<typeof vcpu_time_info> {
    return this.kern.spl.vcpuInfo.time;
  }

  /** Nanoseconds since the host's Xen started. Means nothing after the next restore. */
  systemTime_ns(): number {
    return readSystemTime(this.#time, (into) => this.cpu.readTsc(into));
  }

  /** CLOCK_MONOTONIC: nanoseconds since boot, the time away not counted. */
  uptime_ns(): number {
    return this.systemTime_ns() + this.#d.mono_offset;
  }

  /** CLOCK_REALTIME: nanoseconds since 1970, as the host has it. */
  walltime_ns(): number {
    const si = shared_info.at(this.cpu.memory, this.kern.spl.sharedInfo);
    for (;;) {
      const version = si.wc_version;
      const seconds = si.wc_sec_hi * 0x1_0000_0000 + si.wc_sec;
      const wall = seconds * 1e9 + si.wc_nsec;
      if ((version & 1) === 0 && si.wc_version === version) return wall + this.systemTime_ns();
    }
  }

  /** The TSC's rate as Xen states it, kHz. */
  get tscKhz(): number {
    const { tsc_to_system_mul: mul, tsc_shift: shift } = this.#time;
    return Math.round((1e6 * 2 ** 32) / (mul * 2 ** shift));
  }

  /** xen_initclocks: monotonic time starts at 0. */
  initclocks(): void {
    this.#d.mono_offset = -this.systemTime_ns();
    this.#start();
  }

  /** xen_suspendclocks. */
  suspendclocks(): void {
    const d = this.#d;
    d.mono_at_suspend = this.uptime_ns();
    const port = this.evtchn.unbindVirq(VIRQ_TIMER);
    this.evtchn.mask(port);
    this.evtchn.removeHandler(port);
  }

  /** xen_resumeclocks. */
  resumeclocks(): void {
    const d = this.#d;
    d.mono_offset = d.mono_at_suspend - this.systemTime_ns();
    this.#start();
  }

  #start(): void {
    const d = this.#d;
    const port = this.evtchn.bindVirq(VIRQ_TIMER);
    d.timer_port = port;
    this.evtchn.setHandler(port, this.cpu.sym('xen_timer_handler'), 0, IPL_SCHED, 'clock');
    this.cpu.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, this.cpu.id, 0);
    d.hard_base = this.systemTime_ns();
    this.#arm();
    this.evtchn.enable(port);
  }

  /** The channel that VIRQ_TIMER is bound to. */
  get port(): number {
    return this.#d.timer_port;
  }

  #arm(): void {
    this.cpu.hypercall(__HYPERVISOR_set_timer_op, this.#d.hard_base + NS_PER_TICK);
  }

  /** VIRQ_TIMER: as many ticks as are due. */
  timer(): void {
    const d = this.#d;
    const due = Math.floor((this.systemTime_ns() - d.hard_base) / NS_PER_TICK);
    for (let i = 0; i < Math.min(due, CATCH_UP_MAX); i++) this.kern.callout.hardclock();
    if (due > 0) d.hard_base += due * NS_PER_TICK;
    this.#arm();
  }
}
