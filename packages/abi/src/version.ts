/*
 * Version and features.
 *
 * xen/include/public/version.h, features.h
 */
import { bytes, struct, u32, u64 } from '@port-xen/layout';

export const XENVER_version = 0;
export const XENVER_extraversion = 1;
export const XENVER_capabilities = 3;
export const XENVER_changeset = 4;
export const XENVER_pagesize = 7;
export const XENVER_commandline = 9;
export const XENVER_build_id = 10;
export const XENVER_compile_info = 2;
export const XENVER_get_features = 6;
export const XENVER_guest_handle = 8;
export const XENVER_platform_parameters = 5;

export const XENFEAT_dom0 = 11;
export const XENFEAT_ARM_SMCCC_supported = 14;
export const XENFEAT_NR_SUBMAPS = 1;
export const XENFEAT_auto_translated_physmap = 2;
export const XENFEAT_direct_mapped = 17;
export const XENFEAT_gnttab_map_avail_bits = 7;
export const XENFEAT_highmem_assist = 6;
export const XENFEAT_hvm_callback_vector = 8;
export const XENFEAT_hvm_safe_pvclock = 9;
export const XENFEAT_hvm_pirqs = 10;
export const XENFEAT_linux_rsdp_unrestricted = 15;
export const XENFEAT_memory_op_vnode_supported = 13;
export const XENFEAT_mmu_pt_update_preserve_ad = 5;
export const XENFEAT_not_direct_mapped = 16;
export const XENFEAT_pae_pgdir_above_4gb = 4;
export const XENFEAT_supervisor_mode_kernel = 3;
export const XENFEAT_writable_page_tables = 0;
export const XENFEAT_writable_descriptor_tables = 1;

/** `struct xen_compile_info`, 144 bytes. */
export const xen_compile_info = struct('xen_compile_info', {
  compiler: bytes(64),
  compile_by: bytes(16),
  compile_domain: bytes(32),
  compile_date: bytes(32),
});

/** `struct xen_platform_parameters`, 8 bytes. */
export const xen_platform_parameters = struct('xen_platform_parameters', {
  virt_start: u64,
});

/** `struct xen_feature_info`, 8 bytes. */
export const xen_feature_info = struct('xen_feature_info', {
  submap_idx: u32,
  submap: u32,
});

/** `struct xen_build_id`, 4 bytes. */
export const xen_build_id = struct('xen_build_id', {
  len: u32,
});
