/*
 * The network front end (sys/arch/xen/xen/if_xennet_xenbus.c): two rings, one event channel, and an interface of the stack above.
 *
 *     event ─► soft interrupt ─► transmit: answers ─► receive: packets ─► stack
 *
 * A back end that does not copy what is received flips pages: see xennet-flip.ts.
 *
 * A restored domain has a new back end, which may do less than the last one, or more: features are read anew, and the stack is
 * told what it may send. References and channel are new, every receive slot is posted again, and what was being transmitted
 * is dropped: nobody has it any more. The interface is up, and announces itself, when the new back end serves it and not before.
 */
import { netif_rx_sring_entry, netif_tx_sring_entry } from '@port-xen/abi';
import { type Cpu, IPL_SOFTNET, IPL_VM, PAGE_SIZE } from '@port-xen/kern';
import { cString, textOf, type View } from '@port-xen/layout';
import { ETHERMTU, IFCAP_CSUM_TX, IFF_OACTIVE, IFF_RUNNING } from '@port-xen/netinet';
import { XENGNT_NO_ENTRY } from '@port-xen/xengnt';
import {
  NET_RX_RING_SIZE,
  NET_TX_RING_SIZE,
  NXENNET,
  XENNET_CONNECTED,
  XENNET_CONNECTING,
  XENNET_DISCONNECTED,
  XENNET_GONE,
  XENNET_SUSPENDED,
  type XennetSoftc,
  xennet_data,
  xennet_softc,
} from './xennet-data.ts';
import { XennetLog } from './xennet-log.ts';
import { mfnAt, type XennetParts } from './xennet-parts.ts';
import { XennetRx } from './xennet-rx.ts';
import { XennetTx } from './xennet-tx.ts';

/** What a back end takes, and how it gives what is received. */
export interface Negotiated {
  readonly sg: boolean;
  readonly csum: boolean;
  readonly flip: boolean;
}

export class Xennet {
  readonly cpu: Cpu;
  readonly data: number;
  readonly parts: XennetParts;
  readonly log: XennetLog;
  readonly tx: XennetTx;
  readonly rx: XennetRx;

  constructor(data: number, parts: XennetParts) {
    this.cpu = parts.cpu;
    this.data = data;
    this.parts = parts;
    this.log = new XennetLog(parts.kern.msgbuf);
    this.tx = new XennetTx(parts, this.log);
    this.rx = new XennetRx(parts, this.log);
  }

