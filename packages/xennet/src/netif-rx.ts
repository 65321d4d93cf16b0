/*
 * Reception over the controller interface: each id that is posted has given a frame away, and a response names the frame that came for it.
 */
import {
  XEN2_NETIF_RING_SIZE,
  xen2_netif_rx_request,
  xen2_netif_rx_response,
  xen2_netif_rx_ring,
} from '@port-xen/abi';
import { PAGE_SIZE } from '@port-xen/kern';
import { deliver } from './deliver.ts';
import type { NetifSoftc } from './netif-data.ts';
import type { NetifLog } from './netif-log.ts';
import { SLOT_NS, type XennetCtrlIfParts } from './netif-parts.ts';
import { NetifRing } from './netif-ring.ts';
import { RxPages } from './rx-pages.ts';

/** Machine frames that 32 bits of machine address can name. */
const MFN_END = 2 ** 20;

/** The receive half of the driver. */
export class NetifRx {
  readonly parts: XennetCtrlIfParts;
  readonly log: NetifLog;
  readonly pages: RxPages;

  constructor(parts: XennetCtrlIfParts, log: NetifLog) {
    this.parts = parts;
    this.log = log;
    this.pages = new RxPages(parts.pmap);
  }

  ring(sc: NetifSoftc): NetifRing {
    return new NetifRing(this.parts.cpu.memory, sc.nt_rx, xen2_netif_rx_ring.offset);
  }

  /** Gives the ids' frames away and posts them; there is room for all ids. */
  post(sc: NetifSoftc, ids: readonly number[]): void {
    if (ids.length === 0) return;
    if (this.pages.give(sc, ids) > 0) this.log.breach(sc, "a frame of Xen's own as a page");
    const ring = this.ring(sc);
    for (const id of ids) {
      xen2_netif_rx_request.at(this.parts.cpu.memory, ring.nextRequest()).id = id;
      sc.nt_rx_out.set(id, 1);
    }
    ring.push();
    if (sc.nt_evtchn !== 0) this.parts.evtchn.notify(sc.nt_evtchn);
  }

  /** Takes what came, and posts the ids again. */
  receive(sc: NetifSoftc): void {
    const ring = this.ring(sc);
    do {
      const back: number[] = [];
      for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
        this.parts.cpu.spend(SLOT_NS);
        const { addr, id, status } = xen2_netif_rx_response.at(this.parts.cpu.memory, at);
        if (id >= XEN2_NETIF_RING_SIZE || sc.nt_rx_out.get(id) === 0) {
          this.log.breach(sc, `a response to receive request ${id}, which is not out`);
          continue;
        }
        sc.nt_rx_out.set(id, 0);
        back.push(id);
        deliver(this.parts.stack, sc, this.#bytes(sc, id, addr, status), 0);
      }
      this.post(sc, back);
    } while (ring.finalCheck());
    if (ring.overflown) this.log.breach(sc, 'more receive responses than requests');
  }

  /** What a response brought, in a page that is the id's now. @returns nothing when it brought none */
  #bytes(sc: NetifSoftc, id: number, addr: number, status: number): Uint8Array | undefined {
    if (status < 0) return undefined;
    const mfn = Math.floor(addr / PAGE_SIZE);
    const offset = addr - mfn * PAGE_SIZE;
    if (offset + status > PAGE_SIZE || !this.#accept(sc, id, mfn)) {
      this.log.breach(
        sc,
        `${status} bytes at machine address ${addr}, where there is no page for it`,
      );
      return undefined;
    }
    const bytes = new Uint8Array(status);
    this.parts.cpu.memory.read(sc.sc_rx_pages + id * PAGE_SIZE + offset, bytes);
    return bytes;
  }

  /**
   * Makes a frame the page of an id. A back end may name any: it must be this domain's and no table, so that Xen lets it be mapped, not
   * the shared info, and nothing that the domain has already. Another of Xen's own, as the grant table's, shows when it is given away again.
   */
  #accept(sc: NetifSoftc, id: number, mfn: number): boolean {
    const { kern, pmap } = this.parts;
    const va = sc.sc_rx_pages + id * PAGE_SIZE;
    const isXens = mfn === pmap.extractMfn(0, kern.spl.sharedInfo);
    if (mfn <= 0 || mfn >= MFN_END || isXens || !pmap.tryReplaceMa(va, mfn, true)) return false;
    const pa = pmap.paOf(mfn);
    if (pa >= 0 && pa < pmap.nrPages * PAGE_SIZE && pmap.mfnOf(pa) === mfn) {
      pmap.kremove(va);
      return false;
    }
    this.pages.put(sc, id, mfn);
    return true;
  }
}
