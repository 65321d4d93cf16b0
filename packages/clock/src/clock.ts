/*
 * Time in a PV guest (sys/arch/xen/xen/clock.c and xen_clock.c, sys/kern/kern_tc.c).
 *
 *     system time   ns since *this host's* Xen started: another number on another host
 *     ticks         hardclock_ticks, counted at hz; hard_base is the system time at which the last one was due
 *     monotonic     ticks × tick + (system time − hard_base): stands still while the domain is away
 *     uptime        monotonic + absence: goes on while the domain is away
 *     wall clock    monotonic + boottime + what a slew has made so far
 *
 * So ticks and monotonic time cannot disagree, and a suspend has one number to note: how long ago the last tick was.
 * Resume puts hard_base that long before the new host's now. Nothing that was in system time of the old host is ever compared
 * with system time of the new one. How long the domain was away only the hosts' wall clocks can tell.
 */
import {
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  shared_info,
  VCPUOP_set_periodic_timer,
  VCPUOP_stop_periodic_timer,
  VIRQ_TIMER,
  vcpu_info,
  vcpu_set_periodic_timer,
} from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import {
  type Callout,
  type Cpu,
  type HypercallArgs,
  IPL_SCHED,
  type Msgbuf,
  type Sched,
  type Spl,
} from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import {
  CLOCK_MODES,
  CLOCK_ONESHOT,
  CLOCK_PERIODIC,
  CLOCK_TICKLESS,
  clock_data,
} from './clock-data.ts';
import { addNs, nsSince, storeSystemTime } from './pvclock.ts';
import { noteRunstate, resumeRunstate } from './runstate.ts';
import { slewed_ns } from './slew.ts';
import { addTime, nsBetween, setTime, setTimeOfNs, subTime, type Timespec } from './timespec.ts';

export const HZ = 100;
export const NS_PER_TICK: number = 1e9 / HZ;
const TWO_32 = 0x1_0000_0000;
/** The longest that an idle guest leaves its timer alone: Xen takes 2^50 ns for a mistake. */
const IDLE_TICKS_MAX = 3600 * HZ;
/** A wall clock that would go back by more than this on resume is stepped, by less slewed (ntpd's STEP_THRESHOLD). */
const STEP_NS = 128e6;

/** What the clock needs of the kernel. */
export interface ClockKern {
  readonly args: HypercallArgs;
  readonly spl: Spl;
  readonly sched: Sched;
  readonly callout: Callout;
  readonly msgbuf: Msgbuf;
}

export class Clock {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: ClockKern;
  readonly evtchn: Evtchn;
  /** Address of this vCPU's vcpu_time_info. */
  readonly time: number;

