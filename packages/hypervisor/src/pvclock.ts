/*
 * Time of one host (xen/arch/x86/time.c): system time is ns since its Xen started; the TSC has counted since the machine was
 * switched on, at its own rate; the wall clock says what time it was at system time 0.
 *
 *     vcpu_time_info   version odd while written · tsc_timestamp, system_time of one moment · mul, shift: TSC → ns · flags
 *     shared_info.wc   version odd while written · s and ns since 1970 at system time 0, plus the domain's own offset
 *
 * The moment is the host's, taken once a second, so that every vCPU computes from the same pair of numbers. The host's crystal may
 * be off: with `drift_ppb` system time and TSC gain that many ns on the world's time in each second.
 */
import { shared_info, vcpu_time_info, XEN_PVCLOCK_TSC_STABLE_BIT } from '@port-xen/abi';
import { st64 } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import type { Tsc } from '@port-xen/vcpu';
import type { MachineMemory } from './machine-memory.ts';
import { type TimeScale, ticksAt, timeScale } from './time-scale.ts';

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
  readonly #sim: Sim;
  readonly #uptime_ns: number;
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
    this.#uptime_ns = uptime_ns;
    this.#drift_ppb = drift_ppb;
    this.scale = timeScale(tscKhz);
    this.#setWallclock(wallclock_ns, uptime_ns);
  }

  /** Nanoseconds since this host's Xen started. */
  now_ns(): number {
    return this.#uptime_ns + this.#hostTime(this.#sim.now_ns);
  }

  /** Host time that has passed when the world's time is `world_ns`. */
  #hostTime(world_ns: number): number {
    if (this.#drift_ppb === 0) return world_ns;
    const seconds = Math.floor(world_ns / NS_PER_S);
    const gained = Math.floor(((world_ns - seconds * NS_PER_S) * this.#drift_ppb) / NS_PER_S);
    return world_ns + seconds * this.#drift_ppb + gained;
  }

  /** The first moment of the world's time at which system time is `system_ns` or later. */
  worldTime_ns(system_ns: number): number {
    const host_ns = system_ns - this.#uptime_ns;
    if (this.#drift_ppb === 0) return host_ns;
    let world_ns = Math.floor(host_ns / (1 + this.#drift_ppb / NS_PER_S)) - 2;
    while (this.#hostTime(world_ns) < host_ns) world_ns++;
    return world_ns;
  }

  /** The moment that time infos are about. */
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

  /** The TSC at a system time. */
  tscAt(system_ns: number, into: Tsc): void {
    ticksAt(system_ns, this.tscKhz, this.tscOffset, into);
  }

  /** do_settime: it is `wallclock_ns` since 1970 now. Domains are told by the caller. */
  setWallclock(wallclock_ns: number): void {
    this.#setWallclock(wallclock_ns, this.now_ns());
  }

  #setWallclock(wallclock_ns: number, system_ns: number): void {
    const seconds = Math.floor(wallclock_ns / NS_PER_S) - Math.floor(system_ns / NS_PER_S);
    const ns = (wallclock_ns % NS_PER_S) - (system_ns % NS_PER_S);
    this.#wallclock_s = ns < 0 ? seconds - 1 : seconds;
    this.#wallclock_ns = ns < 0 ? ns + NS_PER_S : ns;
  }

  /** update_domain_wallclock_time. @param offset_s the domain's time offset */
  writeWallclock(memory: MachineMemory, sharedInfo: number, offset_s: number): void {
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
 * @param tsc at `system_ns`
 */
export const writeTimeInfo = (
  memory: MachineMemory,
  address: number,
  tsc: Tsc,
  system_ns: number,
  { mul, shift }: TimeScale,
): void => {
  const { offset } = vcpu_time_info;
  const time = vcpu_time_info.at(memory, address);
  time.version = beginUpdate(time.version);
  memory.st32(address + offset.tsc_timestamp, tsc.low);
  memory.st32(address + offset.tsc_timestamp + 4, tsc.high);
  st64(memory, address + offset.system_time, system_ns);
  time.tsc_to_system_mul = mul;
  time.tsc_shift = shift;
  time.flags = XEN_PVCLOCK_TSC_STABLE_BIT;
  time.version = time.version + 1;
};
