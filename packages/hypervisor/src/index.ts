export type { CreateDomain } from './create-domain.ts';
export {
  Dom0,
  type FrameMapping,
  type GrantMapping,
} from './dom0.ts';
export type { CopyOp, CopySide } from './dom0-grant-copy.ts';
export type { DomainInfo } from './domain-info.ts';
export type { TscSettings } from './domain-tsc.ts';
export { type CpuPolicy, Domctl } from './domctl.ts';
export {
  type HostCounts,
  Hypervisor,
  type HypervisorOptions,
  XEN2_SLOT_FRAMES,
} from './hypervisor.ts';
export type { MachineMemory } from './machine-memory.ts';
export type { FrameHold } from './memory-domain.ts';
export { ModelBug } from './model-bug.ts';
export type { SharedInfoName } from './shared-info-layout.ts';
export { XenError } from './xen-error.ts';
