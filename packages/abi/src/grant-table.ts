/*
 * Grant tables.
 *
 * xen/include/public/grant_table.h
 */
import { array, i16, i64, nest, struct, u16, u32, u64, union } from '@port-xen/layout';

export const GNTTABOP_transfer = 4;
export const GNTTABOP_copy = 5;
export const GNTTABOP_cache_flush = 12;
export const GNTTABOP_dump_table = 3;
export const GNTTABOP_get_status_frames = 9;
export const GNTTABOP_get_version = 10;
export const GNTTABOP_map_grant_ref = 0;
export const GNTTABOP_query_size = 6;
export const GNTTABOP_set_version = 8;
export const GNTTABOP_setup_table = 2;
export const GNTTABOP_swap_grant_ref = 11;
export const GNTTABOP_unmap_grant_ref = 1;
export const GNTTABOP_unmap_and_replace = 7;

export const GNTCOPY_dest_gref = 2;
export const GNTCOPY_source_gref = 1;

export const GNTMAP_readonly = 4;
export const GNTMAP_application_map = 8;
export const GNTMAP_contains_pte = 16;
export const GNTMAP_device_map = 1;
export const GNTMAP_guest_avail_mask = 0xffff0000;
export const GNTMAP_host_map = 2;

export const GNTST_eagain = -12;
export const GNTST_okay = 0;
export const GNTST_address_too_big = -11;
export const GNTST_bad_copy_arg = -10;
export const GNTST_bad_page = -9;
export const GNTST_bad_dev_addr = -6;
export const GNTST_bad_virt_addr = -5;
export const GNTST_bad_handle = -4;
export const GNTST_bad_gntref = -3;
export const GNTST_bad_domain = -2;
export const GNTST_general_error = -1;
export const GNTST_no_space = -13;
export const GNTST_no_device_space = -7;
export const GNTST_permission_denied = -8;

export const GNTTAB_CACHE_CLEAN = 1;
export const GNTTAB_CACHE_INVAL = 2;
export const GNTTAB_CACHE_SOURCE_GREF = 0x80000000;
export const GNTTAB_NR_RESERVED_ENTRIES = 8;
export const GNTTAB_RESERVED_CONSOLE = 0;
export const GNTTAB_RESERVED_XENSTORE = 1;

export const GTF_invalid = 0;
export const GTF_transitive = 3;
export const GTF_readonly = 4;
export const GTF_reading = 8;
export const GTF_writing = 16;
export const GTF_PWT = 32;
export const GTF_PCD = 64;
export const GTF_PAT = 128;
export const GTF_accept_transfer = 2;
export const GTF_permit_access = 1;
export const GTF_sub_page = 0x100;
export const GTF_transfer_committed = 4;
export const GTF_transfer_completed = 8;
export const GTF_type_mask = 3;

/** `struct grant_entry_v1`, 8 bytes. */
export const grant_entry_v1 = struct('grant_entry_v1', {
  flags: u16,
  domid: u16,
  frame: u32,
});

/** `struct grant_entry_header`, 4 bytes. */
export const grant_entry_header = struct('grant_entry_header', {
  flags: u16,
  domid: u16,
});

const grant_entry_v2_full_page = struct('grant_entry_v2_full_page', {
  hdr: nest(grant_entry_header),
  pad0: u32,
  frame: u64,
});
const grant_entry_v2_sub_page = struct('grant_entry_v2_sub_page', {
  hdr: nest(grant_entry_header),
  page_off: u16,
  length: u16,
  frame: u64,
});
const grant_entry_v2_transitive = struct('grant_entry_v2_transitive', {
  hdr: nest(grant_entry_header),
  trans_domid: u16,
  pad0: u16,
  gref: u32,
});
/** `union grant_entry_v2`, 16 bytes. */
export const grant_entry_v2 = union('grant_entry_v2', {
  hdr: nest(grant_entry_header),
  full_page: nest(grant_entry_v2_full_page),
  sub_page: nest(grant_entry_v2_sub_page),
  transitive: nest(grant_entry_v2_transitive),
  __spacer: array(u32, 4),
});

const gnttab_copy_ptr_u = union('gnttab_copy_ptr_u', {
  ref: u32,
  gmfn: u64,
});
export const gnttab_copy_ptr = struct('gnttab_copy_ptr', {
  u: nest(gnttab_copy_ptr_u),
  domid: u16,
  offset: u16,
});

/** `struct gnttab_map_grant_ref`, 32 bytes. */
export const gnttab_map_grant_ref = struct('gnttab_map_grant_ref', {
  host_addr: u64,
  flags: u32,
  ref: u32,
  dom: u16,
  status: i16,
  handle: u32,
  dev_bus_addr: u64,
});

/** `struct gnttab_unmap_grant_ref`, 24 bytes. */
export const gnttab_unmap_grant_ref = struct('gnttab_unmap_grant_ref', {
  host_addr: u64,
  dev_bus_addr: u64,
  handle: u32,
  status: i16,
});

/** `struct gnttab_setup_table`, 24 bytes. */
export const gnttab_setup_table = struct('gnttab_setup_table', {
  dom: u16,
  nr_frames: u32,
  status: i16,
  frame_list: i64,
});

/** `struct gnttab_dump_table`, 4 bytes. */
export const gnttab_dump_table = struct('gnttab_dump_table', {
  dom: u16,
  status: i16,
});

/** `struct gnttab_transfer`, 24 bytes. */
export const gnttab_transfer = struct('gnttab_transfer', {
  mfn: u64,
  domid: u16,
  ref: u32,
  status: i16,
});

/** `struct gnttab_copy`, 40 bytes. */
export const gnttab_copy = struct('gnttab_copy', {
  source: nest(gnttab_copy_ptr),
  dest: nest(gnttab_copy_ptr),
  len: u16,
  flags: u16,
  status: i16,
});

/** `struct gnttab_query_size`, 16 bytes. */
export const gnttab_query_size = struct('gnttab_query_size', {
  dom: u16,
  nr_frames: u32,
  max_nr_frames: u32,
  status: i16,
});

/** `struct gnttab_unmap_and_replace`, 24 bytes. */
export const gnttab_unmap_and_replace = struct('gnttab_unmap_and_replace', {
  host_addr: u64,
  new_addr: u64,
  handle: u32,
  status: i16,
});

/** `struct gnttab_set_version`, 4 bytes. */
export const gnttab_set_version = struct('gnttab_set_version', {
  version: u32,
});

/** `struct gnttab_get_status_frames`, 16 bytes. */
export const gnttab_get_status_frames = struct('gnttab_get_status_frames', {
  nr_frames: u32,
  dom: u16,
  status: i16,
  frame_list: i64,
});

/** `struct gnttab_get_version`, 8 bytes. */
export const gnttab_get_version = struct('gnttab_get_version', {
  dom: u16,
  pad: u16,
  version: u32,
});

/** `struct gnttab_swap_grant_ref`, 12 bytes. */
export const gnttab_swap_grant_ref = struct('gnttab_swap_grant_ref', {
  ref_a: u32,
  ref_b: u32,
  status: i16,
});

const gnttab_cache_flush_a = union('gnttab_cache_flush_a', {
  dev_bus_addr: u64,
  ref: u32,
});
/** `struct gnttab_cache_flush`, 16 bytes. */
export const gnttab_cache_flush = struct('gnttab_cache_flush', {
  a: nest(gnttab_cache_flush_a),
  offset: u16,
  length: u16,
  op: u32,
});
