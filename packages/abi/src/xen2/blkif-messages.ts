/*
 * Messages about block interfaces, between front end and controller (FE) and controller and back end (BE). Frames are machine frame numbers.
 *
 * Xen 2.0: xen/include/public/io/domain_controller.h
 */
import { bytes, nest, packed, u16, u32, u64 } from '@port-xen/layout';

export const CMSG_BLKIF_FE_INTERFACE_STATUS = 0;
export const CMSG_BLKIF_FE_DRIVER_STATUS = 32;
export const CMSG_BLKIF_FE_INTERFACE_CONNECT = 33;
export const CMSG_BLKIF_FE_INTERFACE_DISCONNECT = 34;
export const CMSG_BLKIF_FE_INTERFACE_QUERY = 35;

export const CMSG_BLKIF_BE_CREATE = 0;
export const CMSG_BLKIF_BE_DESTROY = 1;
export const CMSG_BLKIF_BE_CONNECT = 2;
export const CMSG_BLKIF_BE_DISCONNECT = 3;
export const CMSG_BLKIF_BE_VBD_CREATE = 4;
export const CMSG_BLKIF_BE_VBD_DESTROY = 5;
export const CMSG_BLKIF_BE_VBD_GROW = 6;
export const CMSG_BLKIF_BE_VBD_SHRINK = 7;
export const CMSG_BLKIF_BE_DRIVER_STATUS = 32;

export const BLKIF_INTERFACE_STATUS_CLOSED = 0;
export const BLKIF_INTERFACE_STATUS_DISCONNECTED = 1;
export const BLKIF_INTERFACE_STATUS_CONNECTED = 2;
export const BLKIF_INTERFACE_STATUS_CHANGED = 3;

export const BLKIF_DRIVER_STATUS_DOWN = 0;
export const BLKIF_DRIVER_STATUS_UP = 1;

export const BLKIF_BE_STATUS_OKAY = 0;
export const BLKIF_BE_STATUS_ERROR = 1;
export const BLKIF_BE_STATUS_INTERFACE_EXISTS = 2;
export const BLKIF_BE_STATUS_INTERFACE_NOT_FOUND = 3;
export const BLKIF_BE_STATUS_INTERFACE_CONNECTED = 4;
export const BLKIF_BE_STATUS_VBD_EXISTS = 5;
export const BLKIF_BE_STATUS_VBD_NOT_FOUND = 6;
export const BLKIF_BE_STATUS_OUT_OF_MEMORY = 7;
export const BLKIF_BE_STATUS_EXTENT_NOT_FOUND = 8;
export const BLKIF_BE_STATUS_MAPPING_ERROR = 9;

/** `blkif_fe_interface_status_t`, 12 bytes. */
export const blkif_fe_interface_status = packed('blkif_fe_interface_status', {
  handle: u32,
  status: u32,
  evtchn: u16,
  domid: u16,
});

/** `blkif_fe_driver_status_t`, 8 bytes. */
export const blkif_fe_driver_status = packed('blkif_fe_driver_status', {
  status: u32,
  max_handle: u32,
});

/** `blkif_fe_interface_connect_t`, 16 bytes. */
export const blkif_fe_interface_connect = packed('blkif_fe_interface_connect', {
  handle: u32,
  __pad: u32,
  shmem_frame: u64,
});

/** `blkif_fe_interface_disconnect_t`, 4 bytes. */
export const blkif_fe_interface_disconnect = packed('blkif_fe_interface_disconnect', {
  handle: u32,
});

/** `blkif_fe_interface_query_t`, 12 bytes. */
export const blkif_fe_interface_query = packed('blkif_fe_interface_query', {
  handle: u32,
  status: u32,
  evtchn: u16,
  domid: u16,
});

/** `blkif_extent_t`, 20 bytes: sectors of a device of the back end. */
export const blkif_extent = packed('blkif_extent', {
  sector_start: u64,
  sector_length: u64,
  device: u32,
});

const interfaceOf = { domid: u16, __pad: u16, blkif_handle: u32 };
const vbdOf = { ...interfaceOf, vdevice: u16, __pad1: u16, status: u32 };

/** `blkif_be_create_t`, 12 bytes. */
export const blkif_be_create = packed('blkif_be_create', { ...interfaceOf, status: u32 });

/** `blkif_be_destroy_t`, 12 bytes. */
export const blkif_be_destroy = packed('blkif_be_destroy', { ...interfaceOf, status: u32 });

/** `blkif_be_connect_t`, 24 bytes. */
export const blkif_be_connect = packed('blkif_be_connect', {
  ...interfaceOf,
  shmem_frame: u64,
  evtchn: u32,
  status: u32,
});

/** `blkif_be_disconnect_t`, 12 bytes. */
export const blkif_be_disconnect = packed('blkif_be_disconnect', { ...interfaceOf, status: u32 });

/** `blkif_be_vbd_create_t`, 16 bytes. */
export const blkif_be_vbd_create = packed('blkif_be_vbd_create', {
  ...interfaceOf,
  vdevice: u16,
  readonly: u16,
  status: u32,
});

/** `blkif_be_vbd_destroy_t`, 16 bytes. */
export const blkif_be_vbd_destroy = packed('blkif_be_vbd_destroy', vbdOf);

/** `blkif_be_vbd_grow_t`, 36 bytes. */
export const blkif_be_vbd_grow = packed('blkif_be_vbd_grow', {
  ...interfaceOf,
  extent: nest(blkif_extent),
  vdevice: u16,
  __pad1: bytes(2),
  status: u32,
});

/** `blkif_be_vbd_shrink_t`, 16 bytes. */
export const blkif_be_vbd_shrink = packed('blkif_be_vbd_shrink', vbdOf);

/** `blkif_be_driver_status_t`, 4 bytes. */
export const blkif_be_driver_status = packed('blkif_be_driver_status', { status: u32 });
