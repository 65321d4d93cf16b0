/*
 * XEN_DOMCTL_createdomain and XEN_DOMCTL_max_vcpus in one: a domain with its shared_info, a frame of grants and its vCPUs. It is paused,
 * and has no memory.
 */
import { XEN_EEXIST, XEN_EINVAL, XEN_ENOMEM } from '@port-xen/abi';
import type { Engine } from '@port-xen/vcpu';
import { Domain } from './domain.ts';
import { freeXenFrame } from './domain-frames.ts';
import { GuestVcpu } from './guest-vcpu.ts';
import type { Hypervisor } from './hypervisor.ts';
import { type SharedInfoName, sharedInfoLayout } from './shared-info-layout.ts';
import { XenError } from './xen-error.ts';

export interface CreateDomain {
  /** 16 bytes. */
  readonly handle: Uint8Array;
  readonly maxVcpus: number;
  readonly maxGrantFrames?: number;
  /** 256 mappings each. */
  readonly maxMaptrackFrames?: number;
  readonly maxEvtchnPort?: number;
  /** Whose shared_info it has: Xen 3's if nothing is said. */
  readonly interface?: SharedInfoName;
  /** Runs its vCPUs. */
  readonly engine: Engine;
  readonly domid?: number;
}

const DOMID_MAX = 0x7fef;
/** Rings of Xen 2 carry machine addresses of 32 bits. */
const XEN2_MFN_END = 2 ** 20;

/** A domain of Xen 2 names frames to its back ends by machine addresses of 32 bits. */
const checkLowFrames = ({ firstMfn, frames }: Hypervisor): void => {
  if (firstMfn + frames <= XEN2_MFN_END) return;
  throw new XenError(
    XEN_EINVAL,
    `expected a host whose MFNs are all below 2^20 for a domain of xen-2.0, found ${firstMfn} to ${firstMfn + frames - 1}`,
  );
};

/** @returns its domid */
export const createDomain = (xen: Hypervisor, options: CreateDomain): number => {
  const { maxVcpus, interface: name = 'xen-3.0' } = options;
  const layout = sharedInfoLayout(name);
  if (maxVcpus < 1 || maxVcpus > layout.vcpus) {
    throw new XenError(XEN_EINVAL, `expected 1 to ${layout.vcpus} vcpus, found ${maxVcpus}`);
  }
  if (name === 'xen-2.0') checkLowFrames(xen);
  const domid = options.domid ?? xen.nextDomid();
  if (domid < 1 || domid > DOMID_MAX || xen.domains.has(domid)) {
    throw new XenError(XEN_EEXIST, `domid ${domid} cannot be used`);
  }
  const domain = new Domain(xen, {
    domid,
    handle: options.handle,
    maxVcpus,
    maxGrantFrames: options.maxGrantFrames ?? 64,
    maxMaptrackFrames: options.maxMaptrackFrames ?? 1024,
    maxEvtchnPort: Math.min(options.maxEvtchnPort ?? layout.ports, layout.ports - 1),
    interface: name,
    engine: options.engine,
  });
  if (domain.sharedInfoMfn < 0 || !domain.grants.grow(1)) {
    domain.grants.free();
    if (domain.sharedInfoMfn >= 0) freeXenFrame(xen.host, domain.sharedInfoMfn);
    throw new XenError(XEN_ENOMEM, 'the host has no frame left for a domain');
  }
  xen.add(domain);
  const { memory } = xen.host;
  for (let id = 0; id < layout.vcpus; id++)
    memory.st8(domain.sharedInfo + id * layout.infoSize + 1, 1);
  for (let id = 0; id < maxVcpus; id++) domain.vcpus.push(new GuestVcpu(domain, id));
  return domid;
};
