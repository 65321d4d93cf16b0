import type { Hypervisor } from '@port-xen/hypervisor';
import { localiseVcpu, localiseVcpu0 } from '@port-xen/migration-stream';
import type { DomainConfig } from './domain-config.ts';
import { GuestFrames } from './guest-frames.ts';
import { guestInterface } from './guest-interface.ts';
import type { DomainPorts, HostHandles } from './host-handles.ts';
import { type ImagePlace, orRefuse } from './refusal.ts';
import type { RestoredMemory } from './restored-memory.ts';
import { ToolstackError } from './toolstack-error.ts';

/** The domain that is being restored into, as whoever made it knows it. */
export interface RestoreTarget extends DomainPorts {
  readonly domid: number;
  readonly config: DomainConfig;
}

/** A record's body, and where it stood. */
export interface KeptRecord {
  readonly bytes: Uint8Array;
  readonly place: ImagePlace;
}

/** What came of one vCPU: the last of each kind. */
export interface VcpuState {
  basic?: KeptRecord;
  extended?: KeptRecord;
  xsave?: KeptRecord;
  msrs?: KeptRecord;
}

/** The vCPUs of a domain that is being restored: kept until all else is there, then given to Xen. */
export class RestoredVcpus {
  readonly #states = new Map<number, VcpuState>();

  at(vcpu: number): VcpuState {
    let state = this.#states.get(vcpu);
    if (state === undefined) {
      state = {};
      this.#states.set(vcpu, state);
    }
    return state;
  }

  /**
   * Patches start_info, which vCPU 0 names, and gives Xen each vCPU's state, in ascending order.
   * @throws StreamError for a page of the wrong kind and for what Xen refuses
   */
  start(
    hv: Hypervisor,
    target: RestoreTarget,
    memory: RestoredMemory,
    sharedInfoMfn: number,
  ): HostHandles {
    let handles: HostHandles | undefined;
    for (const [vcpu, state] of [...this.#states].sort(([a], [b]) => a - b)) {
      if (state.basic === undefined) continue;
      const { bytes, place } = state.basic;
      const context = orRefuse(`Failed to set vcpu${vcpu}'s basic info`, place, () => {
        if (vcpu > 0) return localiseVcpu(bytes, memory);
        const first = localiseVcpu0(bytes, memory);
        handles = patch(hv, target, memory, first.startInfoPfn, sharedInfoMfn);
        return first.context;
      });
      give(hv, target.domid, vcpu, state, context);
    }
    if (handles !== undefined) return handles;
    throw new ToolstackError("expected vcpu0's basic state in the image, found none");
  }
}

/** Gives Xen one vCPU. */
const give = (
  { domctl }: Hypervisor,
  domid: number,
  vcpu: number,
  { basic, extended, xsave, msrs }: VcpuState,
  context: Uint8Array,
): void => {
  const set = (
    what: string,
    kept: KeptRecord | undefined,
    call: (bytes: Uint8Array) => void,
  ): void => {
    if (kept === undefined) return;
    orRefuse(`Failed to set vcpu${vcpu}'s ${what} info`, kept.place, () => call(kept.bytes));
  };
  set('basic', basic, () => domctl.setVcpuContext(domid, vcpu, context));
  set('extended', extended, (bytes) => domctl.setExtVcpuContext(domid, vcpu, bytes));
  set('xsave', xsave, (bytes) => domctl.setVcpuExtState(domid, vcpu, bytes));
  set('msr', msrs, (bytes) => domctl.setVcpuMsrs(domid, vcpu, bytes));
};

const patch = (
  hv: Hypervisor,
  target: RestoreTarget,
  memory: RestoredMemory,
  startInfoPfn: number,
  sharedInfoMfn: number,
): HostHandles =>
  new GuestFrames(hv, target.domid).with(memory.pfnToMfn(startInfoPfn), (page) => {
    const { storePort, consolePort, controllerPort, config } = target;
    const ports = { storePort, consolePort, controllerPort };
    const place = { offset: memory.offsetOf(startInfoPfn), record: 'PAGE_DATA' };
    const rings = orRefuse('Start Info has bad frames', place, () =>
      guestInterface(config.interface).patchStartInfo(page, memory, sharedInfoMfn, ports),
    );
    return { sharedInfoMfn, ...ports, ...rings };
  });
