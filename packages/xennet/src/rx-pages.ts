/*
 * The pages of receive slots, which can be given away: to Xen, for others that come with what was received (page flipping).
 *
 *     give       nothing is mapped at its address, its P2M entry is invalid, its frame is Xen's
 *     put        another frame is the page's: P2M, M2P, and mapped at its address
 *     take back  nobody gives it one any more: Xen is asked for one, as the balloon asks
 *
 * Which pages are out is what the P2M says. A page that is out when the domain is saved has no place in the file, and is out in
 * the restored domain, too. Which page a slot has is kept (sc_rx_pfns): while it is out no page table says so.
 */
import { kassert, PAGE_SIZE } from '@port-xen/kern';
import { INVALID_P2M_ENTRY } from '@port-xen/pmap';
import { NET_RX_RING_SIZE } from './xennet-data.ts';
import type { XennetPmap } from './xennet-parts.ts';

/** What of a softc is about the pages. */
export interface RxPagesOwner {
  /** Kernel address of a page for each slot. */
  readonly sc_rx_pages: number;
  readonly sc_rx_pfns: { get(slot: number): number; set(slot: number, pfn: number): void };
}

export class RxPages {
  readonly pmap: XennetPmap;

  constructor(pmap: XennetPmap) {
    this.pmap = pmap;
  }

  /** Notes which pages the slots have, while they are mapped. */
  note(sc: RxPagesOwner): void {
    for (let slot = 0; slot < NET_RX_RING_SIZE; slot++) {
      const pa = this.pmap.extract(0, vaOf(sc, slot));
      kassert(pa >= 0, `xennet: expected a page at receive slot ${slot}`);
      sc.sc_rx_pfns.set(slot, pa / PAGE_SIZE);
    }
  }

  /** The machine frame of a slot's page; INVALID_P2M_ENTRY while it is out. */
  frameOf(sc: RxPagesOwner, slot: number): number {
    return this.pmap.mfnOf(sc.sc_rx_pfns.get(slot) * PAGE_SIZE);
  }

  isOut(sc: RxPagesOwner, slot: number): boolean {
    return this.frameOf(sc, slot) === INVALID_P2M_ENTRY;
  }

  /** Whether a page is one of an interface's that is out. */
  hasLent(sc: RxPagesOwner, pfn: number): boolean {
    if (sc.sc_rx_pages === 0) return false;
    for (let slot = 0; slot < NET_RX_RING_SIZE; slot++) {
      if (sc.sc_rx_pfns.get(slot) === pfn) return this.isOut(sc, slot);
    }
    return false;
  }

  /** Gives away those that are here. @returns how many of their frames were not the domain's to give */
  give(sc: RxPagesOwner, slots: readonly number[]): number {
    const here = slots.filter((slot) => !this.isOut(sc, slot));
    for (const slot of here) this.pmap.kremove(vaOf(sc, slot));
    return this.pmap.reservation.give(here.map((slot) => sc.sc_rx_pfns.get(slot)));
  }

  /** A frame of the domain's that is in neither table is the slot's page. */
  put(sc: RxPagesOwner, slot: number, mfn: number): void {
    this.pmap.reservation.assign(sc.sc_rx_pfns.get(slot), mfn);
    this.#map(sc, slot);
  }

  /** Every slot has a page again. @returns false when Xen has not enough of them */
  takeBack(sc: RxPagesOwner): boolean {
    const out: number[] = [];
    for (let slot = 0; slot < NET_RX_RING_SIZE; slot++) if (this.isOut(sc, slot)) out.push(slot);
    const taken = this.pmap.reservation.take(out.map((slot) => sc.sc_rx_pfns.get(slot)));
    for (const slot of out.slice(0, taken)) this.#map(sc, slot);
    return taken === out.length;
  }

  #map(sc: RxPagesOwner, slot: number): void {
    this.pmap.kreplaceMa(vaOf(sc, slot), this.frameOf(sc, slot), true);
  }
}

const vaOf = (sc: RxPagesOwner, slot: number): number => sc.sc_rx_pages + slot * PAGE_SIZE;
