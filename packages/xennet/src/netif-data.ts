/*
 * What a network front end over the controller interface keeps (if_xennet.c of Xen 2): the rings' private indices, which page each receive
 * id has, the packets that are out.
 *
 *     receive   id i and page i of sc_rx_pages, which is sc_rx_pfns[i], belong together for good; nt_rx_out[i]: a page is owed for it
 *     transmit  nt_tx_mbufs[id]: the packet in the ring under that id; 0: the id is free
 */
import { control_msg, XEN2_NETIF_RING_SIZE } from '@port-xen/abi';
import { array, bytes, i32, i64, nest, struct, u8, u32, u64, type View } from '@port-xen/layout';
import { ETHER_ADDR_LEN } from './xennet-data.ts';

/** Interfaces that the kernel can have: handles 0 and 1. */
export const NNETIF = 2;

export const NETIF_DISCONNECTED = 0;
/** The controller is to be told where the rings are, or has been. */
export const NETIF_CONNECTING = 1;
export const NETIF_CONNECTED = 2;

/** One ring's private indices. */
export const netif_indices = struct('netif_indices', {
  /** Address of the ring page. */
  page: i64,
  req_prod: u32,
  resp_cons: u32,
});

export const netif_softc = struct('netif_softc', {
  nt_used: u32,
  nt_unit: u32,
  nt_dev: i64,
  sc_ifp: i64,
  nt_status: u32,
  nt_evtchn: u32,
  /** INTERFACE_CONNECT, or DISCONNECT, is to be sent. */
  nt_wanted: u32,
  /** Packets that are out. */
  nt_busy: u32,
  /** The domain is about to be saved: the stack is not told of room. */
  nt_held: u32,
  nt_pad: u32,
  nt_xname: bytes(16),
  sc_enaddr: bytes(ETHER_ADDR_LEN),
  nt_tx: nest(netif_indices),
  nt_rx: nest(netif_indices),
  /** A page for each receive id. */
  sc_rx_pages: i64,
  sc_rx_pfns: array(i32, XEN2_NETIF_RING_SIZE),
  nt_rx_out: array(u8, XEN2_NETIF_RING_SIZE),
  nt_tx_mbufs: array(i64, XEN2_NETIF_RING_SIZE),
  /** Breaches of protocol by this back end; only the first is told of. */
  nt_breaches: u64,
});

export type NetifSoftc = View<typeof netif_softc>;

export const netif_data = struct('netif_data', {
  softcs: array(netif_softc, NNETIF),
  /** Handle of the soft interrupt that serves all. */
  nt_softint: i64,
  /** DRIVER_STATUS is to be sent. */
  nt_up: u32,
  /** The domain is being saved: what the controller says of interfaces is out of date. */
  nt_suspended: u32,
  /** Boot waits for the interfaces. */
  nt_pending: u32,
  nt_pad: u32,
  /** What is sent, and what came back. */
  nt_msg: nest(control_msg),
  nt_rsp: nest(control_msg),
});
