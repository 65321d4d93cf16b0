import type { Domain } from './domain.ts';
import type { SharedInfoName } from './shared-info-layout.ts';

/** XEN_DOMCTL_getdomaininfo. */
export interface DomainInfo {
  readonly domid: number;
  readonly dying: boolean;
  readonly shutdown: boolean;
  readonly paused: boolean;
  readonly blocked: boolean;
  readonly running: boolean;
  /** SHUTDOWN_*, 0 while it has not shut down. */
  readonly shutdownReason: number;
  readonly totPages: number;
  readonly maxPages: number;
  readonly sharedInfoMfn: number;
  readonly cpuTime_ns: number;
  readonly onlineVcpus: number;
  readonly maxVcpuId: number;
  readonly handle: Uint8Array;
  /** Whose shared_info it has. */
  readonly interface: SharedInfoName;
}

/** What there is to know of a domain. */
export const domainInfo = (domain: Domain): DomainInfo => {
  const online = domain.vcpus.filter((vcpu) => vcpu.online);
  return {
    domid: domain.domid,
    dying: domain.dying,
    shutdown: domain.isShutDown,
    paused: domain.pausedByController,
    blocked: online.length > 0 && online.every((vcpu) => vcpu.blocked),
    running: online.some((vcpu) => !vcpu.blocked) && domain.runnable,
    shutdownReason: domain.isShutDown ? domain.shutdownCode : 0,
    totPages: domain.totPages,
    maxPages: domain.maxPages,
    sharedInfoMfn: domain.sharedInfoMfn,
    cpuTime_ns: domain.vcpus.reduce((sum, vcpu) => sum + vcpu.cpuTime_ns, 0),
    onlineVcpus: online.length,
    maxVcpuId: domain.maxVcpus - 1,
    handle: domain.handle.slice(),
    interface: domain.layout.name,
  };
};
