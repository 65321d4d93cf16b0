/*
 * Transmission: a frame's mbufs become grants and slots, and are the driver's until the back end has answered for all of them.
 *
 *     if_output ─► a free request and a grant for each mbuf ─► tx ring ─► back end
 *     complete  ◄─ response: grant revoked; the last one of a packet frees its mbufs ◄─┘
 *
 * While fewer slots are free than the longest packet takes the interface is IFF_OACTIVE.
 */
import {
  NETIF_RSP_ERROR,
  NETIF_RSP_OKAY,
  NETTXF_csum_blank,
  NETTXF_data_validated,
  NETTXF_more_data,
  netif_tx_request,
  netif_tx_response,
  XEN_NETIF_NR_SLOTS_MIN,
} from '@port-xen/abi';
import { kassert } from '@port-xen/kern';
import { IFF_OACTIVE, M_CSUM_BLANK, MCLBYTES } from '@port-xen/netinet';
import { FrontRing } from '@port-xen/ring';
import { XENGNT_NO_ENTRY } from '@port-xen/xengnt';
import { EMSGSIZE, ENETDOWN, ENOBUFS } from './errno.ts';
import type { StackMbuf } from './network-stack.ts';
import {
  NET_TX_RING_SIZE,
  XENNET_CONNECTED,
  type XennetSoftc,
  type XennetTxreq,
  xennet_softc,
} from './xennet-data.ts';
import type { XennetLog } from './xennet-log.ts';
import { mfnAt, type XennetParts } from './xennet-parts.ts';

/** Virtual time of making or finishing a request, beyond the macro-instruction that does it. */
const REQUEST_NS = 300;

/** The transmit half of the driver. */
export class XennetTx {
  readonly parts: XennetParts;
  readonly log: XennetLog;

  constructor(parts: XennetParts, log: XennetLog) {
    this.parts = parts;
    this.log = log;
  }

  ring(sc: XennetSoftc): FrontRing {
    return new FrontRing(this.parts.cpu.memory, sc.address + xennet_softc.offset.sc_tx_ring);
  }

  /** Requests that the back end has not answered. */
  outstanding(sc: XennetSoftc): number {
    return NET_TX_RING_SIZE - sc.sc_ntxfree;
  }

  /** What whoever waits for the last answer sleeps on. */
  idleChannel(sc: XennetSoftc): number {
    return sc.address + xennet_softc.offset.sc_txreqs;
  }

  /** No packet is out: every request is free. */
  init(sc: XennetSoftc): void {
    for (let id = 0; id < NET_TX_RING_SIZE; id++) {
      const req = sc.sc_txreqs.at(id);
      req.tx_gntref = XENGNT_NO_ENTRY;
      req.tx_head = -1;
      req.tx_mbuf = 0;
      req.tx_next = id + 1 < NET_TX_RING_SIZE ? id + 1 : -1;
    }
    sc.sc_txfree = 0;
    sc.sc_ntxfree = NET_TX_RING_SIZE;
  }

  /** if_output: the packet is the driver's, whatever becomes of it. @returns 0 or an errno */
  output(sc: XennetSoftc, packet: number): number {
    const slots = this.#pieces(packet).length;
    if (slots <= (sc.sc_sg !== 0 ? XEN_NETIF_NR_SLOTS_MIN : 1)) return this.#send(sc, packet);
    const { mbufs } = this.parts.stack.parts;
    const { m_csum } = mbufs.at(packet);
    const bytes = mbufs.toBytes(packet);
    mbufs.freem(packet);
    if (bytes.length > MCLBYTES) return EMSGSIZE;
    const copy = mbufs.fromBytes(bytes);
    if (copy === 0) return ENOBUFS;
    mbufs.at(copy).m_csum = m_csum;
    return this.#send(sc, copy);
  }

