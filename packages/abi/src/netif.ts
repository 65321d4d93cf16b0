/*
 * Network rings.
 *
 * xen/include/public/io/netif.h
 */
import { array, bytes, i16, nest, struct, u8, u16, u32, union } from '@port-xen/layout';

export const NETIF_RSP_DROPPED = -2;
export const NETIF_RSP_ERROR = -1;
export const NETIF_RSP_OKAY = 0;
export const NETIF_RSP_NULL = 1;

export const NETRXF_csum_blank = 2;
export const NETRXF_data_validated = 1;
export const NETRXF_extra_info = 8;
export const NETRXF_gso_prefix = 16;
export const NETRXF_more_data = 4;

export const NETTXF_csum_blank = 1;
export const NETTXF_data_validated = 2;
export const NETTXF_extra_info = 8;
export const NETTXF_more_data = 4;

export const XEN_NETIF_CTRL_HASH_ALGORITHM_NONE = 0;
export const XEN_NETIF_CTRL_STATUS_SUCCESS = 0;
export const XEN_NETIF_CTRL_TYPE_INVALID = 0;
export const XEN_NETIF_EXTRA_TYPE_NONE = 0;
export const XEN_NETIF_GSO_TYPE_NONE = 0;
export const XEN_NETIF_CTRLF_GREF_readonly = 1;
export const XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ = 1;
export const XEN_NETIF_CTRL_HASH_TYPE_IPV4 = 1;
export const XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED = 1;
export const XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS = 1;
export const XEN_NETIF_EXTRA_FLAG_MORE = 1;
export const XEN_NETIF_EXTRA_TYPE_GSO = 1;
export const XEN_NETIF_GSO_TYPE_TCPV4 = 1;
export const XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP = 2;
export const XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER = 2;
export const XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS = 2;
export const XEN_NETIF_EXTRA_TYPE_MCAST_ADD = 2;
export const XEN_NETIF_GSO_TYPE_TCPV6 = 2;
export const XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW = 3;
export const XEN_NETIF_CTRL_TYPE_SET_HASH_KEY = 3;
export const XEN_NETIF_EXTRA_TYPE_MCAST_DEL = 3;
export const XEN_NETIF_CTRL_HASH_TYPE_IPV6 = 4;
export const XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE = 4;
export const XEN_NETIF_EXTRA_TYPE_HASH = 4;
export const XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE = 5;
export const XEN_NETIF_EXTRA_TYPE_MAX = 5;
export const XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING = 6;
export const XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM = 7;
export const XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP = 8;
export const XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE = 8;
export const XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING = 9;
export const XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING = 10;
export const XEN_NETIF_NR_SLOTS_MIN = 18;
export const XEN_NETIF_MAX_TX_SIZE = 0xffff;

/** `struct netif_tx_request`, 12 bytes. */
export const netif_tx_request = struct('netif_tx_request', {
  gref: u32,
  offset: u16,
  flags: u16,
  id: u16,
  size: u16,
});

/** `struct netif_tx_response`, 4 bytes. */
export const netif_tx_response = struct('netif_tx_response', {
  id: u16,
  status: i16,
});

/** `struct netif_rx_request`, 8 bytes. */
export const netif_rx_request = struct('netif_rx_request', {
  id: u16,
  pad: u16,
  gref: u32,
});

/** `struct netif_rx_response`, 8 bytes. */
export const netif_rx_response = struct('netif_rx_response', {
  id: u16,
  offset: u16,
  flags: u16,
  status: i16,
});

const netif_extra_info_u_gso = struct('netif_extra_info_u_gso', {
  size: u16,
  type: u8,
  pad: u8,
  features: u16,
});
const netif_extra_info_u_mcast = struct('netif_extra_info_u_mcast', {
  addr: array(u8, 6),
});
const netif_extra_info_u_hash = struct('netif_extra_info_u_hash', {
  type: u8,
  algorithm: u8,
  value: array(u8, 4),
});
const netif_extra_info_u = union('netif_extra_info_u', {
  gso: nest(netif_extra_info_u_gso),
  mcast: nest(netif_extra_info_u_mcast),
  hash: nest(netif_extra_info_u_hash),
  pad: array(u16, 3),
});
/** `struct netif_extra_info`, 8 bytes. */
export const netif_extra_info = struct('netif_extra_info', {
  type: u8,
  flags: u8,
  u: nest(netif_extra_info_u),
});

/** `union netif_tx_sring_entry`, 12 bytes. */
export const netif_tx_sring_entry = union('netif_tx_sring_entry', {
  req: nest(netif_tx_request),
  rsp: nest(netif_tx_response),
});

const netif_tx_sring_pvt_netif = struct('netif_tx_sring_pvt_netif', {
  smartpoll_active: u8,
});
const netif_tx_sring_pvt_tapif_user = struct('netif_tx_sring_pvt_tapif_user', {
  msg: u8,
});
const netif_tx_sring_pvt = union('netif_tx_sring_pvt', {
  netif: nest(netif_tx_sring_pvt_netif),
  tapif_user: nest(netif_tx_sring_pvt_tapif_user),
  pvt_pad: array(u8, 4),
});
/** `struct netif_tx_sring`, 76 bytes. */
export const netif_tx_sring = struct('netif_tx_sring', {
  req_prod: u32,
  req_event: u32,
  rsp_prod: u32,
  rsp_event: u32,
  pvt: nest(netif_tx_sring_pvt),
  __pad: bytes(44),
  ring: array(netif_tx_sring_entry, 1),
});

/** `union netif_rx_sring_entry`, 8 bytes. */
export const netif_rx_sring_entry = union('netif_rx_sring_entry', {
  req: nest(netif_rx_request),
  rsp: nest(netif_rx_response),
});

const netif_rx_sring_pvt_netif = struct('netif_rx_sring_pvt_netif', {
  smartpoll_active: u8,
});
const netif_rx_sring_pvt_tapif_user = struct('netif_rx_sring_pvt_tapif_user', {
  msg: u8,
});
const netif_rx_sring_pvt = union('netif_rx_sring_pvt', {
  netif: nest(netif_rx_sring_pvt_netif),
  tapif_user: nest(netif_rx_sring_pvt_tapif_user),
  pvt_pad: array(u8, 4),
});
/** `struct netif_rx_sring`, 72 bytes. */
export const netif_rx_sring = struct('netif_rx_sring', {
  req_prod: u32,
  req_event: u32,
  rsp_prod: u32,
  rsp_event: u32,
  pvt: nest(netif_rx_sring_pvt),
  __pad: bytes(44),
  ring: array(netif_rx_sring_entry, 1),
});

/** `struct xen_netif_ctrl_request`, 16 bytes. */
export const xen_netif_ctrl_request = struct('xen_netif_ctrl_request', {
  id: u16,
  type: u16,
  data: array(u32, 3),
});

/** `struct xen_netif_ctrl_response`, 12 bytes. */
export const xen_netif_ctrl_response = struct('xen_netif_ctrl_response', {
  id: u16,
  type: u16,
  status: u32,
  data: u32,
});

/** `struct xen_netif_gref`, 8 bytes. */
export const xen_netif_gref = struct('xen_netif_gref', {
  ref: u32,
  flags: u16,
  status: u16,
});
