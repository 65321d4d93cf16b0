/*
 * Receive pages of an interface of Xen 2. A posted id has given its page's frame to Xen; the response says which frame is the page's now.
 *
 *     give    nothing is mapped at the page's address, its P2M entry is invalid, its frame is Xen's
 *     assign  a frame that the back end gave is the page's: P2M, M2P, and mapped at its address again
 *     take    nobody gives it one any more: Xen is asked for one, as the balloon asks
 *
 * Which pages are out is what the P2M says; a page that is out when the domain is saved has no place in the file, and is out in the
 * restored domain, too.
 */
import { XEN2_NETIF_RING_SIZE } from '@port-xen/abi';
import { kassert, PAGE_SIZE } from '@port-xen/kern';
import { INVALID_P2M_ENTRY } from '@port-xen/pmap';
import type { NetifSoftc } from './netif-data.ts';
import type { XennetPmap } from './xennet-parts.ts';

/** Where a page is. */
export const rxPage = (sc: NetifSoftc, id: number): number => sc.nt_rx_pages + id * PAGE_SIZE;

export class NetifPages {
  readonly pmap: XennetPmap;

  constructor(pmap: XennetPmap) {
    this.pmap = pmap;
  }

  /** Notes which pages the ids have, while they are mapped. */
  note(sc: NetifSoftc): void {
    for (let id = 0; id < XEN2_NETIF_RING_SIZE; id++) {
      const pa = this.pmap.extract(0, rxPage(sc, id));
      kassert(pa >= 0, `xennet: expected a page for receive id ${id}`);
      sc.nt_rx_pfns.set(id, pa / PAGE_SIZE);
    }
  }

  isOut(sc: NetifSoftc, id: number): boolean {
    return this.pmap.mfnOf(sc.nt_rx_pfns.get(id) * PAGE_SIZE) === INVALID_P2M_ENTRY;
  }

  /** Whether a page is one of the interface's that is out. */
  hasLent(sc: NetifSoftc, pfn: number): boolean {
    if (sc.nt_rx_pages === 0) return false;
    for (let id = 0; id < XEN2_NETIF_RING_SIZE; id++) {
      if (sc.nt_rx_pfns.get(id) === pfn) return this.isOut(sc, id);
    }
    return false;
  }

  /** The pages of these ids are without frames. */
  give(sc: NetifSoftc, ids: readonly number[]): void {
    const here = ids.filter((id) => !this.isOut(sc, id));
    for (const id of here) this.pmap.kremove(rxPage(sc, id));
    this.pmap.reservation.give(here.map((id) => sc.nt_rx_pfns.get(id)));
  }

  assign(sc: NetifSoftc, id: number, mfn: number): void {
    this.pmap.reservation.assign(sc.nt_rx_pfns.get(id), mfn);
    this.pmap.kreplaceMa(rxPage(sc, id), mfn, true);
  }

  /** Every page has a frame again. @returns false when Xen has not enough of them */
  take(sc: NetifSoftc): boolean {
    const out: number[] = [];
    for (let id = 0; id < XEN2_NETIF_RING_SIZE; id++) if (this.isOut(sc, id)) out.push(id);
    const taken = this.pmap.reservation.take(out.map((id) => sc.nt_rx_pfns.get(id)));
    for (const id of out.slice(0, taken)) {
      const mfn = this.pmap.mfnOf(sc.nt_rx_pfns.get(id) * PAGE_SIZE);
      this.pmap.kreplaceMa(rxPage(sc, id), mfn, true);
    }
    return taken === out.length;
  }
}
