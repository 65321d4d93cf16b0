/*
 * Network rings that carry machine addresses. What is received comes in a page that takes the place of one the guest gave back.
 *
 * Xen 2.0: xen/include/public/io/netif.h
 */
import { array, bytes, i8, i16, nest, packed, u16, u32, u64, union } from '@port-xen/layout';

/** Entries of either ring. */
export const XEN2_NETIF_RING_SIZE = 256;

/** `netif_tx_request_t`, 12 bytes. `addr` is a machine address, `size` counts bytes. */
export const xen2_netif_tx_request = packed('xen2_netif_tx_request', {
  addr: u64,
  id: u16,
  size: u16,
});

/** `netif_tx_response_t`, 4 bytes. */
export const xen2_netif_tx_response = packed('xen2_netif_tx_response', {
  id: u16,
  status: i8,
  __pad: bytes(1),
});

/** `netif_rx_request_t`, 2 bytes. */
export const xen2_netif_rx_request = packed('xen2_netif_rx_request', { id: u16 });

/** `netif_rx_response_t`, 12 bytes. `status` is the packet's size, or negative. */
export const xen2_netif_rx_response = packed('xen2_netif_rx_response', {
  addr: u64,
  id: u16,
  status: i16,
});

/** An entry of the transmit ring, 12 bytes. */
export const xen2_netif_tx_ring_entry = union('xen2_netif_tx_ring_entry', {
  req: nest(xen2_netif_tx_request),
  resp: nest(xen2_netif_tx_response),
});

/** An entry of the receive ring, 12 bytes. */
export const xen2_netif_rx_ring_entry = union('xen2_netif_rx_ring_entry', {
  req: nest(xen2_netif_rx_request),
  resp: nest(xen2_netif_rx_response),
});

/** `netif_tx_interface_t`, 3088 bytes. */
export const xen2_netif_tx_ring = packed('xen2_netif_tx_ring', {
  req_prod: u32,
  req_cons: u32,
  resp_prod: u32,
  event: u32,
  ring: array(xen2_netif_tx_ring_entry, XEN2_NETIF_RING_SIZE),
});

/** `netif_rx_interface_t`, 3084 bytes. */
export const xen2_netif_rx_ring = packed('xen2_netif_rx_ring', {
  req_prod: u32,
  resp_prod: u32,
  event: u32,
  ring: array(xen2_netif_rx_ring_entry, XEN2_NETIF_RING_SIZE),
});
