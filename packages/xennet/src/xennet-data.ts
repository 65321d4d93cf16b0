/*
 * What a network front end keeps: its rings' private indices, a reference for each receive page, the packets that are out.
 *
 *     receive   slot i of the ring, rx_gntrefs[i] and page i of sc_rx_pages, which is rx_pfns[i], belong together for good
 *     transmit  sc_txreqs[id]: what is in the ring under that id
 *
 *               head of a packet      tx_mbuf, tx_left: its slots that are not answered; in use until there is none
 *               each slot             tx_gntref until it is answered, tx_head: the head's id
 *               free                  tx_head -1, tx_next: the next free one
 */
import { netif_rx_sring_entry, netif_tx_sring_entry } from '@port-xen/abi';
import { array, bytes, i32, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { front_ring, ringSize } from '@port-xen/ring';

const RING_BYTES = 4096;
/** Slots of either ring: 256. */
export const NET_TX_RING_SIZE: number = ringSize(RING_BYTES, netif_tx_sring_entry.size);
export const NET_RX_RING_SIZE: number = ringSize(RING_BYTES, netif_rx_sring_entry.size);
/** Interfaces that the kernel can have. */
export const NXENNET = 2;
/** Bytes of a link address. */
export const ETHER_ADDR_LEN = 6;

/** There is no back end to talk to. */
export const XENNET_DISCONNECTED = 0;
/** It has been told where the rings are. */
export const XENNET_CONNECTING = 1;
/** It serves them. */
export const XENNET_CONNECTED = 2;
/** The domain is being saved: nothing is put into the rings, and no handler runs. */
export const XENNET_SUSPENDED = 3;
/** It is going away for good. */
export const XENNET_GONE = 4;

const xennet_txreq = struct('xennet_txreq', {
  tx_gntref: i32,
  tx_head: i32,
  tx_next: i32,
  tx_left: u32,
  tx_mbuf: i64,
});

export const xennet_softc = struct('xennet_xenbus_softc', {
  sc_used: u32,
  sc_unit: u32,
  /** The xenbus device. */
  sc_xbusd: i64,
  sc_dev: i64,
  /** The ifnet; it stays when the device goes, for the next one of this unit. */
  sc_ifp: i64,
  sc_backend_status: u32,
  sc_evtchn: u32,
  sc_tx_ring_gntref: i32,
  sc_rx_ring_gntref: i32,
  /** Kernel addresses of the ring pages, and of a page for each slot of the receive ring. */
  sc_tx_page: i64,
  sc_rx_page: i64,
  sc_rx_pages: i64,
  sc_tx_ring: nest(front_ring),
  sc_rx_ring: nest(front_ring),
  sc_xname: bytes(16),
  sc_enaddr: bytes(ETHER_ADDR_LEN),
  /** What the toolstack says, bytes of an IP packet. */
  sc_mtu: u32,
  /** The back end takes packets in several slots. */
  sc_sg: u32,
  /** It does not copy: receive pages are flipped. */
  sc_flip: u32,
  /** The domain is about to be saved: the stack is not told of room. */
  sc_held: u32,
  /** First free transmit request, -1 when there is none; how many there are. */
  sc_txfree: i32,
  sc_ntxfree: u32,
  sc_txreqs: array(xennet_txreq, NET_TX_RING_SIZE),
  sc_rx_gntrefs: array(i32, NET_RX_RING_SIZE),
  sc_rx_pfns: array(i32, NET_RX_RING_SIZE),
  /** Breaches of protocol by this back end; only the first is told of. */
  sc_breaches: u64,
});

export type XennetSoftc = View<typeof xennet_softc>;
export type XennetTxreq = View<typeof xennet_txreq>;

export const xennet_data = struct('xennet_data', {
  /** Handle of the soft interrupt that serves all; 0 before the first one is attached. */
  xn_softint: i64,
  softcs: array(xennet_softc, NXENNET),
});
