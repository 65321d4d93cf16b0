import { shared_info, vcpu_info } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import type { HostTime } from './host-time.ts';
import { nsSince, storeSystemTime } from './pvclock.ts';
import { setTime, type Timespec } from './timespec.ts';

const TWO_32 = 0x1_0000_0000;

/** Xen 3's clock: vcpu_time_info, and the wall clock at the host's start. */
export class Xen3Time implements HostTime {
  readonly cpu: Cpu;
  readonly sharedInfo: number;
  /** Address of this vCPU's vcpu_time_info. */
  readonly time: number;

  constructor(cpu: Cpu, sharedInfo: number) {
    this.cpu = cpu;
    this.sharedInfo = sharedInfo;
    this.time = sharedInfo + cpu.id * vcpu_info.size + vcpu_info.offset.time;
  }

  nsSince(low: number, high: number): number {
    return nsSince(this.cpu, this.time, low, high);
  }

  store(into: number): void {
    storeSystemTime(this.cpu, this.time, into);
  }

  epoch(into: Timespec): void {
    const si = shared_info.at(this.cpu.memory, this.sharedInfo);
    for (;;) {
      const version = si.wc_version;
      const sec = (si.wc_sec_hi | 0) * TWO_32 + si.wc_sec;
      const nsec = si.wc_nsec;
      if ((version & 1) !== 0 || si.wc_version !== version) continue;
      setTime(into, sec, nsec);
      return;
    }
  }

  get tscKhz(): number {
    const { tsc_to_system_mul: mul, tsc_shift: shift } = vcpu_info.at(
      this.cpu.memory,
      this.time - vcpu_info.offset.time,
    ).time;
    return Math.round((1e6 * 2 ** 32) / (mul * 2 ** shift));
  }
}
