/*
 * The network front end over the controller interface (if_xennet.c of Xen 2): two rings of machine addresses, pages that change hands.
 *
 *     stack ─ if_output ─► one mbuf, its machine address ─► tx ring ─► back end
 *     stack ◄─ copied ◄─ page ◄─ frame of the back end's ◄─ rx ring ◄─ back end        each id posted has given a frame away
 *
 * Before a suspend the controller is asked to have the back end let go, so that nothing is under way when the domain leaves: what came
 * has been taken in, and no frame is in a ring that a restore voids. A resume, of whatever kind, is a boot's handshake; the stack goes on.
 */
import {
  NETIF_INTERFACE_STATUS_CLOSED,
  NETIF_INTERFACE_STATUS_CONNECTED,
  NETIF_INTERFACE_STATUS_DISCONNECTED,
  NETIF_RSP_OKAY,
  XEN2_NETIF_RING_SIZE,
  xen2_netif_rx_request,
  xen2_netif_rx_response,
  xen2_netif_rx_ring,
  xen2_netif_tx_request,
  xen2_netif_tx_response,
  xen2_netif_tx_ring,
} from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, IPL_SOFTNET, IPL_VM, type Kern, PAGE_SIZE } from '@port-xen/kern';
import { cString, textOf, type View } from '@port-xen/layout';
import { ETHERMTU, IFF_OACTIVE, IFF_RUNNING, MCLBYTES } from '@port-xen/netinet';
import { deliver } from './deliver.ts';
import { EMSGSIZE, ENETDOWN, ENOBUFS } from './errno.ts';
import {
  NETIF_CONNECTED,
  NETIF_CONNECTING,
  NETIF_DISCONNECTED,
  type NetifSoftc,
  NNETIF,
  netif_data,
  netif_softc,
} from './netif-data.ts';
import { NetifRing } from './netif-ring.ts';
import type { NetworkStack } from './network-stack.ts';
import { RxPages } from './rx-pages.ts';
import { mfnAt, type XennetKern, type XennetPmap, type XennetUvm } from './xennet-parts.ts';

/** Machine frames that 32 bits of machine address can name. */
const MFN_END = 2 ** 20;
/** Ports that Xen 2 has. */
const PORTS = 1024;
/** Virtual time of a slot, beyond the macro-instruction that deals with it. */
const SLOT_NS = 300;

const ALL: readonly number[] = Array.from({ length: XEN2_NETIF_RING_SIZE }, (_, id) => id);

/** What the driver needs of the controller interface. */
export interface XennetController {
  registerReceiver(type: number, func: number): boolean;
  /** @param msg the address that the receiver was given */
  sendResponse(msg: number): boolean;
}

/** What it needs of memory besides: whose frame it is that somebody names. */
export interface NetifPmap extends XennetPmap {
  readonly nrPages: number;
  paOf(mfn: number): number;
  extractMfn(pmap: number, va: number): number;
  /** @returns false, nothing changed, when Xen does not let it be mapped so */
  tryReplaceMa(va: number, mfn: number, writable: boolean): boolean;
}

/** Everything that the driver is linked from. */
export interface XennetCtrlIfParts {
  readonly cpu: Cpu;
  readonly kern: XennetKern & Pick<Kern, 'spl'>;
  readonly evtchn: Evtchn;
  readonly pmap: NetifPmap;
  readonly uvm: XennetUvm;
  readonly ctrlIf: XennetController;
  readonly stack: NetworkStack;
}

export class XennetCtrlIf {
  readonly cpu: Cpu;
  readonly data: number;
  readonly parts: XennetCtrlIfParts;
  readonly pages: RxPages;

  constructor(data: number, parts: XennetCtrlIfParts) {
    this.cpu = parts.cpu;
    this.data = data;
    this.parts = parts;
    this.pages = new RxPages(parts.pmap);
  }

  get d(): View<typeof netif_data> {
    return netif_data.at(this.cpu.memory, this.data);
  }

  at(address: number): NetifSoftc {
    return netif_softc.at(this.cpu.memory, address);
  }

  /** The interfaces that there are, by handle. */
  get all(): NetifSoftc[] {
    const { softcs } = this.d;
    return Array.from({ length: NNETIF }, (_, unit) => softcs.at(unit)).filter(
      ({ nt_used }) => nt_used !== 0,
    );
  }

  nameOf(sc: NetifSoftc): string {
    return textOf(sc.nt_xname);
  }

