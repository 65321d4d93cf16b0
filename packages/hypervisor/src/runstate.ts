/*
 * What a vCPU was doing, and for how long (vcpu_runstate_change, update_runstate_area of xen/common/sched/core.c and domain.c):
 *
 *     running · runnable: it waits for a processor · blocked · offline: down, paused, or shut down
 *
 * Time stolen from the guest is runnable + offline. The totals begin with the vCPU, and so start anew with a restored domain.
 * The guest's copy is written when it gets and when it loses a processor. VMASST_TYPE_runstate_update_flag has nothing to flag:
 * the copy is written in one piece, while none of the guest's vCPUs runs.
 */
import { RUNSTATE_offline, vcpu_runstate_info } from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';
import { copyToKernel } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

export class Runstate {
  /** RUNSTATE_*. */
  state: number = RUNSTATE_offline;
  /** VCPUOP_register_runstate_memory_area: the guest's address, 0 for none. */
  area = 0;
  readonly #vcpu: GuestVcpu;
  readonly #times = [0, 0, 0, 0];
  /** Host time. */
  #entered_ns: number;
  readonly #memory = new BytesMemory(new Uint8Array(vcpu_runstate_info.size));

  constructor(vcpu: GuestVcpu) {
    this.#vcpu = vcpu;
    this.#entered_ns = vcpu.domain.xen.clock.now_ns();
  }

  /** vcpu_runstate_change. */
  change(state: number): void {
    // What dom0 does at a time of its own may be earlier than where the vCPU's last slice ended.
    const now = Math.max(this.#entered_ns, this.#vcpu.domain.xen.clock.now_ns());
    this.#times[this.state] = (this.#times[this.state] as number) + now - this.#entered_ns;
    this.#entered_ns = now;
    this.state = state;
  }

  /** How long it has been in a state, up to its last change. */
  time_ns(state: number): number {
    return this.#times[state] as number;
  }

  /** struct vcpu_runstate_info as of the last change; `upToNow` adds what the present state has lasted (vcpu_runstate_get). */
  bytes(upToNow: boolean): Uint8Array {
    const info = vcpu_runstate_info.at(this.#memory, 0);
    const since = upToNow
      ? Math.max(0, this.#vcpu.domain.xen.clock.now_ns() - this.#entered_ns)
      : 0;
    info.state = this.state;
    const entry = vcpu_runstate_info.offset.state_entry_time;
    this.#vcpu.domain.xen.clock.storeSystemTime(this.#memory, entry, this.#entered_ns);
    for (let i = 0; i < this.#times.length; i++) {
      const time = (this.#times[i] as number) + (i === this.state ? since : 0);
      st64(this.#memory, info.time.address(i), time);
    }
    return this.#memory.bytes;
  }

  /** Brings the guest's copy up to date; a page that is not there is not written. */
  publish(): void {
    if (this.area !== 0) copyToKernel(this.#vcpu, this.area, this.bytes(false));
  }
}