  constructor(cpu: Cpu, data: number, kern: ClockKern, evtchn: Evtchn) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.evtchn = evtchn;
    this.time = kern.spl.sharedInfo + cpu.id * vcpu_info.size + vcpu_info.offset.time;
  }

  get d(): View<typeof clock_data> {
    return clock_data.at(this.cpu.memory, this.data);
  }

  /** Nanoseconds since the last counted tick was due. */
  sinceTick_ns(): number {
    const { memory } = this.cpu;
    const base = this.data + clock_data.offset.hard_base;
    return nsSince(this.cpu, this.time, memory.ld32(base), memory.ld32(base + 4));
  }

  /** CLOCK_MONOTONIC: since boot, the time away not counted. */
  monotonic(into: Timespec): void {
    const { ticks } = this.kern.callout;
    const sec = Math.floor(ticks / HZ);
    setTime(into, sec, (ticks - sec * HZ) * NS_PER_TICK + this.sinceTick_ns());
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

  /** xen_rtc_get: the wall clock as the host has it. */
  rtcGet(into: Timespec): void {
    const { memory } = this.cpu;
    const si = shared_info.at(memory, this.kern.spl.sharedInfo);
    const now = this.data + clock_data.offset.now;
    for (;;) {
      const version = si.wc_version;
      const sec = (si.wc_sec_hi | 0) * TWO_32 + si.wc_sec;
      const nsec = si.wc_nsec;
      if ((version & 1) !== 0 || si.wc_version !== version) continue;
      storeSystemTime(this.cpu, this.time, now);
      setTimeOfNs(into, memory.ld32(now), memory.ld32(now + 4));
      setTime(into, into.tv_sec + sec, into.tv_nsec + nsec);
      return;
    }
  }

  /** How many ticks until `ns` nanoseconds will have passed. */
  ticksUntil(sec: number, ns: number): number {
    return sec * HZ + Math.ceil((this.sinceTick_ns() + ns) / NS_PER_TICK);
  }

  /** Seconds that the host has been up: means nothing after the next restore. */
  hostUptime_s(): number {
    return nsSince(this.cpu, this.time, 0, 0) / 1e9;
  }

  /** Monotonic time in seconds. */
  uptime_s(): number {
    return (this.kern.callout.ticks * NS_PER_TICK + this.sinceTick_ns()) / 1e9;
  }

  /** The TSC's rate as Xen states it, kHz. */
  get tscKhz(): number {
    const { tsc_to_system_mul: mul, tsc_shift: shift } = this.kern.spl.vcpuInfo.time;
    return Math.round((1e6 * 2 ** 32) / (mul * 2 ** shift));
  }

  /** The channel that VIRQ_TIMER is bound to. */
  get port(): number {
    return this.d.timer_port;
  }

  // The wall clock set and corrected.

  /** tc_setclock: a step. A slew under way ends. */
  setTime(to: Timespec): void {
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

  // Boot, suspend, resume.

  /** xen_initclocks: monotonic time starts at 0, the wall clock at the host's. */
  initclocks(commandLine: string): void {
    const d = this.d;
    const options = commandLine.split('init=')[0] as string;
    const wanted = /(?:^|\s)clock=(\S+)/.exec(options)?.[1];
    const mode = wanted === undefined ? CLOCK_TICKLESS : CLOCK_MODES.indexOf(wanted);
    if (mode < 0) {
      this.kern.msgbuf.printf(`clock: expected ${CLOCK_MODES.join(', ')}, found ${wanted}\n`);
    }
    d.mode = Math.max(mode, CLOCK_TICKLESS);
    storeSystemTime(this.cpu, this.time, d.address + clock_data.offset.hard_base);
    const { cpu } = this;
    this.kern.sched.setIdle(
      cpu.sym('xen_clock_idle'),
      cpu.sym('xen_clock_event'),
      cpu.sym('xen_clock_busy'),
    );
    const wall: Timespec = { tv_sec: 0, tv_nsec: 0 };
    this.rtcGet(wall);
    this.setTime(wall);
    resumeRunstate(this);
    this.#start();
  }

  /** xen_suspendclocks: notes where time stands, and lets go of VIRQ_TIMER. */
  suspendclocks(): void {
    const d = this.d;
    d.suspend_since_tick = this.sinceTick_ns();
    this.rtcGet(d.suspend_wall);
    noteRunstate(this);
    const port = this.evtchn.unbindVirq(VIRQ_TIMER);
    this.evtchn.mask(port);
    this.evtchn.removeHandler(port);
  }

  /** xen_resumeclocks: on another host, or on the same one after a cancelled suspend. */
  resumeclocks(): void {
    const d = this.d;
    const base = d.address + clock_data.offset.hard_base;
    storeSystemTime(this.cpu, this.time, base);
    addNs(this.cpu.memory, base, -d.suspend_since_tick);
    d.resumes++;
    resumeRunstate(this);
    this.#resynchronise();
    this.#start();
  }

  /** Takes the absence from the hosts' wall clocks, and the wall clock from the host. */
  #resynchronise(): void {
    const d = this.d;
    const host: Timespec = { tv_sec: 0, tv_nsec: 0 };
    const here: Timespec = { tv_sec: 0, tv_nsec: 0 };
    this.rtcGet(host);
    this.walltime(here);
    const away = nsBetween(host, d.suspend_wall);
    if (away > 0) {
      subTime(here, host, d.suspend_wall);
      addTime(d.absence, d.absence, here);
      this.walltime(here);
    }
    const ahead = nsBetween(here, host);
    if (ahead > 0 && ahead <= STEP_NS) {
      d.slews++;
      this.adjtime(-ahead);
      this.kern.msgbuf.printf(`clock: ${(ahead / 1e6).toFixed(3)} ms ahead of this host, slewed\n`);
      return;
    }
    d.steps++;
    this.setTime(host);
    if (ahead > 0)
      this.kern.msgbuf.printf(`clock: set back by ${(ahead / 1e9).toFixed(3)} s to this host's\n`);
  }

  /** One timer ticks, and no other: a new domain has Xen's periodic timer on, an old one whatever it had. */
  #start(): void {
    const d = this.d;
    const port = this.evtchn.bindVirq(VIRQ_TIMER);
    d.timer_port = port;
    this.evtchn.setHandler(port, this.cpu.sym('xen_timer_handler'), 0, IPL_SCHED, 'clock');
    d.armed_tick = 0;
    if (d.mode === CLOCK_PERIODIC) {
      this.cpu.hypercallU64(__HYPERVISOR_set_timer_op, 0, 0);
      const op = this.kern.args.at(vcpu_set_periodic_timer);
      op.period_ns = NS_PER_TICK;
      this.#vcpuOp(VCPUOP_set_periodic_timer, op.address);
    } else {
      this.#vcpuOp(VCPUOP_stop_periodic_timer, 0);
      this.#arm(1);
    }
    this.evtchn.enable(port);
  }

  #vcpuOp(command: number, argument: number): void {
    this.cpu.hypercall(__HYPERVISOR_vcpu_op, command, this.cpu.id, argument);
  }

  // Ticks.

  /** Arms the one-shot timer for the tick after the next `ticks - 1`. */
  #arm(ticks: number): void {
    const { d, cpu } = this;
    const tick = this.kern.callout.ticks + ticks;
    if (d.armed_tick === tick) return;
    d.armed_tick = tick;
    const { memory } = cpu;
    const base = d.address + clock_data.offset.hard_base;
    const low = (memory.ld32(base) >>> 0) + ticks * NS_PER_TICK;
    const carry = Math.floor(low / TWO_32);
    const high = memory.ld32(base + 4) + carry;
    cpu.hypercallU64(__HYPERVISOR_set_timer_op, low - carry * TWO_32, high);
  }

  /** Counts the ticks that are due. @returns how many */
  #count(): number {
    const due = Math.floor(this.sinceTick_ns() / NS_PER_TICK);
    if (due <= 0) return 0;
    addNs(this.cpu.memory, this.data + clock_data.offset.hard_base, due * NS_PER_TICK);
    this.kern.callout.hardclock(due);
    return due;
  }

  /** VIRQ_TIMER. */
  timer(): void {
    const d = this.d;
    d.armed_tick = 0;
    const due = this.#count();
    if (this.kern.sched.idle) return;
    if (due > d.ticks_at_once) d.ticks_at_once = due;
    if (d.mode !== CLOCK_PERIODIC) this.#arm(1);
  }

  /** The idle lwp is about to block: no tick is needed before the first callout is due. */
  idle(): void {
    const { mode } = this.d;
    if (mode === CLOCK_PERIODIC) return;
    const { firstDue, ticks } = this.kern.callout;
    this.#arm(mode === CLOCK_ONESHOT ? 1 : Math.min(Math.max(firstDue - ticks, 1), IDLE_TICKS_MAX));
  }

  /** An event ended that: handlers shall find the ticks that passed counted. */
  event(): void {
    this.#count();
  }

  /** Somebody runs again: the ticks are. */
  busy(): void {
    this.#count();
    if (this.d.mode !== CLOCK_PERIODIC) this.#arm(1);
  }
}