  get #d(): View<typeof xennet_data> {
    return xennet_data.at(this.cpu.memory, this.data);
  }

  at(address: number): XennetSoftc {
    return xennet_softc.at(this.cpu.memory, address);
  }

  nameOf(sc: XennetSoftc): string {
    return textOf(sc.sc_xname);
  }

  // An interface comes, connects, and goes.

  /**
   * A softc for a new device. Pages and ifnet are the unit's own for good.
   * @returns undefined when there are NXENNET already
   */
  create(xbusd: number, enaddr: Uint8Array, mtu: number): XennetSoftc | undefined {
    const d = this.#d;
    for (let unit = 0; unit < NXENNET; unit++) {
      const sc = d.softcs.at(unit);
      if (sc.sc_used !== 0) continue;
      const { sc_ifp, sc_tx_page, sc_rx_page, sc_rx_pages } = sc;
      const pfns = new Uint8Array(4 * NET_RX_RING_SIZE);
      this.cpu.memory.read(sc.sc_rx_pfns.address(0), pfns);
      this.cpu.memory.write(sc.address, new Uint8Array(xennet_softc.size));
      const { uvm, stack, kern } = this.parts;
      sc.sc_used = 1;
      sc.sc_unit = unit;
      sc.sc_xbusd = xbusd;
      sc.sc_enaddr = enaddr;
      sc.sc_mtu = mtu;
      sc.sc_xname = cString(`xennet${unit}`);
      sc.sc_tx_page = sc_tx_page === 0 ? uvm.kmAlloc(1) : sc_tx_page;
      sc.sc_rx_page = sc_rx_page === 0 ? uvm.kmAlloc(1) : sc_rx_page;
      sc.sc_rx_pages = sc_rx_pages === 0 ? uvm.kmAlloc(NET_RX_RING_SIZE) : sc_rx_pages;
      if (sc_rx_pages === 0) this.rx.flip.pages.note(sc);
      else this.cpu.memory.write(sc.sc_rx_pfns.address(0), pfns);
      this.forgetHandles(sc);
      sc.sc_ifp =
        sc_ifp !== 0
          ? sc_ifp
          : stack.parts.ifnets.attach(this.nameOf(sc), {
              softc: sc.address,
              output: this.cpu.sym('xennet_output'),
              lladdr: enaddr,
              mtu,
              capenable: 0,
            });
      stack.parts.ifnets.at(sc.sc_ifp).if_lladdr = enaddr;
      if (d.xn_softint === 0) {
        d.xn_softint = kern.softint.establish(IPL_SOFTNET, this.cpu.sym('xennet_softintr'), 0);
      }
      return sc;
    }
    return undefined;
  }

  /** Every reference and the channel are void. @returns packets that were being transmitted, which are dropped */
  forgetHandles(sc: XennetSoftc): number {
    sc.sc_tx_ring_gntref = XENGNT_NO_ENTRY;
    sc.sc_rx_ring_gntref = XENGNT_NO_ENTRY;
    sc.sc_evtchn = 0;
    this.rx.init(sc);
    return this.tx.forget(sc);
  }

  /** What the back end says it can do: what the stack may send from now on. */
  negotiate(sc: XennetSoftc, { sg, csum, flip }: Negotiated): void {
    const ifp = this.parts.stack.parts.ifnets.at(sc.sc_ifp);
    sc.sc_sg = sg ? 1 : 0;
    sc.sc_flip = flip ? 1 : 0;
    ifp.if_capenable = csum ? IFCAP_CSUM_TX : 0;
    // A longer packet does not fit one slot's cluster.
    ifp.if_mtu = sg ? sc.sc_mtu : Math.min(sc.sc_mtu, ETHERMTU);
  }

  /** What was agreed upon, for the console. */
  abilities(sc: XennetSoftc): string {
    const { if_capenable } = this.parts.stack.parts.ifnets.at(sc.sc_ifp);
    const sg = sc.sc_sg !== 0 ? ', scatter-gather' : '';
    const csum = (if_capenable & IFCAP_CSUM_TX) !== 0 ? ', checksum offload' : '';
    return `${sg}${csum}${sc.sc_flip !== 0 ? ', page flipping' : ''}`;
  }

  /**
   * What attach and resume share: empty rings, granted; every receive slot granted and posted; a channel, with the handler on it.
   * @returns false when there are not enough references, or not enough memory for pages that the last back end has
   */
  prepare(sc: XennetSoftc): boolean {
    const { evtchn, xengnt, xenbus } = this.parts;
    const { memory } = this.cpu;
    const otherend = xenbus.otherendIdOf(sc.sc_xbusd);
    memory.write(sc.sc_tx_page, new Uint8Array(PAGE_SIZE));
    memory.write(sc.sc_rx_page, new Uint8Array(PAGE_SIZE));
    this.tx.ring(sc).init(sc.sc_tx_page, NET_TX_RING_SIZE, netif_tx_sring_entry.size);
    this.rx.ring(sc).init(sc.sc_rx_page, NET_RX_RING_SIZE, netif_rx_sring_entry.size);
    sc.sc_tx_ring_gntref = xengnt.grantAccess(otherend, mfnAt(this.parts, sc.sc_tx_page), false);
    sc.sc_rx_ring_gntref = xengnt.grantAccess(otherend, mfnAt(this.parts, sc.sc_rx_page), false);
    const granted =
      sc.sc_tx_ring_gntref !== XENGNT_NO_ENTRY &&
      sc.sc_rx_ring_gntref !== XENGNT_NO_ENTRY &&
      this.rx.grantPages(sc);
    if (!granted) {
      this.#revoke(sc);
      return false;
    }
    sc.sc_breaches = 0;
    sc.sc_evtchn = evtchn.allocUnbound(otherend);
    this.listen(sc);
    this.rx.post(sc);
    return true;
  }

  /** Puts the handler on the channel. */
  listen(sc: XennetSoftc): void {
    const { evtchn } = this.parts;
    const handler = this.cpu.sym('xennet_handler');
    evtchn.setHandler(sc.sc_evtchn, handler, sc.address, IPL_VM, this.nameOf(sc));
    evtchn.enable(sc.sc_evtchn);
  }

  /** No handler runs from here on. */
  silence(sc: XennetSoftc): void {
    if (sc.sc_evtchn === 0) return;
    this.parts.evtchn.mask(sc.sc_evtchn);
    this.parts.evtchn.removeHandler(sc.sc_evtchn);
  }

  /** The back end serves the rings: the interface is up. */
  connected(sc: XennetSoftc): void {
    sc.sc_backend_status = XENNET_CONNECTED;
    this.parts.stack.linkState(sc.sc_ifp, true);
  }

  /** The domain is about to leave: the stack sends nothing more. */
  hold(sc: XennetSoftc): void {
    if (sc.sc_backend_status !== XENNET_CONNECTED) return;
    sc.sc_held = 1;
    this.parts.stack.parts.ifnets.at(sc.sc_ifp).if_flags |= IFF_OACTIVE;
  }

  /** The domain leaves: nothing goes in or out. */
  suspended(sc: XennetSoftc): void {
    this.silence(sc);
    sc.sc_held = 0;
    if (sc.sc_backend_status !== XENNET_CONNECTED) return;
    sc.sc_backend_status = XENNET_SUSPENDED;
    this.#setRunning(sc, false);
  }

  /** The domain never left: back end and rings are as they were. */
  cancelled(sc: XennetSoftc): void {
    if (sc.sc_evtchn !== 0) this.listen(sc);
    if (sc.sc_backend_status !== XENNET_SUSPENDED) return;
    sc.sc_backend_status = XENNET_CONNECTED;
    this.#setRunning(sc, true);
    this.#serve(sc);
    this.parts.stack.ready(sc.sc_ifp);
  }

  /** The domain is on another host: nothing that it shared with the last one is there any more. */
  restored(sc: XennetSoftc): void {
    const packets = this.forgetHandles(sc);
    if (packets > 0) this.log.say(sc, `${packets} packets were being transmitted and are dropped`);
    this.#setRunning(sc, false);
    sc.sc_backend_status = XENNET_DISCONNECTED;
  }

  /** The back end goes away for good. */
  gone(sc: XennetSoftc): void {
    sc.sc_backend_status = XENNET_GONE;
    this.parts.stack.linkState(sc.sc_ifp, false);
  }

  /** This host has no such interface: nobody gives back the pages that the last one's back end has. */
  absent(sc: XennetSoftc): void {
    this.gone(sc);
    this.rx.takeBack(sc);
  }

  /** Whether a page is out, lent to a back end. */
  hasLent(pfn: number): boolean {
    const { softcs } = this.#d;
    for (let unit = 0; unit < NXENNET; unit++) {
      if (this.rx.flip.pages.hasLent(softcs.at(unit), pfn)) return true;
    }
    return false;
  }

  /** The back end has closed: channel, grants and packets are ours again. */
  release(sc: XennetSoftc): void {
    if (sc.sc_evtchn !== 0) {
      this.silence(sc);
      this.parts.evtchn.close(sc.sc_evtchn);
      sc.sc_evtchn = 0;
    }
    this.tx.abandon(sc);
    this.#revoke(sc);
  }

  #revoke(sc: XennetSoftc): void {
    const { xengnt } = this.parts;
    this.rx.revokePages(sc);
    for (const gref of [sc.sc_tx_ring_gntref, sc.sc_rx_ring_gntref]) {
      if (gref !== XENGNT_NO_ENTRY && !xengnt.inUse(gref)) xengnt.revokeAccess(gref);
    }
    sc.sc_tx_ring_gntref = XENGNT_NO_ENTRY;
    sc.sc_rx_ring_gntref = XENGNT_NO_ENTRY;
  }

  #setRunning(sc: XennetSoftc, running: boolean): void {
    const ifp = this.parts.stack.parts.ifnets.at(sc.sc_ifp);
    ifp.if_flags &= ~(IFF_RUNNING | IFF_OACTIVE);
    if (running) ifp.if_flags |= IFF_RUNNING;
  }

  // Events.

  /** xennet_handler: leaves the work to the soft interrupt. */
  handler(): void {
    this.parts.kern.softint.schedule(this.#d.xn_softint);
  }

  /** xennet_softintr: serves every interface that has a channel. */
  softintr(): void {
    const { softcs } = this.#d;
    for (let unit = 0; unit < NXENNET; unit++) {
      const sc = softcs.at(unit);
      const status = sc.sc_backend_status;
      const open = status === XENNET_CONNECTED || status === XENNET_CONNECTING;
      if (sc.sc_used !== 0 && open && sc.sc_evtchn !== 0) this.#serve(sc);
    }
  }

  #serve(sc: XennetSoftc): void {
    this.tx.complete(sc);
    this.rx.receive(sc);
  }
}
