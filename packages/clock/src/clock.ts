/*
 * The clock over a life of the guest (sys/arch/xen/xen/clock.c and xen_clock.c): ticks, suspend, resume.
 *
 *     tickless   a timer interrupt per tick while somebody runs; none in an idle guest before the first callout is due.
 *                Ticks that passed are counted at the next event, before its handler, whatever it is
 *     oneshot    the one-shot timer, every tick, idle or not
 *     periodic   Xen's periodic timer, which interrupts only a vCPU that runs; an idle guest does as if tickless
 *
 * Monotonic time stands still from the moment the vCPU stops, in the hypercall, to the moment it has a processor again. No guest
 * can note the first by itself, since it is not running then; Xen writes it down (runstate.ts). System time at the second less
 * system time at the first, of whatever hosts, is the shift: added to hard_base, it is all that a resume has to do, and nothing
 * is lost, were it done ten thousand times. How long the domain was away only the hosts' wall clocks can tell.
 */
import {
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  VCPUOP_set_periodic_timer,
  VCPUOP_stop_periodic_timer,
  VIRQ_TIMER,
  vcpu_set_periodic_timer,
} from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, IPL_SCHED } from '@port-xen/kern';
import {
  CLOCK_MODES,
  CLOCK_ONESHOT,
  CLOCK_PERIODIC,
  CLOCK_TICKLESS,
  clock_data,
} from './clock-data.ts';
import type { HostTime } from './host-time.ts';
import { addNs } from './pvclock.ts';
import { runstateResume, runstateSuspend, shiftTime, startRunstate } from './runstate.ts';
import { type ClockKern, HZ, NS_PER_TICK, Timecounter } from './timecounter.ts';
import { addTime, NS_PER_S, nsBetween, setTimeOfNs, subTime, type Timespec } from './timespec.ts';

const TWO_32 = 0x1_0000_0000;
/** The longest that an idle guest leaves its timer alone: Xen takes 2^50 ns for a mistake. */
const IDLE_TICKS_MAX = 3600 * HZ;
/** A wall clock that would go back by more than this on resume is stepped, by less slewed (ntpd's STEP_THRESHOLD). */
const STEP_NS = 128e6;

export class Clock extends Timecounter {
  readonly evtchn: Evtchn;

  /** @param time Xen 3's clock when absent */
  constructor(cpu: Cpu, data: number, kern: ClockKern, evtchn: Evtchn, time?: HostTime) {
    super(cpu, data, kern, time);
    this.evtchn = evtchn;
  }

  /** The channel that VIRQ_TIMER is bound to. */
  get port(): number {
    return this.d.timer_port;
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
    this.time.store(d.address + clock_data.offset.hard_base);
    const { cpu } = this;
    this.kern.sched.setIdle(
      cpu.sym('xen_clock_idle'),
      cpu.sym('xen_clock_event'),
      cpu.sym('xen_clock_busy'),
    );
    const wall: Timespec = { tv_sec: 0, tv_nsec: 0 };
    this.rtcGet(wall);
    this.setclock(wall);
    startRunstate(this);
    this.bind();
    this.startTicks();
  }

  /** xen_suspendclocks: has Xen note when the domain stops, and lets go of VIRQ_TIMER. */
  suspendclocks(): void {
    this.hostEpoch(this.d.suspend_wall);
    runstateSuspend(this);
    const port = this.evtchn.unbindVirq(VIRQ_TIMER);
    this.evtchn.mask(port);
    this.evtchn.removeHandler(port);
  }

  /** xen_resumeclocks. @param cancelled the domain never left: the host is the one it was on */
  resumeclocks(cancelled: boolean): void {
    this.d.resumes++;
    runstateResume(this);
    this.rebase();
    this.resynchronise(cancelled);
    this.bind();
    this.startTicks();
  }

  /** Monotonic time goes on where it stood: the last tick was as long ago as it was when the domain stopped. */
  rebase(): void {
    shiftTime(this, this.data + clock_data.offset.hard_base);
  }

  /** Takes the absence from the hosts' clocks, and the wall clock from another host. */
  resynchronise(cancelled: boolean): void {
    const d = this.d;
    const host: Timespec = { tv_sec: 0, tv_nsec: 0 };
    const away: Timespec = { tv_sec: 0, tv_nsec: 0 };
    const { memory } = this.cpu;
    const shift = d.address + clock_data.offset.shift;
    setTimeOfNs(away, memory.ld32(shift), memory.ld32(shift + 4));
    if (!cancelled) {
      this.hostEpoch(host);
      addTime(away, away, host);
      subTime(away, away, d.suspend_wall);
    }
    if (away.tv_sec >= 0) {
      addTime(d.absence, d.absence, away);
      // What programs did to the clock of this host is still good here.
      if (cancelled) addTime(d.boottime, d.boottime, away);
    }
    if (cancelled) return;
    this.rtcGet(host);
    this.#takeWalltime(host);
  }

