/*
 * Page flipping, for back ends of Xen 3.0 that do not copy: a receive page gives its frame to Xen and lets the back end give it
 * another, by a reference that takes a frame.
 *
 *     lend       the page is out, a reference takes a frame
 *     settle     the reference is taken back; if a frame came it is the page's
 */
import { kassert } from '@port-xen/kern';
import { XENGNT_NO_ENTRY, XENGNT_NO_FRAME } from '@port-xen/xengnt';
import { RxPages } from './rx-pages.ts';
import type { XennetSoftc } from './xennet-data.ts';
import type { XennetParts } from './xennet-parts.ts';

/** Receive slots whose pages are flipped. */
export class XennetFlip {
  readonly parts: XennetParts;
  readonly pages: RxPages;

  constructor(parts: XennetParts) {
    this.parts = parts;
    this.pages = new RxPages(parts.pmap);
  }

  /**
   * Lends the pages of slots that have no reference, with one that takes a frame of the back end's.
   * @returns how many of the slots are lent, from the first on: fewer than there are when there are not enough references
   */
  lend(sc: XennetSoftc, slots: readonly number[]): number {
    const { xengnt, xenbus } = this.parts;
    const otherend = xenbus.otherendIdOf(sc.sc_xbusd);
    let lent = 0;
    for (const slot of slots) {
      if (sc.sc_rx_gntrefs.get(slot) === XENGNT_NO_ENTRY) {
        const gref = xengnt.grantTransfer(otherend);
        if (gref === XENGNT_NO_ENTRY) break;
        sc.sc_rx_gntrefs.set(slot, gref);
      }
      lent++;
    }
    const refused = this.pages.give(sc, slots.slice(0, lent));
    kassert(refused === 0, `xennet: Xen did not take ${refused} of ${lent} pages`);
    return lent;
  }

  /** The back end has said something of a slot. @returns whether the slot has a page now */
  settle(sc: XennetSoftc, slot: number): boolean {
    const gref = sc.sc_rx_gntrefs.get(slot);
    if (gref === XENGNT_NO_ENTRY) return false;
    const mfn = this.parts.xengnt.revokeTransfer(gref);
    sc.sc_rx_gntrefs.set(slot, XENGNT_NO_ENTRY);
    if (mfn === XENGNT_NO_FRAME) return false;
    this.pages.put(sc, slot, mfn);
    return true;
  }
}
