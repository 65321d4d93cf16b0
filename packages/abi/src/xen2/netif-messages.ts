/*
 * Messages about network interfaces, between front end and controller (FE) and controller and back end (BE). Frames are machine frame numbers.
 *
 * Xen 2.0: xen/include/public/io/domain_controller.h
 */
import { bytes, packed, u16, u32, u64 } from '@port-xen/layout';

export const CMSG_NETIF_FE_INTERFACE_STATUS = 0;
export const CMSG_NETIF_FE_DRIVER_STATUS = 32;
export const CMSG_NETIF_FE_INTERFACE_CONNECT = 33;
export const CMSG_NETIF_FE_INTERFACE_DISCONNECT = 34;
export const CMSG_NETIF_FE_INTERFACE_QUERY = 35;

export const CMSG_NETIF_BE_CREATE = 0;
export const CMSG_NETIF_BE_DESTROY = 1;
export const CMSG_NETIF_BE_CONNECT = 2;
export const CMSG_NETIF_BE_DISCONNECT = 3;
export const CMSG_NETIF_BE_DRIVER_STATUS = 32;

export const NETIF_INTERFACE_STATUS_CLOSED = 0;
export const NETIF_INTERFACE_STATUS_DISCONNECTED = 1;
export const NETIF_INTERFACE_STATUS_CONNECTED = 2;
export const NETIF_INTERFACE_STATUS_CHANGED = 3;

export const NETIF_DRIVER_STATUS_DOWN = 0;
export const NETIF_DRIVER_STATUS_UP = 1;

export const NETIF_BE_STATUS_OKAY = 0;
export const NETIF_BE_STATUS_ERROR = 1;
export const NETIF_BE_STATUS_INTERFACE_EXISTS = 2;
export const NETIF_BE_STATUS_INTERFACE_NOT_FOUND = 3;
export const NETIF_BE_STATUS_INTERFACE_CONNECTED = 4;
export const NETIF_BE_STATUS_OUT_OF_MEMORY = 5;
export const NETIF_BE_STATUS_MAPPING_ERROR = 6;

const statusOf = { handle: u32, status: u32, evtchn: u16, mac: bytes(6), domid: u16 };

/** `netif_fe_interface_status_t`, 18 bytes. */
export const netif_fe_interface_status = packed('netif_fe_interface_status', statusOf);

/** `netif_fe_driver_status_t`, 8 bytes. */
export const netif_fe_driver_status = packed('netif_fe_driver_status', {
  status: u32,
  max_handle: u32,
});

/** `netif_fe_interface_connect_t`, 24 bytes. */
export const netif_fe_interface_connect = packed('netif_fe_interface_connect', {
  handle: u32,
  __pad: u32,
  tx_shmem_frame: u64,
  rx_shmem_frame: u64,
});

/** `netif_fe_interface_disconnect_t`, 4 bytes. */
export const netif_fe_interface_disconnect = packed('netif_fe_interface_disconnect', {
  handle: u32,
});

/** `netif_fe_interface_query_t`, 18 bytes. */
export const netif_fe_interface_query = packed('netif_fe_interface_query', statusOf);

const interfaceOf = { domid: u16, __pad0: u16, netif_handle: u32 };

/** `netif_be_create_t`, 20 bytes. */
export const netif_be_create = packed('netif_be_create', {
  ...interfaceOf,
  mac: bytes(6),
  __pad1: u16,
  status: u32,
});

/** `netif_be_destroy_t`, 12 bytes. */
export const netif_be_destroy = packed('netif_be_destroy', { ...interfaceOf, status: u32 });

/** `netif_be_connect_t`, 32 bytes. */
export const netif_be_connect = packed('netif_be_connect', {
  ...interfaceOf,
  tx_shmem_frame: u64,
  rx_shmem_frame: u64,
  evtchn: u16,
  __pad1: u16,
  status: u32,
});

/** `netif_be_disconnect_t`, 12 bytes. */
export const netif_be_disconnect = packed('netif_be_disconnect', { ...interfaceOf, status: u32 });

/** `netif_be_driver_status_t`, 4 bytes. */
export const netif_be_driver_status = packed('netif_be_driver_status', { status: u32 });
