/*
 * Time in a PV guest, read and set (sys/arch/xen/xen/xen_clock.c, sys/kern/kern_tc.c).
 *
 *     system time   ns since *this host's* Xen started: another number on another host
 *     ticks         hardclock_ticks, counted at hz; hard_base is the system time at which the last one was due
 *     monotonic     ticks × tick + (system time − hard_base): stands still while the domain is away
 *     uptime        monotonic + absence: goes on while the domain is away
 *     wall clock    monotonic + boottime + what a slew has made so far
 *
 * So ticks and monotonic time cannot disagree, and no time is a number of nanoseconds: it is seconds and nanoseconds, or a
 * difference.
 */
import type { Callout, Cpu, HypercallArgs, Msgbuf, Sched, Spl } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { clock_data } from './clock-data.ts';
import type { HostTime } from './host-time.ts';
import { slewed_ns } from './slew.ts';
import { addTime, nsBetween, setTime, setTimeOfNs, subTime, type Timespec } from './timespec.ts';
import { Xen3Time } from './xen3-time.ts';

export const HZ = 100;
export const NS_PER_TICK: number = 1e9 / HZ;
const TWO_32 = 0x1_0000_0000;
const HARD_BASE = clock_data.offset.hard_base;
/** Words of hard_base, hard_sec and hard_nsec. */
const HARD_WORDS = 5;

/** What the clock needs of the kernel. */
export interface ClockKern {
  readonly args: HypercallArgs;
  readonly spl: Spl;
  readonly sched: Sched;
  readonly callout: Callout;
  readonly msgbuf: Msgbuf;
}

/** The clocks of a guest, read and set. */
export class Timecounter {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: ClockKern;
  /** This host's clock. */
  readonly time: HostTime;

  /** @param time Xen 3's clock when absent */
  constructor(cpu: Cpu, data: number, kern: ClockKern, time?: HostTime) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.time = time ?? new Xen3Time(cpu, kern.spl.sharedInfo);
  }

  get d(): View<typeof clock_data> {
    return clock_data.at(this.cpu.memory, this.data);
  }

  /** Nanoseconds since the last counted tick was due. */
  sinceTick_ns(): number {
    const base = this.cpu.load(this.data + HARD_BASE, 2);
    return this.since_ns(base[0] as number, base[1] as number);
  }

  /** Nanoseconds since a system time, given by its halves. */
  since_ns(low: number, high: number): number {
    return this.time.nsSince(low, high);
  }

  /** CLOCK_MONOTONIC: since boot, the time away not counted. */
  monotonic(into: Timespec): void {
    const base = this.cpu.load(this.data + HARD_BASE, HARD_WORDS);
    const sec = (base[3] as number) * TWO_32 + ((base[2] as number) >>> 0);
    const nsec = base[4] as number;
    setTime(into, sec, nsec + this.since_ns(base[0] as number, base[1] as number));
  }

  /** CLOCK_BOOTTIME: since boot, the time away counted. */
  uptime(into: Timespec): void {
    this.monotonic(into);
    addTime(into, into, this.d.absence);
  }

  /** CLOCK_REALTIME: since 1970. */
  walltime(into: Timespec): void {
    this.monotonic(into);
    const d = this.d;
    const { adj_delta } = d;
    const made = adj_delta === 0 ? 0 : slewed_ns(adj_delta, nsBetween(into, d.adj_start));
    setTime(into, into.tv_sec + d.boottime.tv_sec, into.tv_nsec + d.boottime.tv_nsec + made);
  }

  /** The host's wall clock at system time 0. */
  hostEpoch(into: Timespec): void {
    this.time.epoch(into);
  }

  /** xen_rtc_get: the wall clock as the host has it. */
  rtcGet(into: Timespec): void {
    const { memory } = this.cpu;
    const now = this.data + clock_data.offset.now;
    const up: Timespec = { tv_sec: 0, tv_nsec: 0 };
    this.hostEpoch(into);
    this.time.store(now);
    setTimeOfNs(up, memory.ld32(now), memory.ld32(now + 4));
    addTime(into, into, up);
  }

  /** How many ticks until `ns` nanoseconds will have passed. */
  ticksUntil(sec: number, ns: number): number {
    return sec * HZ + Math.ceil((this.sinceTick_ns() + ns) / NS_PER_TICK);
  }

  /** Seconds that the host has been up: means nothing after the next restore. */
  hostUptime_s(): number {
    return this.time.nsSince(0, 0) / 1e9;
  }

  /** Monotonic time in seconds. */
  uptime_s(): number {
    const { hard_sec, hard_nsec } = this.d;
    return hard_sec + (hard_nsec + this.sinceTick_ns()) / 1e9;
  }

  /** The TSC's rate as Xen states it, kHz. */
  get tscKhz(): number {
    return this.time.tscKhz;
  }

  // The wall clock set and corrected.

  /** tc_setclock: a step. A slew under way ends. */
  setclock(to: Timespec): void {
    const d = this.d;
    const now: Timespec = { tv_sec: 0, tv_nsec: 0 };
    this.monotonic(now);
    d.adj_delta = 0;
    subTime(d.boottime, to, now);
  }

  /** adjtime(2). @returns what was left of the correction before it, ns */
  adjtime(delta_ns: number): number {
    const d = this.d;
    const left = this.adjtimeLeft_ns();
    const made = d.adj_delta - left;
    setTime(d.boottime, d.boottime.tv_sec, d.boottime.tv_nsec + made);
    d.adj_delta = delta_ns;
    this.monotonic(d.adj_start);
    return left;
  }

  /** What is left of the correction under way, ns. */
  adjtimeLeft_ns(): number {
    const d = this.d;
    const now: Timespec = { tv_sec: 0, tv_nsec: 0 };
    this.monotonic(now);
    return d.adj_delta - slewed_ns(d.adj_delta, nsBetween(now, d.adj_start));
  }
}
