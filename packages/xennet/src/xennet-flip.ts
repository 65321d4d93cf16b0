/*
 * Page flipping, for back ends of Xen 3.0 that do not copy: a receive page gives its frame to Xen and lets the back end give it
 * another, which holds what was received.
 *
 *     lend       nothing is mapped at its address, its P2M entry is invalid, its frame is Xen's, a reference takes a frame
 *     settle     the reference is taken back; if a frame came it is the page's: P2M, M2P, and mapped at its address again
 *     take back  nobody gives it one any more: Xen is asked for one, as the balloon asks
 *
 * Which pages are out is what the P2M says. A page that is out when the domain is saved has no place in the file, and is out in
 * the restored domain, too. Which page a slot has is kept (sc_rx_pfns): while it is out no page table says so.
 */
import { kassert, PAGE_SIZE } from '@port-xen/kern';
import { INVALID_P2M_ENTRY } from '@port-xen/pmap';
import { XENGNT_NO_ENTRY, XENGNT_NO_FRAME } from '@port-xen/xengnt';
import { NET_RX_RING_SIZE, type XennetSoftc } from './xennet-data.ts';
import type { XennetParts } from './xennet-parts.ts';

/** The pages of receive slots, lent or not. */
export class XennetFlip {
  readonly parts: XennetParts;

  constructor(parts: XennetParts) {
    this.parts = parts;
  }

  /** Notes which pages the slots have, while they are mapped. */
  note(sc: XennetSoftc): void {
    const { pmap } = this.parts;
    for (let slot = 0; slot < NET_RX_RING_SIZE; slot++) {
      const pa = pmap.extract(0, vaOf(sc, slot));
      kassert(pa >= 0, `xennet: expected a page at receive slot ${slot}`);
      sc.sc_rx_pfns.set(slot, pa / PAGE_SIZE);
    }
  }

  /** The machine frame of a slot's page; INVALID_P2M_ENTRY while it is out. */
  frameOf(sc: XennetSoftc, slot: number): number {
    return this.parts.pmap.mfnOf(sc.sc_rx_pfns.get(slot) * PAGE_SIZE);
  }

  /** Whether a page is one of an interface's that is out. */
  hasLent(sc: XennetSoftc, pfn: number): boolean {
    if (sc.sc_rx_pages === 0) return false;
    for (let slot = 0; slot < NET_RX_RING_SIZE; slot++) {
      if (sc.sc_rx_pfns.get(slot) === pfn) {
        return this.frameOf(sc, slot) === INVALID_P2M_ENTRY;
      }
    }
    return false;
  }

  /**
   * Lends the pages of slots that have no reference, with one that takes a frame of the back end's.
   * @returns how many of the slots are lent, from the first on: fewer than there are when there are not enough references
   */
  lend(sc: XennetSoftc, slots: readonly number[]): number {
    const { xengnt, xenbus, pmap } = this.parts;
    const otherend = xenbus.otherendIdOf(sc.sc_xbusd);
    const here: number[] = [];
    let lent = 0;
    for (const slot of slots) {
      if (sc.sc_rx_gntrefs.get(slot) === XENGNT_NO_ENTRY) {
        const gref = xengnt.grantTransfer(otherend);
        if (gref === XENGNT_NO_ENTRY) break;
        sc.sc_rx_gntrefs.set(slot, gref);
      }
      lent++;
      if (this.frameOf(sc, slot) === INVALID_P2M_ENTRY) continue;
      pmap.kremove(vaOf(sc, slot));
      here.push(sc.sc_rx_pfns.get(slot));
    }
    pmap.reservation.give(here);
    return lent;
  }

  /** The back end has said something of a slot. @returns whether the slot has a page now */
  settle(sc: XennetSoftc, slot: number): boolean {
    const gref = sc.sc_rx_gntrefs.get(slot);
    if (gref === XENGNT_NO_ENTRY) return false;
    const mfn = this.parts.xengnt.revokeTransfer(gref);
    sc.sc_rx_gntrefs.set(slot, XENGNT_NO_ENTRY);
    if (mfn === XENGNT_NO_FRAME) return false;
    this.parts.pmap.reservation.assign(sc.sc_rx_pfns.get(slot), mfn);
    this.#map(sc, slot);
    return true;
  }

  /** Every slot has a page again. @returns false when Xen has not enough of them */
  takeBack(sc: XennetSoftc): boolean {
    const { pmap } = this.parts;
    const out: number[] = [];
    for (let slot = 0; slot < NET_RX_RING_SIZE; slot++) {
      if (this.frameOf(sc, slot) === INVALID_P2M_ENTRY) out.push(slot);
    }
    const taken = pmap.reservation.take(out.map((slot) => sc.sc_rx_pfns.get(slot)));
    for (const slot of out.slice(0, taken)) this.#map(sc, slot);
    return taken === out.length;
  }

  #map(sc: XennetSoftc, slot: number): void {
    this.parts.pmap.kreplaceMa(vaOf(sc, slot), this.frameOf(sc, slot), true);
  }
}

const vaOf = (sc: XennetSoftc, slot: number): number => sc.sc_rx_pages + slot * PAGE_SIZE;
