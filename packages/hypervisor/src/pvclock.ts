/*
 * Time of one host (xen/arch/x86/time.c): system time is ns since its Xen started; the TSC has counted since the machine was
 * switched on, at its own rate; the wall clock says what time it was at system time 0.
 *
 *     vcpu_time_info   version odd while written · tsc_timestamp, system_time of one moment · mul, shift: TSC → ns · flags
 *     shared_info.wc   version odd while written · s and ns since 1970 at system time 0, plus the domain's own offset
 *
 * The moment is the host's, taken once a second, so that every vCPU computes from the same pair of numbers. The host's crystal may
 * be off: with `drift_ppb` system time and TSC gain that many ns on the world's time in each second.
 *
 * System time has 64 bits and a double 53, which are 104 days of nanoseconds. So the hypervisor reckons in host time: ns since a
 * whole second of system time, the last one before the world began. What guests are told, and what they ask for, is system time
 * in two words, converted where it crosses the line: exact on a host of any age.
 *
 *     system time  ├──────── epoch, whole seconds ────────┼─ host time ─►
 *                  Xen starts                             0   the world begins
 */
import { shared_info, vcpu_time_info, XEN_PVCLOCK_TSC_STABLE_BIT } from '@port-xen/abi';
import type { Memory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import type { Tsc } from '@port-xen/vcpu';
import { countOfTicks, nextMoment, type TimeScale, ticksAt, timeScale } from './time-scale.ts';

const TWO_32 = 0x1_0000_0000;
const NS_PER_S = 1e9;
/** How often Xen takes the moment anew (EPOCH). */
const EPOCH_NS = 1e9;
const KHZ_MAX = 2 ** 24;
const TSC_OFFSET_MAX = 2 ** 52;

export interface HostClockOptions {
  readonly tscKhz: number;
  /** The TSC at system time 0. */
  readonly tscOffset: number;
  /** System time when the world starts. */
  readonly uptime_ns: number;
  /** Since 1970, when the world starts. */
  readonly wallclock_ns: number;
  /** Nanoseconds that the host gains on the world in a second; negative when it loses. */
  readonly drift_ppb: number;
}

export class HostClock {
  readonly tscKhz: number;
  readonly tscOffset: number;
  readonly scale: TimeScale;
  /** System time at host time 0. */
  readonly epoch_s: number;
  readonly #sim: Sim;
  /** The epoch in ns, in halves. */
  readonly #epochLow: number;
  readonly #epochHigh: number;
  /** The TSC at host time 0. */
  readonly #tscStart: Tsc;
  /** Host time when the world starts. */
  readonly #start_ns: number;
  readonly #drift_ppb: number;
  /** The TSC at a moment of the world's: time stands still within an instruction. */
  readonly #tsc: Tsc = { low: 0, high: 0 };
  #tscRead_ns = Number.NaN;
  /** Wall clock at system time 0. */
  #wallclock_s = 0;
  #wallclock_ns = 0;

  constructor(sim: Sim, options: HostClockOptions) {
    const { tscKhz, tscOffset, uptime_ns, drift_ppb, wallclock_ns } = options;
    if (!(tscKhz >= 1 && tscKhz < KHZ_MAX && Number.isInteger(tscKhz))) {
      throw new RangeError(`expected a TSC of 1 to ${KHZ_MAX - 1} kHz, found ${tscKhz}`);
    }
    if (!(tscOffset >= 0 && tscOffset < TSC_OFFSET_MAX && Number.isInteger(tscOffset))) {
      throw new RangeError(`expected a TSC offset within [0, 2^52), found ${tscOffset}`);
    }
    this.#sim = sim;
    this.tscKhz = tscKhz;
    this.tscOffset = tscOffset;
    const epoch_s = Math.floor(uptime_ns / NS_PER_S);
    this.epoch_s = epoch_s;
    // In parts that a double holds: a second is 2^9 times an odd number.
    this.#epochHigh = Math.floor((epoch_s * (NS_PER_S / 512)) / 2 ** 23);
    this.#epochLow = ((epoch_s * (NS_PER_S / 512)) % 2 ** 23) * 512;
    this.#tscStart = countOfTicks(epoch_s, tscKhz, tscOffset);
    this.#start_ns = uptime_ns % NS_PER_S;
    this.#drift_ppb = drift_ppb;
    this.scale = timeScale(tscKhz);
    this.setWallclock(wallclock_ns);
  }

  /** Host time: system time less the epoch. */
  now_ns(): number {
    return this.#start_ns + this.#hostTime(this.#sim.now_ns);
  }

  /** System time, rounded where a double rounds: for people. */
  uptime_ns(): number {
    return this.epoch_s * NS_PER_S + this.now_ns();
  }

  /** The host time of a system time, given by its halves: exact within 104 days of the epoch, of the right sign and size beyond. */
  hostTime_ns(low: number, high: number): number {
    return (high - this.#epochHigh) * TWO_32 + ((low >>> 0) - this.#epochLow);
  }

  /** Stores a host time as system time, 64 bits. */
  storeSystemTime(memory: Memory, address: number, host_ns: number): void {
    const low = this.#epochLow + host_ns;
    const carry = Math.floor(low / TWO_32);
    memory.st32(address, low - carry * TWO_32);
    memory.st32(address + 4, this.#epochHigh + carry);
  }

  /** Host time that has passed when the world's time is `world_ns`. */
  #hostTime(world_ns: number): number {
    if (this.#drift_ppb === 0) return world_ns;
    const seconds = Math.floor(world_ns / NS_PER_S);
    const gained = Math.floor(((world_ns - seconds * NS_PER_S) * this.#drift_ppb) / NS_PER_S);
    return world_ns + seconds * this.#drift_ppb + gained;
  }

  /** The first moment of the world's time at which host time is `host_ns` or later. */
  worldTime_ns(host_ns: number): number {
    const passed_ns = host_ns - this.#start_ns;
    if (this.#drift_ppb === 0) return passed_ns;
    let world_ns = Math.floor(passed_ns / (1 + this.#drift_ppb / NS_PER_S)) - 2;
    while (this.#hostTime(world_ns) < passed_ns) world_ns = nextMoment(world_ns);
    return world_ns;
  }

  /** The moment that time infos are about, host time. */
  get stamp_ns(): number {
    return Math.floor(this.now_ns() / EPOCH_NS) * EPOCH_NS;
  }

  readTsc(into: Tsc): void {
    const { now_ns } = this.#sim;
    const tsc = this.#tsc;
    if (now_ns !== this.#tscRead_ns) {
      this.#tscRead_ns = now_ns;
      this.tscAt(this.now_ns(), tsc);
    }
    into.low = tsc.low;
    into.high = tsc.high;
  }

  /** The TSC at a host time. */
  tscAt(host_ns: number, into: Tsc): void {
    ticksAt(host_ns, this.tscKhz, this.#tscStart, into);
  }

  /** do_settime: it is `wallclock_ns` since 1970 now. Domains are told by the caller. */
  setWallclock(wallclock_ns: number): void {
    const host_ns = this.now_ns();
    const system_s = this.epoch_s + Math.floor(host_ns / NS_PER_S);
    const seconds = Math.floor(wallclock_ns / NS_PER_S) - system_s;
    const ns = (wallclock_ns % NS_PER_S) - (host_ns % NS_PER_S);
    this.#wallclock_s = ns < 0 ? seconds - 1 : seconds;
    this.#wallclock_ns = ns < 0 ? ns + NS_PER_S : ns;
  }

  /** The wall clock at a host time: since 1970. */
  wallclockAt(host_ns: number): { s: number; ns: number } {
    const seconds = Math.floor(host_ns / NS_PER_S);
    const ns = this.#wallclock_ns + (host_ns - seconds * NS_PER_S);
    const carry = Math.floor(ns / NS_PER_S);
    return { s: this.#wallclock_s + this.epoch_s + seconds + carry, ns: ns - carry * NS_PER_S };
  }

  /** update_domain_wallclock_time. @param offset_s the domain's time offset */
  writeWallclock(memory: Memory, sharedInfo: number, offset_s: number): void {
    const si = shared_info.at(memory, sharedInfo);
    const seconds = this.#wallclock_s + offset_s;
    si.wc_version = beginUpdate(si.wc_version);
    si.wc_sec = seconds;
    si.wc_nsec = this.#wallclock_ns;
    si.wc_sec_hi = Math.floor(seconds / TWO_32);
    si.wc_version = si.wc_version + 1;
  }
}

/** version_update_begin: odd, and not the last odd one. */
const beginUpdate = (version: number): number => (version + 1) | 1;

/**
 * Writes a vcpu_time_info.
 * @param address machine address
 * @param tsc at `stamp_ns`
 * @param stamp_ns host time of this clock
 */
export const writeTimeInfo = (
  memory: Memory,
  address: number,
  tsc: Tsc,
  clock: Pick<HostClock, 'storeSystemTime'>,
  stamp_ns: number,
  { mul, shift }: TimeScale,
): void => {
  const { offset } = vcpu_time_info;
  const time = vcpu_time_info.at(memory, address);
  time.version = beginUpdate(time.version);
  memory.st32(address + offset.tsc_timestamp, tsc.low);
  memory.st32(address + offset.tsc_timestamp + 4, tsc.high);
  clock.storeSystemTime(memory, address + offset.system_time, stamp_ns);
  time.tsc_to_system_mul = mul;
  time.tsc_shift = shift;
  time.flags = XEN_PVCLOCK_TSC_STABLE_BIT;
  time.version = time.version + 1;
};
