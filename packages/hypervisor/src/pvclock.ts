/*
 * Time of one host (xen/arch/x86/time.c): system time is ns since its Xen started, the TSC runs from the same moment at its own rate, and the
 * wall clock says what time it was then.
 *
 *     vcpu_time_info   version odd while written · tsc_timestamp, system_time of one moment · mul, shift: TSC → ns
 *     shared_info.wc   wall clock at system time 0
 */
import { shared_info, vcpu_time_info } from '@port-xen/abi';
import { st64 } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import type { Tsc } from '@port-xen/vcpu';
import type { MachineMemory } from './machine-memory.ts';

const TWO_32 = 0x1_0000_0000;
const XEN_PVCLOCK_TSC_STABLE = 1;

export class HostClock {
  readonly tscKhz: number;
  readonly #sim: Sim;
  readonly #uptime_ns: number;
  readonly #wallclock_ns: number;
  readonly #mul: number;
  readonly #shift: number;

  constructor(sim: Sim, tscKhz: number, uptime_ns: number, wallclock_ns: number) {
    this.#sim = sim;
    this.tscKhz = tscKhz;
    this.#uptime_ns = uptime_ns;
    this.#wallclock_ns = wallclock_ns;
    // set_time_scale: ns = ((tsc << shift) × mul) >> 32 with mul within [2^31, 2^32).
    let shift = 0;
    let scale = 1e6 / tscKhz;
    while (scale >= 1) {
      scale /= 2;
      shift++;
    }
    while (scale < 0.5) {
      scale *= 2;
      shift--;
    }
    this.#mul = Math.floor(scale * TWO_32);
    this.#shift = shift;
  }

  /** Nanoseconds since this host's Xen started. */
  now_ns(): number {
    return this.#uptime_ns + this.#sim.now_ns;
  }

  /** The world's time at which system time is `system_ns`. */
  worldTime_ns(system_ns: number): number {
    return system_ns - this.#uptime_ns;
  }

  readTsc(into: Tsc): void {
    // now × kHz / 10^6, in parts that stay exact.
    const now = this.now_ns();
    const ms = Math.floor(now / 1e6);
    const rest = Math.floor(((now - ms * 1e6) * this.tscKhz) / 1e6);
    const hi = Math.floor(ms / TWO_32) * this.tscKhz;
    const lo = (ms % TWO_32) * this.tscKhz + rest;
    into.low = (lo % TWO_32) | 0;
    into.high = (hi + Math.floor(lo / TWO_32)) | 0;
  }

  /** Writes the present moment into a vcpu_time_info. @param address machine address */
  update(memory: MachineMemory, address: number): void {
    const time = vcpu_time_info.at(memory, address);
    const tsc: Tsc = { low: 0, high: 0 };
    this.readTsc(tsc);
    const version = (time.version + 1) | 1;
    time.version = version;
    memory.st32(address + vcpu_time_info.offset.tsc_timestamp, tsc.low);
    memory.st32(address + vcpu_time_info.offset.tsc_timestamp + 4, tsc.high);
    st64(memory, address + vcpu_time_info.offset.system_time, this.now_ns());
    time.tsc_to_system_mul = this.#mul;
    time.tsc_shift = this.#shift;
    time.flags = XEN_PVCLOCK_TSC_STABLE;
    time.version = version + 1;
  }

  /** Writes the wall clock into a shared_info. @param offset_s the domain's time offset */
  updateWallclock(memory: MachineMemory, sharedInfo: number, offset_s: number): void {
    const si = shared_info.at(memory, sharedInfo);
    const atBoot = this.#wallclock_ns - this.#uptime_ns + offset_s * 1e9;
    const seconds = Math.floor(atBoot / 1e9);
    const version = (si.wc_version + 1) | 1;
    si.wc_version = version;
    si.wc_sec = seconds % TWO_32;
    si.wc_sec_hi = Math.floor(seconds / TWO_32);
    si.wc_nsec = atBoot - seconds * 1e9;
    si.wc_version = version + 1;
  }
}