  #send(sc: XennetSoftc, packet: number): number {
    const error = this.#put(sc, packet);
    if (error !== 0) this.parts.stack.parts.mbufs.freem(packet);
    return error;
  }

  /** The mbufs of a packet that hold anything. */
  #pieces(packet: number): StackMbuf[] {
    const { mbufs } = this.parts.stack.parts;
    const pieces: StackMbuf[] = [];
    for (let m = packet; m !== 0; ) {
      const piece = mbufs.at(m);
      if (piece.m_len > 0) pieces.push(piece);
      m = piece.m_next;
    }
    return pieces;
  }

  #put(sc: XennetSoftc, m: number): number {
    const { cpu, stack, evtchn } = this.parts;
    if (sc.sc_backend_status !== XENNET_CONNECTED) return ENETDOWN;
    const pieces = this.#pieces(m);
    const ring = this.ring(sc);
    if (pieces.length === 0 || pieces.length > Math.min(ring.free, sc.sc_ntxfree)) return ENOBUFS;
    const grefs = this.#grant(sc, pieces);
    if (grefs === undefined) return ENOBUFS;
    const { m_csum, m_pktlen } = stack.parts.mbufs.at(m);
    let head = -1;
    for (const [i, piece] of pieces.entries()) {
      const req = this.#take(sc);
      const id = this.#idOf(sc, req);
      if (i === 0) {
        head = id;
        req.tx_mbuf = m;
        req.tx_left = pieces.length;
      }
      req.tx_head = head;
      req.tx_gntref = grefs[i] as number;
      const slot = netif_tx_request.at(cpu.memory, ring.nextRequest());
      slot.gref = req.tx_gntref;
      slot.offset = offsetInPage(piece.m_data);
      slot.flags =
        (i === 0 && (m_csum & M_CSUM_BLANK) !== 0 ? NETTXF_csum_blank | NETTXF_data_validated : 0) |
        (i < pieces.length - 1 ? NETTXF_more_data : 0);
      slot.id = id;
      slot.size = i === 0 ? m_pktlen : piece.m_len;
    }
    cpu.spend(REQUEST_NS * pieces.length);
    if (ring.pushRequests()) evtchn.notify(sc.sc_evtchn);
    if (!this.#hasRoom(sc)) stack.parts.ifnets.at(sc.sc_ifp).if_flags |= IFF_OACTIVE;
    return 0;
  }

  #hasRoom(sc: XennetSoftc): boolean {
    return Math.min(this.ring(sc).free, sc.sc_ntxfree) >= XEN_NETIF_NR_SLOTS_MIN;
  }

  /** A read-only grant for each piece; none when there are not enough. */
  #grant(sc: XennetSoftc, pieces: readonly StackMbuf[]): number[] | undefined {
    const { xengnt, xenbus } = this.parts;
    const otherend = xenbus.otherendIdOf(sc.sc_xbusd);
    const grefs: number[] = [];
    for (const { m_data } of pieces) {
      const page = m_data - offsetInPage(m_data);
      const gref = xengnt.grantAccess(otherend, mfnAt(this.parts, page), true);
      if (gref === XENGNT_NO_ENTRY) {
        for (const given of grefs) xengnt.revokeAccess(given);
        return undefined;
      }
      grefs.push(gref);
    }
    return grefs;
  }

  #take(sc: XennetSoftc): XennetTxreq {
    kassert(sc.sc_txfree >= 0, 'xennet: expected a free transmit request, found none');
    const req = sc.sc_txreqs.at(sc.sc_txfree);
    sc.sc_txfree = req.tx_next;
    sc.sc_ntxfree--;
    return req;
  }

  #give(sc: XennetSoftc, req: XennetTxreq): void {
    req.tx_head = -1;
    req.tx_next = sc.sc_txfree;
    sc.sc_txfree = this.#idOf(sc, req);
    sc.sc_ntxfree++;
  }

  #idOf(sc: XennetSoftc, req: XennetTxreq): number {
    const { sc_txreqs } = sc;
    return (req.address - sc_txreqs.address(0)) / (sc_txreqs.address(1) - sc_txreqs.address(0));
  }

  /** xennet_tx_complete: takes the answers. */
  complete(sc: XennetSoftc): void {
    const { cpu, stack, kern } = this.parts;
    const ring = this.ring(sc);
    do {
      for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
        const { id, status } = netif_tx_response.at(cpu.memory, at);
        this.#answer(sc, id, status);
      }
    } while (ring.finalCheckForResponses());
    if (ring.overflown) this.log.breach(sc, 'more transmit responses than requests');
    if (this.outstanding(sc) === 0) kern.sched.wakeup(this.idleChannel(sc));
    const ifp = stack.parts.ifnets.at(sc.sc_ifp);
    if ((ifp.if_flags & IFF_OACTIVE) === 0 || sc.sc_held !== 0 || !this.#hasRoom(sc)) return;
    if (sc.sc_backend_status === XENNET_CONNECTED) stack.ready(sc.sc_ifp);
  }

  #answer(sc: XennetSoftc, id: number, status: number): void {
    const { cpu, stack, xengnt } = this.parts;
    const req = id < NET_TX_RING_SIZE ? sc.sc_txreqs.at(id) : undefined;
    if (req === undefined || req.tx_gntref === XENGNT_NO_ENTRY) {
      this.log.breach(sc, `a response to transmit request ${id}, which is not out`);
      return;
    }
    if (xengnt.inUse(req.tx_gntref)) {
      // What the back end can still read must not become anything else: request, grant and mbufs stay as they are.
      this.log.breach(sc, `a response while reference ${req.tx_gntref} is in use`);
      return;
    }
    cpu.spend(REQUEST_NS);
    xengnt.revokeAccess(req.tx_gntref);
    req.tx_gntref = XENGNT_NO_ENTRY;
    if (status !== NETIF_RSP_OKAY) stack.parts.ifnets.at(sc.sc_ifp).if_oerrors++;
    const head = sc.sc_txreqs.at(req.tx_head);
    head.tx_left--;
    if (req.address !== head.address) this.#give(sc, req);
    if (head.tx_left > 0) return;
    stack.parts.mbufs.freem(head.tx_mbuf);
    head.tx_mbuf = 0;
    this.#give(sc, head);
  }

  /** The back end has closed: what it did not answer counts as answered with an error. */
  abandon(sc: XennetSoftc): void {
    for (let id = 0; id < NET_TX_RING_SIZE; id++) {
      const { tx_gntref } = sc.sc_txreqs.at(id);
      if (tx_gntref !== XENGNT_NO_ENTRY) this.#answer(sc, id, NETIF_RSP_ERROR);
    }
  }

  /**
   * The domain was restored: every reference is void, and no back end has what was out. It is dropped, for whoever sent it to
   * send again.
   * @returns how many packets that were
   */
  forget(sc: XennetSoftc): number {
    let packets = 0;
    for (let id = 0; id < NET_TX_RING_SIZE; id++) {
      const { tx_mbuf } = sc.sc_txreqs.at(id);
      if (tx_mbuf === 0) continue;
      this.parts.stack.parts.mbufs.freem(tx_mbuf);
      packets++;
    }
    this.init(sc);
    return packets;
  }
}

const PAGE_SIZE = 4096;

const offsetInPage = (va: number): number => va - Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
