import type { Hypervisor } from '@port-xen/hypervisor';
import { localiseVcpu, localiseVcpu0, patchStartInfo } from '@port-xen/migration-stream';
import type { DomainConfig } from './domain-config.ts';
import { GuestFrames } from './guest-frames.ts';
import type { RestoredMemory } from './restored-memory.ts';
import type { HostHandles } from './start-info.ts';
import { ToolstackError } from './toolstack-error.ts';

/** The domain that is being restored into, as whoever made it knows it. */
export interface RestoreTarget {
  readonly domid: number;
  readonly config: DomainConfig;
  readonly storePort: number;
  readonly consolePort: number;
}

/** What came of one vCPU. */
export interface VcpuState {
  basic?: Uint8Array;
  extended?: Uint8Array;
  xsave?: Uint8Array;
  msrs?: Uint8Array;
}

const PAGE = 4096;

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
   * @throws FrameError for a page of the wrong kind, XenError for what Xen refuses
   */
  start(
    hv: Hypervisor,
    target: RestoreTarget,
    memory: RestoredMemory,
    sharedInfoMfn: number,
  ): HostHandles {
    const { domctl } = hv;
    const { domid } = target;
    let handles: HostHandles | undefined;
    for (const [vcpu, state] of [...this.#states].sort(([a], [b]) => a - b)) {
      if (state.basic === undefined) continue;
      let context: Uint8Array;
      if (vcpu === 0) {
        const first = localiseVcpu0(state.basic, memory);
        context = first.context;
        const mfn = memory.pfnToMfn(first.startInfoPfn);
        handles = patch(hv, target, memory, mfn, sharedInfoMfn);
      } else context = localiseVcpu(state.basic, memory);
      domctl.setVcpuContext(domid, vcpu, context);
      if (state.extended) domctl.setExtVcpuContext(domid, vcpu, state.extended);
      if (state.xsave) domctl.setVcpuExtState(domid, vcpu, state.xsave);
      if (state.msrs) domctl.setVcpuMsrs(domid, vcpu, state.msrs);
    }
    if (handles !== undefined) return handles;
    throw new ToolstackError("expected vcpu0's basic state in the image, found none");
  }
}

const patch = (
  hv: Hypervisor,
  target: RestoreTarget,
  memory: RestoredMemory,
  startInfoMfn: number,
  sharedInfoMfn: number,
): HostHandles =>
  new GuestFrames(hv, target.domid).with(startInfoMfn, (page) => {
    const { storePort, consolePort } = target;
    const { store_mfn, console_mfn } = patchStartInfo(page, memory, {
      shared_info: sharedInfoMfn * PAGE,
      store_evtchn: storePort,
      console_evtchn: consolePort,
    });
    return { sharedInfoMfn, storeMfn: store_mfn, storePort, consoleMfn: console_mfn, consolePort };
  });
