/*
 * VCPUOP_register_vcpu_info (map_vcpu_info, xen/common/domain.c): a vCPU's vcpu_info moves from shared_info to a page of the
 * guest's. It holds that page writable for good. Everything is marked pending there, so that nothing is lost on the way.
 */
import { vcpu_info, XEN_EINVAL } from '@port-xen/abi';
import { holdFrame } from './grant-mapping.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

const SIZE = vcpu_info.size;
const SELECTOR = vcpu_info.offset.evtchn_pending_sel;

/** @returns 0, or -EINVAL: no place for it, registered before, another vCPU that is up, or no writable frame of the domain's */
export const registerInfo = (
  caller: GuestVcpu,
  vcpu: GuestVcpu,
  mfn: number,
  offset: number,
): number => {
  const { host, domid } = vcpu.domain;
  if (offset > 4096 - SIZE || vcpu.registeredInfoMfn >= 0) return -XEN_EINVAL;
  if (vcpu !== caller && vcpu.online) return -XEN_EINVAL;
  if (!holdFrame(host, mfn, domid, true)) return -XEN_EINVAL;
  const { memory } = host;
  const address = mfn * 4096 + offset;
  const bytes = new Uint8Array(SIZE);
  memory.read(vcpu.infoAddress, bytes);
  memory.write(address, bytes);
  vcpu.registeredInfoMfn = mfn;
  vcpu.infoAddress = address;
  memory.st8(address, 1);
  memory.st32(address + SELECTOR, -1);
  memory.st32(address + SELECTOR + 4, -1);
  host.markDirty(mfn);
  return 0;
};
