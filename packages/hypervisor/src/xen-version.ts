/*
 * HYPERVISOR_xen_version (do_xen_version, xen/common/kernel.c).
 */
import {
  VMASST_TYPE_pae_extended_cr3,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XENVER_build_id,
  XENVER_capabilities,
  XENVER_changeset,
  XENVER_commandline,
  XENVER_compile_info,
  XENVER_extraversion,
  XENVER_get_features,
  XENVER_guest_handle,
  XENVER_pagesize,
  XENVER_platform_parameters,
  XENVER_version,
  xen_compile_info,
  xen_feature_info,
} from '@port-xen/abi';
import { BytesMemory, cString, stPair } from '@port-xen/layout';
import { copyToGuest } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, returnStruct } from './guest-words.ts';

/** Features of a plain PV domain: pt_update_preserve_ad, highmem_assist, gnttab_map_avail_bits, vnode, direct_mapped. */
const PV_FEATURES = 0x000220e0;
/** What a domain gets of what is the control domain's to know. */
const DENIED = '<denied>';
const FEATURE_PAE_PGDIR_ABOVE_4GB = 1 << 4;

const padded = (text: string, size: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  bytes.set(cString(text).subarray(0, size));
  return bytes;
};

const compileInfo = (): Uint8Array => {
  const bytes = new Uint8Array(xen_compile_info.size);
  const info = xen_compile_info.at(new BytesMemory(bytes), 0);
  info.compiler = cString('TypeScript');
  info.compile_by = cString('port-xen');
  info.compile_domain = cString('port-xen');
  info.compile_date = cString('Thu Jan  1 00:00:00 UTC 1970');
  return bytes;
};

/** HYPERVISOR_xen_version(cmd, arg). */
export const xenVersion = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  const { version } = vcpu.domain.xen;
  const give = (bytes: Uint8Array): number => (copyToGuest(vcpu, arg, bytes) ? 0 : -XEN_EFAULT);
  switch (cmd) {
    case XENVER_version:
      return (version.major << 16) | version.minor;
    case XENVER_extraversion:
      return give(padded(version.extra, 16));
    case XENVER_compile_info:
      return give(compileInfo());
    case XENVER_capabilities:
      return give(padded('xen-3.0-x86_64 ', 1024));
    case XENVER_changeset:
      return give(padded('', 64));
    case XENVER_platform_parameters: {
      const bytes = new Uint8Array(8);
      stPair(new BytesMemory(bytes), 0, 0, 0xffff_8000);
      return give(bytes);
    }
    case XENVER_get_features: {
      const op = fetchStruct(vcpu, xen_feature_info, arg);
      if (op === null) return -XEN_EFAULT;
      if (op.submap_idx !== 0) return -XEN_EINVAL;
      const pae = vcpu.domain.hasAssist(VMASST_TYPE_pae_extended_cr3);
      op.submap = PV_FEATURES | (pae ? FEATURE_PAE_PGDIR_ABOVE_4GB : 0);
      return returnStruct(vcpu, xen_feature_info, arg, op) ? 0 : -XEN_EFAULT;
    }
    case XENVER_pagesize:
      return arg === 0 ? 4096 : -XEN_EINVAL;
    case XENVER_guest_handle:
      return give(vcpu.domain.handle);
    case XENVER_commandline:
      return give(cString(DENIED));
    case XENVER_build_id:
      return -XEN_EPERM;
    default:
      return -XEN_ENOSYS;
  }
};