  /** The wall clock becomes the host's: forward at once, back slowly if it is little. */
  #takeWalltime(host: Timespec): void {
    const d = this.d;
    const here: Timespec = { tv_sec: 0, tv_nsec: 0 };
    this.walltime(here);
    const ahead = nsBetween(here, host);
    if (ahead > 0 && ahead <= STEP_NS) {
      d.slews++;
      this.adjtime(-ahead);
      this.kern.msgbuf.printf(`clock: ${(ahead / 1e6).toFixed(3)} ms ahead of this host, slewed\n`);
      return;
    }
    d.steps++;
    this.setclock(host);
    if (ahead > 0) {
      this.kern.msgbuf.printf(`clock: set back by ${(ahead / 1e9).toFixed(3)} s to this host's\n`);
    }
  }

  /** VIRQ_TIMER comes here from now on. */
  bind(): void {
    const port = this.evtchn.bindVirq(VIRQ_TIMER);
    this.d.timer_port = port;
    this.evtchn.setHandler(port, this.cpu.sym('xen_timer_handler'), 0, IPL_SCHED, 'clock');
    this.evtchn.enable(port);
  }

  /** One timer ticks, and no other: a new domain has Xen's periodic timer on, an old one whatever it had. */
  startTicks(): void {
    const { d } = this;
    d.armed_tick = 0;
    if (d.mode === CLOCK_PERIODIC) {
      this.cpu.hypercallU64(__HYPERVISOR_set_timer_op, 0, 0);
      const op = this.kern.args.at(vcpu_set_periodic_timer);
      op.period_ns = NS_PER_TICK;
      this.vcpuOp(VCPUOP_set_periodic_timer, op.address);
    } else {
      this.vcpuOp(VCPUOP_stop_periodic_timer, 0);
      this.arm(1);
    }
  }

  /** HYPERVISOR_vcpu_op on this vCPU. */
  vcpuOp(command: number, argument: number): void {
    this.cpu.hypercall(__HYPERVISOR_vcpu_op, command, this.cpu.id, argument);
  }

  // Ticks.

  /** Arms the one-shot timer for the tick after the next `ticks - 1`. */
  arm(ticks: number): void {
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
  count(): number {
    const due = Math.floor(this.sinceTick_ns() / NS_PER_TICK);
    if (due > 0) this.advance(due);
    return due;
  }

  /** So many ticks passed. */
  advance(ticks: number): void {
    const { d } = this;
    addNs(this.cpu.memory, d.address + clock_data.offset.hard_base, ticks * NS_PER_TICK);
    const nsec = d.hard_nsec + ticks * NS_PER_TICK;
    const carry = Math.floor(nsec / NS_PER_S);
    d.hard_sec += carry;
    d.hard_nsec = nsec - carry * NS_PER_S;
    this.kern.callout.hardclock(ticks);
  }

  /**
   * hardclock_ticks as programs see it. Xen's periodic timer goes on from when it last came, however late that was, so that it
   * comes up to a tick after the tick was due: what is due is counted first.
   */
  ticksNow(): number {
    if (this.d.mode === CLOCK_PERIODIC) this.count();
    return this.kern.callout.ticks;
  }

  /** VIRQ_TIMER. */
  timer(): void {
    const d = this.d;
    d.armed_tick = 0;
    const due = this.count();
    if (this.kern.sched.idle) return;
    if (due > d.ticks_at_once) d.ticks_at_once = due;
    if (d.mode !== CLOCK_PERIODIC) this.arm(1);
  }

  /** The idle lwp is about to block: no tick is needed before the first callout is due. */
  idle(): void {
    const { firstDue, ticks } = this.kern.callout;
    const wait = Math.min(Math.max(firstDue - ticks, 1), IDLE_TICKS_MAX);
    this.arm(this.d.mode === CLOCK_ONESHOT ? 1 : wait);
  }

  /** An event ended that: handlers shall find the ticks that passed counted. */
  event(): void {
    this.count();
  }

  /** Somebody runs again: the ticks are. */
  busy(): void {
    this.count();
    if (this.d.mode !== CLOCK_PERIODIC) this.arm(1);
  }
}
