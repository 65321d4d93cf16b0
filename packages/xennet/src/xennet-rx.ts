/*
 * Reception: every slot of the ring has a page of its own, granted to the back end for as long as it is connected. What it has
 * put there is copied into mbufs, and the slot is posted again.
 *
 *     rx ring: all slots posted ─► back end fills pages ─► response: slot, bytes used ─► copied ─► stack
 *                    ▲──────────────────── posted again ◄──────────────────────────────────┘
 *
 * From a back end that flips pages a slot's page comes with the response, and is given away again before the slot is posted.
 *
 * A response is copied once and only the copy is looked at; so are the bytes, since the back end may write to the page at any
 * time. A packet in several slots must be there as a whole: a back end publishes it as a whole.
 */
import {
  NETRXF_csum_blank,
  NETRXF_data_validated,
  NETRXF_extra_info,
  NETRXF_more_data,
  netif_extra_info,
  netif_rx_request,
  netif_rx_response,
  XEN_NETIF_EXTRA_FLAG_MORE,
  XEN_NETIF_EXTRA_TYPE_HASH,
  XEN_NETIF_MAX_TX_SIZE,
} from '@port-xen/abi';
import { PAGE_SIZE } from '@port-xen/kern';
import { M_CSUM_VALIDATED } from '@port-xen/netinet';
import { FrontRing } from '@port-xen/ring';
import { XENGNT_NO_ENTRY } from '@port-xen/xengnt';
import { deliver } from './deliver.ts';
import { NET_RX_RING_SIZE, type XennetSoftc, xennet_softc } from './xennet-data.ts';
import { XennetFlip } from './xennet-flip.ts';
import type { XennetLog } from './xennet-log.ts';
import type { XennetParts } from './xennet-parts.ts';

/** Virtual time of a slot, beyond the macro-instruction that deals with it. */
const SLOT_NS = 300;

const ALL_SLOTS: readonly number[] = Array.from({ length: NET_RX_RING_SIZE }, (_, slot) => slot);

/** What a response says. */
interface Response {
  readonly slot: number;
  readonly id: number;
  readonly offset: number;
  readonly flags: number;
  readonly status: number;
}

/** The receive half of the driver. */
export class XennetRx {
  readonly parts: XennetParts;
  readonly log: XennetLog;
  readonly flip: XennetFlip;

  constructor(parts: XennetParts, log: XennetLog) {
    this.parts = parts;
    this.log = log;
    this.flip = new XennetFlip(parts);
  }

  ring(sc: XennetSoftc): FrontRing {
    return new FrontRing(this.parts.cpu.memory, sc.address + xennet_softc.offset.sc_rx_ring);
  }

  /** References are none of ours: at attach, and in a restored domain. */
  init(sc: XennetSoftc): void {
    for (let i = 0; i < NET_RX_RING_SIZE; i++) sc.sc_rx_gntrefs.set(i, XENGNT_NO_ENTRY);
  }

  /** Lets the back end fill every page, or lends them all. @returns false when there are not enough references or pages */
  grantPages(sc: XennetSoftc): boolean {
    const { xengnt, xenbus } = this.parts;
    if (sc.sc_flip !== 0) return this.flip.lend(sc, ALL_SLOTS) === NET_RX_RING_SIZE;
    if (!this.flip.pages.takeBack(sc)) return false;
    const otherend = xenbus.otherendIdOf(sc.sc_xbusd);
    for (const slot of ALL_SLOTS) {
      if (sc.sc_rx_gntrefs.get(slot) !== XENGNT_NO_ENTRY) continue;
      const gref = xengnt.grantAccess(otherend, this.flip.pages.frameOf(sc, slot), false);
      if (gref === XENGNT_NO_ENTRY) return false;
      sc.sc_rx_gntrefs.set(slot, gref);
    }
    return true;
  }

  /** The back end has closed: grants are taken back, except those that it still uses, and pages that are out come back. */
  revokePages(sc: XennetSoftc): void {
    const { xengnt } = this.parts;
    for (const slot of ALL_SLOTS) {
      if (sc.sc_flip !== 0) {
        this.flip.settle(sc, slot);
        continue;
      }
      const gref = sc.sc_rx_gntrefs.get(slot);
      if (gref === XENGNT_NO_ENTRY || xengnt.inUse(gref)) continue;
      xengnt.revokeAccess(gref);
      sc.sc_rx_gntrefs.set(slot, XENGNT_NO_ENTRY);
    }
    this.takeBack(sc);
  }

  /** Pages that are out come back. */
  takeBack(sc: XennetSoftc): void {
    if (!this.flip.pages.takeBack(sc)) this.log.say(sc, 'Xen has no memory for its receive pages');
  }

