/*
 * Transmission over the controller interface: one mbuf a packet, by its machine address. It is the driver's until the back end has
 * answered for it.
 */
import {
  NETIF_RSP_OKAY,
  XEN2_NETIF_RING_SIZE,
  xen2_netif_tx_request,
  xen2_netif_tx_response,
  xen2_netif_tx_ring,
} from '@port-xen/abi';
import { PAGE_SIZE } from '@port-xen/kern';
import { IFF_OACTIVE, MCLBYTES } from '@port-xen/netinet';
import { EMSGSIZE, ENETDOWN, ENOBUFS } from './errno.ts';
import { NETIF_CONNECTED, type NetifSoftc } from './netif-data.ts';
import type { NetifLog } from './netif-log.ts';
import { IDS, SLOT_NS, type XennetCtrlIfParts } from './netif-parts.ts';
import { NetifRing } from './netif-ring.ts';
import { mfnAt } from './xennet-parts.ts';

/** The transmit half of the driver. */
export class NetifTx {
  readonly parts: XennetCtrlIfParts;
  readonly log: NetifLog;

  constructor(parts: XennetCtrlIfParts, log: NetifLog) {
    this.parts = parts;
    this.log = log;
  }

  ring(sc: NetifSoftc): NetifRing {
    return new NetifRing(this.parts.cpu.memory, sc.nt_tx, xen2_netif_tx_ring.offset);
  }

  /** What whoever waits for the last answer sleeps on. */
  idleChannel(sc: NetifSoftc): number {
    return sc.nt_tx_mbufs.address(0);
  }

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
    const ring = this.ring(sc);
    const id = IDS.find((free) => sc.nt_tx_mbufs.get(free) === 0);
    if (id === undefined || ring.free === 0) return ENOBUFS;
    const { m_data, m_len } = stack.parts.mbufs.at(m);
    const page = Math.floor(m_data / PAGE_SIZE) * PAGE_SIZE;
    sc.nt_tx_mbufs.set(id, m);
    sc.nt_busy++;
    const slot = xen2_netif_tx_request.at(this.parts.cpu.memory, ring.nextRequest());
    slot.addr = mfnAt(this.parts, page) * PAGE_SIZE + (m_data - page);
    slot.id = id;
    slot.size = m_len;
    this.parts.cpu.spend(SLOT_NS);
    ring.push();
    evtchn.notify(sc.nt_evtchn);
    if (ring.free === 0) stack.parts.ifnets.at(sc.sc_ifp).if_flags |= IFF_OACTIVE;
    return 0;
  }

  /** Takes what the back end answered. */
  complete(sc: NetifSoftc): void {
    const { stack, kern } = this.parts;
    const ring = this.ring(sc);
    const ifp = stack.parts.ifnets.at(sc.sc_ifp);
    do {
      for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
        const { id, status } = xen2_netif_tx_response.at(this.parts.cpu.memory, at);
        const m = id < XEN2_NETIF_RING_SIZE ? sc.nt_tx_mbufs.get(id) : 0;
        if (m === 0) {
          this.log.breach(sc, `a response to transmit request ${id}, which is not out`);
          continue;
        }
        this.parts.cpu.spend(SLOT_NS);
        if (status !== NETIF_RSP_OKAY) ifp.if_oerrors++;
        this.#done(sc, id, m);
      }
    } while (ring.finalCheck());
    if (ring.overflown) this.log.breach(sc, 'more transmit responses than requests');
    if (sc.nt_busy === 0) kern.sched.wakeup(this.idleChannel(sc));
    const waits = (ifp.if_flags & IFF_OACTIVE) !== 0 && ring.free > 0 && sc.nt_held === 0;
    if (waits && sc.nt_status === NETIF_CONNECTED) stack.ready(sc.sc_ifp);
  }

  #done(sc: NetifSoftc, id: number, m: number): void {
    sc.nt_tx_mbufs.set(id, 0);
    sc.nt_busy--;
    this.parts.stack.parts.mbufs.freem(m);
  }

  /** What the ring holds is lost. @returns how many packets were dropped */
  forget(sc: NetifSoftc): number {
    const dropped = sc.nt_busy;
    for (const id of IDS) {
      const m = sc.nt_tx_mbufs.get(id);
      if (m !== 0) this.#done(sc, id, m);
    }
    return dropped;
  }
}
