/*
 * Network interfaces (ifnet(9)): the narrow edge between the stack and a driver.
 *
 *     driver → stack    Inet.etherInput(ifp, m)       a received frame; the mbuf is the stack's from then on
 *                       Inet.linkState(ifp, up)       the back end is connected, or gone
 *                       Inet.ready(ifp)               there is room again after IFF_OACTIVE
 *     stack → driver    if_output: Leaf(softc, m)     a whole Ethernet frame, an mbuf chain; 0 or an errno.
 *                                                     The mbuf is the driver's from then on, whatever it answers.
 *
 * A frame of up to MCLBYTES is one mbuf, a longer one a chain: a driver that cannot gather keeps if_mtu below that.
 * The driver sets IFF_OACTIVE while its queue is full: the stack sends nothing more and is told when to go on. It may set
 * if_mtu, if_lladdr and if_capenable anew whenever it has connected: a restored domain may find a back end that can do less.
 */
import { type Cpu, callout, kassert } from '@port-xen/kern';
import {
  array,
  bytes,
  cString,
  i64,
  nest,
  struct,
  textOf,
  u32,
  u64,
  type View,
} from '@port-xen/layout';
import { ENETDOWN, ENOBUFS } from './errno.ts';
import { ETHER_ADDR_LEN } from './ether.ts';
import { INADDR_BROADCAST } from './in-addr.ts';
import type { Mbufs } from './mbuf.ts';
import { undeferCksum } from './undefer-cksum.ts';

const NIFNET = 4;

export const IFF_UP = 1;
/** The driver's resources are there: the back end is connected. */
export const IFF_RUNNING = 0x40;
/** The driver's queue is full. */
export const IFF_OACTIVE = 0x400;

/** Takes frames with a blank transport checksum (M_CSUM_BLANK). */
export const IFCAP_CSUM_TX = 1;

export const ETHERMTU = 1500;

export const ifnet = struct('ifnet', {
  if_xname: bytes(16),
  /** IFF_*; 0 in if_output says that the entry is free. */
  if_flags: u32,
  /** IFCAP_*. */
  if_capenable: u32,
  /** Bytes of an IP packet. */
  if_mtu: u32,
  if_lladdr: bytes(ETHER_ADDR_LEN),
  if_softc: i64,
  if_output: i64,
  /** Host order; 0: none. */
  ia_addr: u32,
  ia_netmask: u32,
  if_gateway: u32,
  /** Announcements still to be sent (RFC 5227, 2.3). */
  if_announce: u32,
  if_announce_ch: nest(callout),
  if_ipackets: u64,
  if_ierrors: u64,
  if_opackets: u64,
  if_oerrors: u64,
});

export type IfnetView = View<typeof ifnet>;

export const ifnet_data = struct('ifnet_data', { nifnet: u32, ifnets: array(ifnet, NIFNET) });

/** What a driver says of itself. */
export interface IfAttach {
  readonly softc: number;
  /** Address of Leaf(softc, m). */
  readonly output: number;
  readonly lladdr: Uint8Array;
  readonly mtu: number;
  readonly capenable: number;
}

/** Where a packet for a destination goes. */
export interface Route {
  readonly ifp: IfnetView;
  /** Whose Ethernet address it gets; INADDR_BROADCAST for a broadcast. */
  readonly nexthop: number;
}

export class Ifnets {
  readonly cpu: Cpu;
  readonly data: number;
  readonly mbufs: Mbufs;

  constructor(cpu: Cpu, data: number, mbufs: Mbufs) {
    this.cpu = cpu;
    this.data = data;
    this.mbufs = mbufs;
  }

  get #d(): View<typeof ifnet_data> {
    return ifnet_data.at(this.cpu.memory, this.data);
  }

  at(address: number): IfnetView {
    return ifnet.at(this.cpu.memory, address);
  }

  /** if_attach(9). @returns the interface's address, by which the driver names it */
  attach(name: string, driver: IfAttach): number {
    const d = this.#d;
    kassert(d.nifnet < NIFNET, `expected at most ${NIFNET} network interfaces`);
    const ifp = d.ifnets.at(d.nifnet++);
    ifp.if_xname = cString(name.slice(0, 15));
    ifp.if_flags = IFF_UP;
    ifp.if_softc = driver.softc;
    ifp.if_output = driver.output;
    ifp.if_lladdr = driver.lladdr;
    ifp.if_mtu = driver.mtu;
    ifp.if_capenable = driver.capenable;
    return ifp.address;
  }

  /** ifunit(9): the interface of a name; undefined when there is none. */
  lookup(name: string): IfnetView | undefined {
    const d = this.#d;
    for (let i = 0; i < d.nifnet; i++) {
      const ifp = d.ifnets.at(i);
      if (textOf(ifp.if_xname) === name) return ifp;
    }
    return undefined;
  }

  /** The broadcast address of an interface's network. */
  broadcastOf(ifp: IfnetView): number {
    return (ifp.ia_addr | ~ifp.ia_netmask) >>> 0;
  }

  /** Whether an address is everybody's on this interface. */
  isBroadcast(ifp: IfnetView, address: number): boolean {
    return address === INADDR_BROADCAST || (ifp.ia_addr !== 0 && address === this.broadcastOf(ifp));
  }

  /** Whether an address is one of this host's. */
  isOurs(address: number): boolean {
    const d = this.#d;
    for (let i = 0; address !== 0 && i < d.nifnet; i++) {
      if (d.ifnets.at(i).ia_addr === address) return true;
    }
    return false;
  }

  /** A neighbour on the interface's network, a broadcast, or what the gateway is for. */
  route(dst: number): Route | undefined {
    const d = this.#d;
    let gateway: Route | undefined;
    for (let i = 0; i < d.nifnet; i++) {
      const ifp = d.ifnets.at(i);
      if (ifp.ia_addr === 0 || (ifp.if_flags & IFF_UP) === 0) continue;
      if (this.isBroadcast(ifp, dst)) return { ifp, nexthop: INADDR_BROADCAST };
      if (((dst ^ ifp.ia_addr) & ifp.ia_netmask) === 0) return { ifp, nexthop: dst };
      if (ifp.if_gateway !== 0) gateway ??= { ifp, nexthop: ifp.if_gateway };
    }
    return gateway;
  }

  /** Hands a frame to the driver. @param csum M_CSUM_* @returns 0 or an errno */
  send(ifp: IfnetView, frame: Uint8Array, csum = 0): number {
    const m = this.mbufs.fromBytes(frame);
    if (m === 0) return ENOBUFS;
    this.mbufs.at(m).m_csum = csum;
    return this.sendMbuf(ifp, m);
  }

  /** The same for a frame that stands in mbufs, which are consumed. */
  sendMbuf(ifp: IfnetView, m: number): number {
    const { if_flags: flags } = ifp;
    let error = 0;
    if ((flags & (IFF_UP | IFF_RUNNING)) !== (IFF_UP | IFF_RUNNING)) error = ENETDOWN;
    else if ((flags & IFF_OACTIVE) !== 0) error = ENOBUFS;
    if (error !== 0) {
      this.mbufs.freem(m);
    } else {
      if ((ifp.if_capenable & IFCAP_CSUM_TX) === 0) undeferCksum(this.mbufs, m);
      error = this.cpu.call(ifp.if_output, ifp.if_softc, m);
    }
    if (error === 0) ifp.if_opackets++;
    else ifp.if_oerrors++;
    return error;
  }
}
