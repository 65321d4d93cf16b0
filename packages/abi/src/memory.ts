/*
 * Memory reservations and maps.
 *
 * xen/include/public/memory.h
 */
import { i64, nest, struct, u16, u32, u64, union } from '@port-xen/layout';

export const XENMAPIDX_grant_table_status = 0x80000000;

export const XENMAPSPACE_gmfn = 2;
export const XENMAPSPACE_dev_mmio = 5;
export const XENMAPSPACE_gmfn_range = 3;
export const XENMAPSPACE_gmfn_foreign = 4;
export const XENMAPSPACE_grant_table = 1;
export const XENMAPSPACE_shared_info = 0;

export const XENMEMF_vnode = 0x40000;
export const XENMEMF_exact_node_request = 0x20000;
export const XENMEMF_populate_on_demand = 0x10000;

export const XENMEM_exchange = 11;
export const XENMEM_FORK_WITH_IOMMU_ALLOWED = 1;
export const XENMEM_FORK_BLOCK_INTERRUPTS = 2;
export const XENMEM_FORK_RESET_STATE = 4;
export const XENMEM_FORK_RESET_MEMORY = 8;
export const XENMEM_RDM_ALL = 1;
export const XENMEM_SHARING_OP_S_HANDLE_INVALID = -10;
export const XENMEM_SHARING_OP_C_HANDLE_INVALID = -9;
export const XENMEM_access_op_set_access = 0;
export const XENMEM_access_op_get_access = 1;
export const XENMEM_access_op_set_access_multi = 4;
export const XENMEM_access_op = 21;
export const XENMEM_acquire_resource = 28;
export const XENMEM_add_to_physmap = 7;
export const XENMEM_add_to_physmap_batch = 23;
export const XENMEM_claim_pages = 24;
export const XENMEM_current_reservation = 3;
export const XENMEM_decrease_reservation = 1;
export const XENMEM_get_pod_target = 17;
export const XENMEM_get_sharing_freed_pages = 18;
export const XENMEM_get_sharing_shared_pages = 19;
export const XENMEM_get_vnumainfo = 26;
export const XENMEM_increase_reservation = 0;
export const XENMEM_machine_memory_map = 10;
export const XENMEM_machphys_mfn_list = 5;
export const XENMEM_machphys_mapping = 12;
export const XENMEM_machphys_compat_mfn_list = 25;
export const XENMEM_maximum_ram_page = 2;
export const XENMEM_maximum_reservation = 4;
export const XENMEM_maximum_gpfn = 14;
export const XENMEM_memory_map = 9;
export const XENMEM_paging_op_nominate = 0;
export const XENMEM_paging_op_evict = 1;
export const XENMEM_paging_op_prep = 2;
export const XENMEM_paging_op = 20;
export const XENMEM_populate_physmap = 6;
export const XENMEM_remove_from_physmap = 15;
export const XENMEM_reserved_device_memory_map = 27;
export const XENMEM_resource_grant_table_id_shared = 0;
export const XENMEM_resource_ioreq_server = 0;
export const XENMEM_resource_ioreq_server_frame_bufioreq = 0;
export const XENMEM_resource_grant_table = 1;
export const XENMEM_resource_grant_table_id_status = 1;
export const XENMEM_resource_vmtrace_buf = 2;
export const XENMEM_set_memory_map = 13;
export const XENMEM_set_pod_target = 16;
export const XENMEM_sharing_op_nominate_gfn = 0;
export const XENMEM_sharing_op_nominate_gref = 1;
export const XENMEM_sharing_op_share = 2;
export const XENMEM_sharing_op_debug_gfn = 3;
export const XENMEM_sharing_op_debug_mfn = 4;
export const XENMEM_sharing_op_debug_gref = 5;
export const XENMEM_sharing_op_add_physmap = 6;
export const XENMEM_sharing_op_audit = 7;
export const XENMEM_sharing_op_range_share = 8;
export const XENMEM_sharing_op_fork = 9;
export const XENMEM_sharing_op_fork_reset = 10;
export const XENMEM_sharing_op = 22;

/** `struct xen_memory_reservation`, 32 bytes. */
export const xen_memory_reservation = struct('xen_memory_reservation', {
  extent_start: i64,
  nr_extents: u64,
  extent_order: u32,
  mem_flags: u32,
  domid: u16,
});

/** `struct xen_memory_exchange`, 72 bytes. */
export const xen_memory_exchange = struct('xen_memory_exchange', {
  in: nest(xen_memory_reservation),
  out: nest(xen_memory_reservation),
  nr_exchanged: u64,
});

/** `struct xen_memory_domain`, 2 bytes. */
export const xen_memory_domain = struct('xen_memory_domain', {
  domid: u16,
});

/** `struct xen_machphys_mfn_list`, 24 bytes. */
export const xen_machphys_mfn_list = struct('xen_machphys_mfn_list', {
  max_extents: u32,
  extent_start: i64,
  nr_extents: u32,
});

/** `struct xen_machphys_mapping`, 24 bytes. */
export const xen_machphys_mapping = struct('xen_machphys_mapping', {
  v_start: u64,
  v_end: u64,
  max_mfn: u64,
});

/** `struct xen_add_to_physmap`, 24 bytes. */
export const xen_add_to_physmap = struct('xen_add_to_physmap', {
  domid: u16,
  size: u16,
  space: u32,
  idx: u64,
  gpfn: u64,
});

export const xen_add_to_physmap_batch_extra = union('xen_add_to_physmap_batch_extra', {
  foreign_domid: u16,
  res0: u16,
});

/** `struct xen_add_to_physmap_batch`, 32 bytes. */
export const xen_add_to_physmap_batch = struct('xen_add_to_physmap_batch', {
  domid: u16,
  space: u16,
  size: u16,
  u: nest(xen_add_to_physmap_batch_extra),
  idxs: i64,
  gpfns: i64,
  errs: i64,
});

/** `struct xen_remove_from_physmap`, 16 bytes. */
export const xen_remove_from_physmap = struct('xen_remove_from_physmap', {
  domid: u16,
  gpfn: u64,
});

/** `struct xen_memory_map`, 16 bytes. */
export const xen_memory_map = struct('xen_memory_map', {
  nr_entries: u32,
  buffer: i64,
});

/** `struct xen_foreign_memory_map`, 24 bytes. */
export const xen_foreign_memory_map = struct('xen_foreign_memory_map', {
  domid: u16,
  map: nest(xen_memory_map),
});

/** `struct xen_mem_acquire_resource`, 32 bytes. */
export const xen_mem_acquire_resource = struct('xen_mem_acquire_resource', {
  domid: u16,
  type: u16,
  id: u32,
  nr_frames: u32,
  pad: u32,
  frame: u64,
  frame_list: i64,
});

/** `struct xen_pod_target`, 40 bytes. */
export const xen_pod_target = struct('xen_pod_target', {
  target_pages: u64,
  tot_pages: u64,
  pod_cache_pages: u64,
  pod_entries: u64,
  domid: u16,
});