  say(sc: NetifSoftc, what: string): void {
    this.parts.kern.msgbuf.printf(`${this.nameOf(sc)}: ${what}\n`);
  }

  #breach(sc: NetifSoftc, what: string): void {
    if (sc.nt_breaches++ === 0) this.say(sc, `the back end sent ${what}`);
  }

  tx(sc: NetifSoftc): NetifRing {
    return new NetifRing(this.cpu.memory, sc.nt_tx, xen2_netif_tx_ring.offset);
  }

  rx(sc: NetifSoftc): NetifRing {
    return new NetifRing(this.cpu.memory, sc.nt_rx, xen2_netif_rx_ring.offset);
  }

  /** What the drivers' lwp sleeps on. */
  get wchan(): number {
    return this.data;
  }

  /** What whoever waits for the last answer sleeps on. */
  idleChannel(sc: NetifSoftc): number {
    return sc.nt_tx_mbufs.address(0);
  }

  /** Boot need not wait for the interfaces any more. */
  settled(): void {
    const { d } = this;
    if (d.nt_pending === 0) return;
    d.nt_pending = 0;
    this.parts.kern.autoconf.pendingDecr();
  }

  // An interface comes, connects, and goes.

  /** The interface of a handle, made if there is none. Pages and ifnet are its own for good. @param parent the device above it */
  create(handle: number, enaddr: Uint8Array, parent: number): NetifSoftc {
    const sc = this.d.softcs.at(handle);
    if (sc.nt_used !== 0) return sc;
    const { uvm, stack, kern } = this.parts;
    sc.nt_used = 1;
    sc.nt_unit = handle;
    sc.nt_xname = cString(`xennet${handle}`);
    sc.sc_enaddr = enaddr;
    sc.nt_tx.page = uvm.kmAlloc(1);
    sc.nt_rx.page = uvm.kmAlloc(1);
    sc.sc_rx_pages = uvm.kmAlloc(XEN2_NETIF_RING_SIZE);
    this.pages.note(sc);
    sc.sc_ifp = stack.parts.ifnets.attach(this.nameOf(sc), {
      softc: sc.address,
      output: this.cpu.sym('xennet_output'),
      lladdr: enaddr,
      mtu: ETHERMTU,
      capenable: 0,
    });
    const { autoconf } = kern;
    const dv = autoconf.attach(this.nameOf(sc), parent, sc.address);
    autoconf.pmfRegister(dv, this.cpu.sym('xennet_suspend'), this.cpu.sym('xennet_resume'));
    sc.nt_dev = dv.address;
    const mac = [...enaddr].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    this.say(sc, `MAC address ${mac}`);
    return sc;
  }

  /** CMSG_NETIF_FE_INTERFACE_STATUS. */
  statusChanged(sc: NetifSoftc, status: number, evtchn: number, enaddr: Uint8Array): void {
    if (this.d.nt_suspended !== 0) return;
    switch (status) {
      case NETIF_INTERFACE_STATUS_DISCONNECTED:
        this.#prepare(sc);
        return;
      case NETIF_INTERFACE_STATUS_CONNECTED:
        this.#connected(sc, evtchn, enaddr);
        return;
      case NETIF_INTERFACE_STATUS_CLOSED:
        this.say(sc, 'the controller closed the interface');
        this.absent(sc);
        return;
      default:
    }
  }

  /** Empty rings, every id posted; the controller is to be told where they are. */
  #prepare(sc: NetifSoftc): void {
    this.letGo(sc);
    this.tx(sc).init();
    this.rx(sc).init();
    sc.nt_breaches = 0;
    this.#post(sc, ALL);
    sc.nt_status = NETIF_CONNECTING;
    sc.nt_wanted = 1;
    this.parts.kern.sched.wakeup(this.wchan);
  }

  #connected(sc: NetifSoftc, evtchn: number, enaddr: Uint8Array): void {
    const asked = sc.nt_status === NETIF_CONNECTING && sc.nt_wanted === 0;
    const usable = evtchn > 0 && evtchn < PORTS && this.parts.evtchn.nameOf(evtchn) === '';
    if (!asked || !usable) {
      this.say(sc, asked ? `port ${evtchn} cannot be had` : 'it is not connected, as is said');
      return;
    }
    const { stack } = this.parts;
    sc.sc_enaddr = enaddr;
    stack.parts.ifnets.at(sc.sc_ifp).if_lladdr = enaddr;
    sc.nt_evtchn = evtchn;
    const handler = this.cpu.sym('xennet_handler');
    this.parts.evtchn.setHandler(evtchn, handler, sc.address, IPL_VM, this.nameOf(sc));
    this.parts.evtchn.enable(evtchn);
    sc.nt_status = NETIF_CONNECTED;
    this.say(sc, `connected, port ${evtchn}`);
    stack.linkState(sc.sc_ifp, true);
  }

  /** The domain is about to leave: the stack sends nothing more. */
  hold(sc: NetifSoftc): void {
    if (sc.nt_status !== NETIF_CONNECTED) return;
    sc.nt_held = 1;
    this.parts.stack.parts.ifnets.at(sc.sc_ifp).if_flags |= IFF_OACTIVE;
  }

  /** The back end has let go, or there is another one: the channel is closed, what came is taken in, what was being sent is dropped. */
  letGo(sc: NetifSoftc): void {
    const { evtchn, stack } = this.parts;
    if (sc.nt_evtchn !== 0) {
      this.serve(sc);
      evtchn.mask(sc.nt_evtchn);
      evtchn.removeHandler(sc.nt_evtchn);
      evtchn.close(sc.nt_evtchn);
      sc.nt_evtchn = 0;
    }
    sc.nt_status = NETIF_DISCONNECTED;
    sc.nt_wanted = 0;
    sc.nt_held = 0;
    for (const id of ALL) sc.nt_rx_out.set(id, 0);
    const dropped = this.#forget(sc);
    if (dropped > 0) this.say(sc, `${dropped} packets were being transmitted and are dropped`);
    const ifp = stack.parts.ifnets.at(sc.sc_ifp);
    ifp.if_flags &= ~(IFF_RUNNING | IFF_OACTIVE);
  }

  /** This host has no such interface: its pages have frames again. */
  absent(sc: NetifSoftc): void {
    this.letGo(sc);
    if (!this.pages.takeBack(sc)) this.say(sc, 'Xen has no memory for its receive pages');
    this.parts.stack.linkState(sc.sc_ifp, false);
  }

  /** In a restored domain the channel is void, and nobody has what was in the rings. */
  restored(sc: NetifSoftc): void {
    sc.nt_evtchn = 0;
    this.letGo(sc);
  }

  /** Whether a page is out, lent to a back end. */
  hasLent(pfn: number): boolean {
    return this.all.some((sc) => this.pages.hasLent(sc, pfn));
  }

  // What is sent.

  /** if_output: the packet is the driver's, whatever becomes of it. @returns 0 or an errno */
  output(sc: NetifSoftc, packet: number): number {
    const { mbufs } = this.parts.stack.parts;
    const { m_next, m_len, m_pktlen } = mbufs.at(packet);
    let m = packet;
    if (m_next !== 0 || m_len !== m_pktlen) {
      const bytes = mbufs.toBytes(packet);
      mbufs.freem(packet);
      if (bytes.length > MCLBYTES) return EMSGSIZE;
      m = mbufs.fromBytes(bytes);
      if (m === 0) return ENOBUFS;
    }
    const error = this.#put(sc, m);
    if (error !== 0) mbufs.freem(m);
    return error;
  }

  #put(sc: NetifSoftc, m: number): number {
    const { evtchn, stack } = this.parts;
    if (sc.nt_status !== NETIF_CONNECTED) return ENETDOWN;
    const ring = this.tx(sc);
    const id = ALL.find((free) => sc.nt_tx_mbufs.get(free) === 0);
    if (id === undefined || ring.free === 0) return ENOBUFS;
    const { m_data, m_len } = stack.parts.mbufs.at(m);
    const page = Math.floor(m_data / PAGE_SIZE) * PAGE_SIZE;
    sc.nt_tx_mbufs.set(id, m);
    sc.nt_busy++;
    const slot = xen2_netif_tx_request.at(this.cpu.memory, ring.nextRequest());
    slot.addr = mfnAt(this.parts, page) * PAGE_SIZE + (m_data - page);
    slot.id = id;
    slot.size = m_len;
    this.cpu.spend(SLOT_NS);
    ring.push();
    evtchn.notify(sc.nt_evtchn);
    if (ring.free === 0) stack.parts.ifnets.at(sc.sc_ifp).if_flags |= IFF_OACTIVE;
    return 0;
  }

  #complete(sc: NetifSoftc): void {
    const { stack, kern } = this.parts;
    const ring = this.tx(sc);
    const ifp = stack.parts.ifnets.at(sc.sc_ifp);
    do {
      for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
        const { id, status } = xen2_netif_tx_response.at(this.cpu.memory, at);
        const m = id < XEN2_NETIF_RING_SIZE ? sc.nt_tx_mbufs.get(id) : 0;
        if (m === 0) {
          this.#breach(sc, `a response to transmit request ${id}, which is not out`);
          continue;
        }
        this.cpu.spend(SLOT_NS);
        if (status !== NETIF_RSP_OKAY) ifp.if_oerrors++;
        this.#done(sc, id, m);
      }
    } while (ring.finalCheck());
    if (ring.overflown) this.#breach(sc, 'more transmit responses than requests');
    if (sc.nt_busy === 0) kern.sched.wakeup(this.idleChannel(sc));
    const waits = (ifp.if_flags & IFF_OACTIVE) !== 0 && ring.free > 0 && sc.nt_held === 0;
    if (waits && sc.nt_status === NETIF_CONNECTED) stack.ready(sc.sc_ifp);
  }

  #done(sc: NetifSoftc, id: number, m: number): void {
    sc.nt_tx_mbufs.set(id, 0);
    sc.nt_busy--;
    this.parts.stack.parts.mbufs.freem(m);
  }

  /** @returns how many packets were dropped */
  #forget(sc: NetifSoftc): number {
    const dropped = sc.nt_busy;
    for (const id of ALL) {
      const m = sc.nt_tx_mbufs.get(id);
      if (m !== 0) this.#done(sc, id, m);
    }
    return dropped;
  }

  // What is received.

  /** Gives the ids' frames away and posts them; there is room for all ids. */
  #post(sc: NetifSoftc, ids: readonly number[]): void {
    if (ids.length === 0) return;
    this.pages.give(sc, ids);
    const ring = this.rx(sc);
    for (const id of ids) {
      xen2_netif_rx_request.at(this.cpu.memory, ring.nextRequest()).id = id;
      sc.nt_rx_out.set(id, 1);
    }
    ring.push();
    if (sc.nt_evtchn !== 0) this.parts.evtchn.notify(sc.nt_evtchn);
  }

  #receive(sc: NetifSoftc): void {
    const ring = this.rx(sc);
    do {
      const back: number[] = [];
      for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
        this.cpu.spend(SLOT_NS);
        const { addr, id, status } = xen2_netif_rx_response.at(this.cpu.memory, at);
        if (id >= XEN2_NETIF_RING_SIZE || sc.nt_rx_out.get(id) === 0) {
          this.#breach(sc, `a response to receive request ${id}, which is not out`);
          continue;
        }
        sc.nt_rx_out.set(id, 0);
        back.push(id);
        deliver(this.parts.stack, sc, this.#bytes(sc, id, addr, status), 0);
      }
      this.#post(sc, back);
    } while (ring.finalCheck());
    if (ring.overflown) this.#breach(sc, 'more receive responses than requests');
  }

  /** What a response brought, in a page that is the id's now. @returns nothing when it brought none */
  #bytes(sc: NetifSoftc, id: number, addr: number, status: number): Uint8Array | undefined {
    if (status < 0) return undefined;
    const mfn = Math.floor(addr / PAGE_SIZE);
    const offset = addr - mfn * PAGE_SIZE;
    if (offset + status > PAGE_SIZE || !this.#accept(sc, id, mfn)) {
      this.#breach(sc, `${status} bytes at machine address ${addr}, where there is no page for it`);
      return undefined;
    }
    const bytes = new Uint8Array(status);
    this.cpu.memory.read(sc.sc_rx_pages + id * PAGE_SIZE + offset, bytes);
    return bytes;
  }

  /**
   * Makes a frame the page of an id. A back end may name any: it must be this domain's and no table, so that Xen lets it be mapped, not
   * Xen's own, and nothing that the domain has already.
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

  // Events.

  /** xennet_handler: leaves the work to the soft interrupt. */
  handler(): void {
    this.parts.kern.softint.schedule(this.d.nt_softint);
  }

  establish(): void {
    this.d.nt_softint = this.parts.kern.softint.establish(
      IPL_SOFTNET,
      this.cpu.sym('xennet_softintr'),
      0,
    );
  }

  /** xennet_softintr: serves every interface that has a channel. */
  softintr(): void {
    for (const sc of this.all) if (sc.nt_evtchn !== 0) this.serve(sc);
  }

  serve(sc: NetifSoftc): void {
    this.#complete(sc);
    this.#receive(sc);
  }
}
