/*
 * Hypercalls of the control domain, as an ordinary guest sees them: the struct is read, its interface version checked, a domain
 * that is not there said so, and then the caller refused (xen/common/domctl.c, sysctl.c, x86/platform_hypercall.c).
 */
import {
  XEN_DOMCTL_createdomain,
  XEN_DOMCTL_INTERFACE_VERSION,
  XEN_EACCES,
  XEN_EFAULT,
  XEN_EPERM,
  XEN_ESRCH,
  XEN_SYSCTL_INTERFACE_VERSION,
  xen_domctl,
  xen_sysctl,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { copyFromGuest } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct } from './guest-words.ts';

/** XENPF_INTERFACE_VERSION of public/platform.h, and the size of struct xen_platform_op. */
const XENPF_INTERFACE_VERSION = 0x0300_0001;
const PLATFORM_OP_SIZE = 136;

/** HYPERVISOR_domctl(op). */
export const domctlOp = (vcpu: GuestVcpu, arg: number): number => {
  const op = fetchStruct(vcpu, xen_domctl, arg);
  if (op === null) return -XEN_EFAULT;
  if (op.interface_version !== XEN_DOMCTL_INTERFACE_VERSION) return -XEN_EACCES;
  const { domain } = op;
  const found = domain === 0 || vcpu.domain.xen.domains.has(domain);
  return op.cmd === XEN_DOMCTL_createdomain || found ? -XEN_EPERM : -XEN_ESRCH;
};

/** HYPERVISOR_sysctl(op). */
export const sysctlOp = (vcpu: GuestVcpu, arg: number): number => {
  const op = fetchStruct(vcpu, xen_sysctl, arg);
  if (op === null) return -XEN_EFAULT;
  return op.interface_version === XEN_SYSCTL_INTERFACE_VERSION ? -XEN_EPERM : -XEN_EACCES;
};

/** HYPERVISOR_platform_op(op). */
export const platformOp = (vcpu: GuestVcpu, arg: number): number => {
  const bytes = new Uint8Array(PLATFORM_OP_SIZE);
  if (!copyFromGuest(vcpu, arg, bytes)) return -XEN_EFAULT;
  const version = new BytesMemory(bytes).ld32(4) >>> 0;
  return version === XENPF_INTERFACE_VERSION ? -XEN_EPERM : -XEN_EACCES;
};
