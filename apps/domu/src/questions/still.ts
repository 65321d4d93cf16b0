/*
 * What is looked at while a domain stands still: its pages, and what Xen keeps of it.
 */
import { GTF_type_mask, grant_entry_v1, vcpu_guest_context } from '@port-xen/abi';
import { NR_EVENT_CHANNELS } from '@port-xen/evtchn';
import type { Dom0 } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { World } from '../world.ts';
import { type Memory, snapshot } from './snapshot.ts';

/** An entry of the grant table that grants something. */
export interface Grant {
  readonly reference: number;
  readonly mfn: number;
}

/** A vCPU, as the toolstack reads it. */
export interface StillVcpu {
  /** `vcpu_guest_context`, 5168 bytes. */
  readonly context: Uint8Array;
  /** `xen_domctl_ext_vcpucontext`, 64 bytes. */
  readonly extended: Uint8Array;
}

export interface Still {
  readonly memory: Memory;
  readonly sharedInfo: Uint8Array;
  /** Those that are online, by number. */
  readonly vcpus: readonly StillVcpu[];
  readonly grants: readonly Grant[];
  /** What Xen says of a port. */
  readonly channels: (port: number) => Channel | undefined;
}

/** An event channel, as `EVTCHNOP_status` tells of it. */
export type Channel = NonNullable<ReturnType<Dom0['evtchn']['status']>>;

const PER_FRAME = 4096 / grant_entry_v1.size;

const grantsOf = ({ hv }: World, domid: number): Grant[] => {
  const table = hv.domains.get(domid)?.grants;
  const references = (table?.frames.length ?? 0) * PER_FRAME;
  const grants: Grant[] = [];
  for (let reference = 0; reference < references; reference++) {
    const at = table?.addressOf(reference) as number;
    if ((hv.memory.ld16(at + grant_entry_v1.offset.flags) & GTF_type_mask) === 0) continue;
    grants.push({ reference, mfn: hv.memory.ld32(at + grant_entry_v1.offset.frame) });
  }
  return grants;
};

const channelsOf = ({ hv }: World, domid: number): Still['channels'] => {
  const found = new Map<number, Channel>();
  const evtchn = hv.domains.get(domid)?.evtchn;
  for (let port = 0; port < NR_EVENT_CHANNELS; port++) {
    const channel = evtchn?.status(port);
    if (channel !== undefined) found.set(port, channel);
  }
  return (port) => found.get(port);
};

/** Copies all of it. */
export const lookAt = (world: World, domid: number): Still => {
  const { hv } = world;
  const { domctl } = hv;
  const { sharedInfoMfn, maxVcpuId } = domctl.getDomainInfo(domid);
  const vcpus: StillVcpu[] = [];
  for (let id = 0; id <= maxVcpuId; id++) {
    if (!domctl.vcpuInfo(domid, id).online) continue;
    vcpus.push({
      context: domctl.getVcpuContext(domid, id),
      extended: domctl.getExtVcpuContext(domid, id),
    });
  }
  return {
    memory: snapshot(hv, domid),
    sharedInfo: hv.memory.frameBytes(sharedInfoMfn).slice(),
    vcpus,
    grants: grantsOf(world, domid),
    channels: channelsOf(world, domid),
  };
};

/** The page that start_info is in: the suspend hypercall's third argument, in rdx, names its frame. */
export const startInfoPfn = ({ memory, vcpus }: Still): number => {
  const context = new BytesMemory(vcpus[0]?.context as Uint8Array);
  const { rdx } = vcpu_guest_context.at(context, 0).user_regs;
  return [...memory].find(([, { mfn }]) => mfn === rdx)?.[0] ?? -1;
};