  /** Posts every slot that is not posted. */
  post(sc: XennetSoftc): void {
    const { cpu, evtchn } = this.parts;
    const ring = this.ring(sc);
    let count = ring.free;
    if (count === 0) return;
    if (sc.sc_flip !== 0) {
      const first = ring.ring.req_prod_pvt;
      const slots = ALL_SLOTS.slice(0, count).map((i) => (first + i) % NET_RX_RING_SIZE);
      count = this.flip.lend(sc, slots);
    }
    for (; count > 0; count--) {
      const slot = ring.ring.req_prod_pvt % NET_RX_RING_SIZE;
      const request = netif_rx_request.at(cpu.memory, ring.nextRequest());
      request.id = slot;
      request.gref = sc.sc_rx_gntrefs.get(slot);
    }
    if (ring.pushRequests()) evtchn.notify(sc.sc_evtchn);
  }

  /** xennet_handler's half: takes what was received, and posts its slots again. */
  receive(sc: XennetSoftc): void {
    const ring = this.ring(sc);
    do {
      for (let r = this.#next(ring); r !== undefined; r = this.#next(ring)) {
        this.#packet(sc, ring, r);
      }
      this.post(sc);
    } while (ring.finalCheckForResponses());
    if (ring.overflown) this.log.breach(sc, 'more receive responses than requests');
  }

  #next(ring: FrontRing): Response | undefined {
    const slot = ring.ring.rsp_cons % NET_RX_RING_SIZE;
    const at = ring.nextResponse();
    if (at === undefined) return undefined;
    const { cpu } = this.parts;
    cpu.spend(SLOT_NS);
    const { id, offset, flags, status } = netif_rx_response.at(cpu.memory, at);
    return { slot, id, offset, flags, status };
  }

  /** A packet that starts with `first`: to the stack, or an input error. */
  #packet(sc: XennetSoftc, ring: FrontRing, first: Response): void {
    const bytes = this.#gather(sc, ring, first);
    const good = (first.flags & (NETRXF_data_validated | NETRXF_csum_blank)) !== 0;
    deliver(this.parts.stack, sc, bytes, good ? M_CSUM_VALIDATED : 0);
  }

  /** Takes all slots of a packet, and copies what is in them. @returns nothing when anything is wrong with one */
  #gather(sc: XennetSoftc, ring: FrontRing, first: Response): Uint8Array | undefined {
    let good = (first.flags & NETRXF_extra_info) === 0 || this.#extras(sc, ring);
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let r: Response | undefined = first; ; r = this.#next(ring)) {
      if (r === undefined) {
        this.log.breach(sc, 'a packet that does not end');
        return undefined;
      }
      const piece = this.#piece(sc, r);
      if (piece === undefined) good = false;
      else pieces.push(piece);
      length += piece?.length ?? 0;
      if ((r.flags & NETRXF_more_data) === 0) break;
    }
    if (!good || length > XEN_NETIF_MAX_TX_SIZE) return undefined;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  #piece(sc: XennetSoftc, { slot, id, offset, status }: Response): Uint8Array | undefined {
    const hasPage = sc.sc_flip === 0 || this.flip.settle(sc, slot);
    if (id !== slot || offset + status > PAGE_SIZE) {
      this.log.breach(
        sc,
        `a response of id ${id}, ${status} bytes from ${offset} on, in slot ${slot}`,
      );
      return undefined;
    }
    if (status < 0) return undefined;
    if (!hasPage) {
      this.log.breach(sc, `a response of ${status} bytes in slot ${slot}, and no page`);
      return undefined;
    }
    const piece = new Uint8Array(status);
    this.parts.cpu.memory.read(sc.sc_rx_pages + slot * PAGE_SIZE + offset, piece);
    return piece;
  }

  /** Slots of extra information after a packet's first. @returns whether the packet can be understood all the same */
  #extras(sc: XennetSoftc, ring: FrontRing): boolean {
    let good = true;
    for (let more = true; more; ) {
      const slot = ring.ring.rsp_cons % NET_RX_RING_SIZE;
      const at = ring.nextResponse();
      if (at === undefined) {
        this.log.breach(sc, 'extra information that does not end');
        return false;
      }
      if (sc.sc_flip !== 0) this.flip.settle(sc, slot);
      const { type, flags } = netif_extra_info.at(this.parts.cpu.memory, at);
      more = (flags & XEN_NETIF_EXTRA_FLAG_MORE) !== 0;
      // A hash can be done without. What else there is needs a feature that was not offered.
      if (type === XEN_NETIF_EXTRA_TYPE_HASH) continue;
      this.log.breach(sc, `extra information of type ${type}`);
      good = false;
    }
    return good;
  }
}
