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
  XEN2_NETIF_RING_SIZE,
  XEN2_NR_EVENT_CHANNELS,
} from '@port-xen/abi';
import { type Cpu, IPL_SOFTNET, IPL_VM } from '@port-xen/kern';
import { cString, textOf, type View } from '@port-xen/layout';
import { ETHERMTU, IFF_OACTIVE, IFF_RUNNING } from '@port-xen/netinet';
import {
  NETIF_CONNECTED,
  NETIF_CONNECTING,
  NETIF_DISCONNECTED,
  type NetifSoftc,
  NNETIF,
  netif_data,
  netif_softc,
} from './netif-data.ts';
import { NetifLog } from './netif-log.ts';
import { IDS, type XennetCtrlIfParts } from './netif-parts.ts';
import { NetifRx } from './netif-rx.ts';
import { NetifTx } from './netif-tx.ts';

export class XennetCtrlIf {
  readonly cpu: Cpu;
  readonly data: number;
  readonly parts: XennetCtrlIfParts;
  readonly log: NetifLog;
  readonly tx: NetifTx;
  readonly rx: NetifRx;

  constructor(data: number, parts: XennetCtrlIfParts) {
    this.cpu = parts.cpu;
    this.data = data;
    this.parts = parts;
    this.log = new NetifLog(parts.kern.msgbuf);
    this.tx = new NetifTx(parts, this.log);
    this.rx = new NetifRx(parts, this.log);
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

  /** What the drivers' lwp sleeps on. */
  get wchan(): number {
    return this.data;
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
    this.rx.pages.note(sc);
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
    this.log.say(sc, `MAC address ${mac}`);
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
        this.log.say(sc, 'the controller closed the interface');
        this.absent(sc);
        return;
      default:
    }
  }

  /** Empty rings, every id posted; the controller is to be told where they are. */
  #prepare(sc: NetifSoftc): void {
    this.letGo(sc);
    this.tx.ring(sc).init();
    this.rx.ring(sc).init();
    sc.nt_breaches = 0;
    this.rx.post(sc, IDS);
    sc.nt_status = NETIF_CONNECTING;
    sc.nt_wanted = 1;
    this.parts.kern.sched.wakeup(this.wchan);
  }

  #connected(sc: NetifSoftc, evtchn: number, enaddr: Uint8Array): void {
    const asked = sc.nt_status === NETIF_CONNECTING && sc.nt_wanted === 0;
    const usable =
      evtchn > 0 && evtchn < XEN2_NR_EVENT_CHANNELS && this.parts.evtchn.nameOf(evtchn) === '';
    if (!asked || !usable) {
      this.log.say(sc, asked ? `port ${evtchn} cannot be had` : 'it is not connected, as is said');
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
    this.log.say(sc, `connected, port ${evtchn}`);
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
    for (const id of IDS) sc.nt_rx_out.set(id, 0);
    const dropped = this.tx.forget(sc);
    if (dropped > 0) this.log.say(sc, `${dropped} packets were being transmitted and are dropped`);
    const ifp = stack.parts.ifnets.at(sc.sc_ifp);
    ifp.if_flags &= ~(IFF_RUNNING | IFF_OACTIVE);
  }

  /** This host has no such interface: its pages have frames again. */
  absent(sc: NetifSoftc): void {
    this.letGo(sc);
    if (!this.rx.pages.takeBack(sc)) this.log.say(sc, 'Xen has no memory for its receive pages');
    this.parts.stack.linkState(sc.sc_ifp, false);
  }

  /** Whether a page is out, lent to a back end. */
  hasLent(pfn: number): boolean {
    return this.all.some((sc) => this.rx.pages.hasLent(sc, pfn));
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
    this.tx.complete(sc);
    this.rx.receive(sc);
  }
}
