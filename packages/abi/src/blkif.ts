/*
 * Block rings, x86_64 ABI.
 *
 * xen/include/public/io/blkif.h
 */
import { array, bytes, i16, nest, struct, u8, u16, u32, u64, union } from '@port-xen/layout';

export const BLKIF_DISCARD_SECURE = 1;
export const BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST = 8;
export const BLKIF_MAX_SEGMENTS_PER_REQUEST = 11;
export const BLKIF_OP_READ = 0;
export const BLKIF_OP_WRITE = 1;
export const BLKIF_OP_WRITE_BARRIER = 2;
export const BLKIF_OP_FLUSH_DISKCACHE = 3;
export const BLKIF_OP_RESERVED_1 = 4;
export const BLKIF_OP_DISCARD = 5;
export const BLKIF_OP_INDIRECT = 6;
export const BLKIF_RSP_EOPNOTSUPP = -2;
export const BLKIF_RSP_ERROR = -1;
export const BLKIF_RSP_OKAY = 0;

export const VDISK_CDROM = 1;
export const VDISK_REMOVABLE = 2;
export const VDISK_READONLY = 4;

/** `struct blkif_request_segment`, 8 bytes. */
export const blkif_request_segment = struct('blkif_request_segment', {
  gref: u32,
  first_sect: u8,
  last_sect: u8,
});

/** `struct blkif_request`, 112 bytes. */
export const blkif_request = struct('blkif_request', {
  operation: u8,
  nr_segments: u8,
  handle: u16,
  id: u64,
  sector_number: u64,
  seg: array(blkif_request_segment, 11),
});

/** `struct blkif_request_discard`, 32 bytes. */
export const blkif_request_discard = struct('blkif_request_discard', {
  operation: u8,
  flag: u8,
  handle: u16,
  id: u64,
  sector_number: u64,
  nr_sectors: u64,
});

/** `struct blkif_request_indirect`, 64 bytes. */
export const blkif_request_indirect = struct('blkif_request_indirect', {
  operation: u8,
  indirect_op: u8,
  nr_segments: u16,
  id: u64,
  sector_number: u64,
  handle: u16,
  indirect_grefs: array(u32, 8),
});

/** `struct blkif_response`, 16 bytes. */
export const blkif_response = struct('blkif_response', {
  id: u64,
  operation: u8,
  status: i16,
});

/** `union blkif_sring_entry`, 112 bytes. */
export const blkif_sring_entry = union('blkif_sring_entry', {
  req: nest(blkif_request),
  rsp: nest(blkif_response),
});

const blkif_sring_pvt_netif = struct('blkif_sring_pvt_netif', {
  smartpoll_active: u8,
});
const blkif_sring_pvt_tapif_user = struct('blkif_sring_pvt_tapif_user', {
  msg: u8,
});
const blkif_sring_pvt = union('blkif_sring_pvt', {
  netif: nest(blkif_sring_pvt_netif),
  tapif_user: nest(blkif_sring_pvt_tapif_user),
  pvt_pad: array(u8, 4),
});
/** `struct blkif_sring`, 176 bytes. */
export const blkif_sring = struct('blkif_sring', {
  req_prod: u32,
  req_event: u32,
  rsp_prod: u32,
  rsp_event: u32,
  pvt: nest(blkif_sring_pvt),
  __pad: bytes(44),
  ring: array(blkif_sring_entry, 1),
});
