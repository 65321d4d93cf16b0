/*
 * The time in a vCPU's part of shared_info, and the copy of it that the guest may have asked for (update_vcpu_system_time,
 * update_secondary_system_time, xen/arch/x86/time.c). Written when the vCPU gets a processor and the host's moment is another one,
 * and when something about its TSC changed.
 */
import { vcpu_time_info } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { Tsc } from '@port-xen/vcpu';
import { copyToKernel } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

const SIZE = vcpu_time_info.size;

export class VcpuTime {
  readonly #vcpu: GuestVcpu;
  readonly #tsc: Tsc = { low: 0, high: 0 };
  readonly #bytes = new Uint8Array(SIZE);
  /** VCPUOP_register_vcpu_time_memory_area: the guest's address, 0 for none. */
  #area = 0;
  #stamp_ns = Number.NaN;

  constructor(vcpu: GuestVcpu) {
    this.#vcpu = vcpu;
  }

  /** Where the guest wants a copy. */
  set area(address: number) {
    this.#area = address;
    this.#stamp_ns = Number.NaN;
  }

  /** The next time it gets a processor it is written whatever it says. */
  expire(): void {
    this.#stamp_ns = Number.NaN;
  }

  /** Writes what is not up to date. */
  update(): void {
    const { domain, infoAddress } = this.#vcpu;
    const { clock } = domain.xen;
    const { stamp_ns } = clock;
    const { memory } = domain.host;
    if (stamp_ns === this.#stamp_ns) return;
    this.#stamp_ns = stamp_ns;
    domain.tsc.at(stamp_ns, this.#tsc);
    const { layout, sharedInfo, tsc: rate, timeOffset_s: offset_s } = domain;
    layout.writeTime(memory, sharedInfo, infoAddress, {
      clock,
      tsc: this.#tsc,
      rate,
      stamp_ns,
      offset_s,
    });
    if (this.#area !== 0 && !this.#copy(infoAddress + layout.time)) this.#stamp_ns = Number.NaN;
  }

  /** @returns false when the guest's page is not there: it is tried again */
  #copy(address: number): boolean {
    const { domain } = this.#vcpu;
    domain.host.memory.read(address, this.#bytes);
    const copy = vcpu_time_info.at(new BytesMemory(this.#bytes), 0);
    const { version } = copy;
    copy.version = version - 1;
    if (!copyToKernel(this.#vcpu, this.#area, this.#bytes)) return false;
    copy.version = version;
    return copyToKernel(this.#vcpu, this.#area, this.#bytes.subarray(0, 4));
  }
}
