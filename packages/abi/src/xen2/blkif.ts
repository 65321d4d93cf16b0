/*
 * Block rings that carry machine addresses: a segment is the machine address of its page, with the first and the last sector in the low bits
 * (`address | first_sect << 3 | last_sect`).
 *
 * Xen 2.0: xen/include/public/io/blkif.h
 */
import { array, i16, nest, packed, u8, u16, u32, u64, union } from '@port-xen/layout';

/** Asks for the disks behind an interface: the answer's status is how many `xen2_vdisk` were written to the page. */
export const BLKIF_OP_PROBE = 2;
/** Requests in a ring. */
export const XEN2_BLKIF_RING_SIZE = 64;
/** Segments in a request. */
export const XEN2_BLKIF_MAX_SEGMENTS_PER_REQUEST = 11;

export const VDISK_TYPE_FLOPPY = 0;
export const VDISK_TYPE_TAPE = 1;
export const VDISK_TYPE_CDROM = 5;
export const VDISK_TYPE_OPTICAL = 7;
export const VDISK_TYPE_DISK = 0x20;
export const VDISK_TYPE_MASK = 0x3f;
export const VDISK_FLAG_RO = 0x40;
export const VDISK_FLAG_VIRT = 0x80;

/** `blkif_request_t`, 60 bytes. */
export const xen2_blkif_request = packed('xen2_blkif_request', {
  operation: u8,
  nr_segments: u8,
  device: u16,
  id: u32,
  sector_number: u64,
  frame_and_sects: array(u32, XEN2_BLKIF_MAX_SEGMENTS_PER_REQUEST),
});

/** `blkif_response_t`, 7 bytes. */
export const xen2_blkif_response = packed('xen2_blkif_response', {
  id: u32,
  operation: u8,
  status: i16,
});

/** An entry of the ring, 60 bytes. */
export const xen2_blkif_ring_entry = union('xen2_blkif_ring_entry', {
  req: nest(xen2_blkif_request),
  resp: nest(xen2_blkif_response),
});

/** `blkif_ring_t`, 3848 bytes. */
export const xen2_blkif_ring = packed('xen2_blkif_ring', {
  req_prod: u32,
  resp_prod: u32,
  ring: array(xen2_blkif_ring_entry, XEN2_BLKIF_RING_SIZE),
});

/** `vdisk_t`, 12 bytes: capacity in sectors of 512 bytes, device number, type and flags. */
export const xen2_vdisk = packed('xen2_vdisk', {
  capacity: u64,
  device: u16,
  info: u16,
});
