/*
 * The stack's upper side of an interface: frames come in here, and are handed to whom they belong to.
 *
 *     etherInput ─► ARP
 *                └► IPv4 ─► ICMP ─► (reports) TCP, UDP
 *                        ├► UDP ─► sockets, DHCP client
 *                        └► TCP ─► sockets
 */
import { type Cpu, leaf, type Text } from '@port-xen/kern';
import type { Arp } from './arp.ts';
import type { Dhcp } from './dhcp.ts';
import { DHCP_CLIENT_PORT } from './dhcp-var.ts';
import {
  ETHER_HDR_LEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IP,
  etherDst,
  etherType,
  isGroup,
  sameAddress,
} from './ether.ts';
import {
  ICMP_TIMXCEED,
  ICMP_TIMXCEED_REASS,
  ICMP_UNREACH,
  ICMP_UNREACH_PROTOCOL,
  type Icmp,
} from './icmp.ts';
import type { Ifconfig } from './ifconfig.ts';
import { IFF_OACTIVE, IFF_RUNNING, type Ifnets } from './ifnet.ts';
import { get16, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from './in-addr.ts';
import type { Datagram, Ip } from './ip.ts';
import type { Mbufs } from './mbuf.ts';
import type { Tcp } from './tcp.ts';
import { tcpCtlinput } from './tcp-ctlinput.ts';
import { tcpInput } from './tcp-input.ts';
import { tcpUnblock } from './tcp-output.ts';
import type { Tcpcb } from './tcp-var.ts';
import type { Udp } from './udp.ts';

/** What the stack is made of. */
export interface InetParts {
  readonly mbufs: Mbufs;
  readonly ifnets: Ifnets;
  readonly arp: Arp;
  readonly ifconfig: Ifconfig;
  readonly ip: Ip;
  readonly icmp: Icmp;
  readonly udp: Udp;
  readonly tcp: Tcp;
  readonly dhcp: Dhcp;
}

export class Inet {
  readonly cpu: Cpu;
  readonly parts: InetParts;

  constructor(cpu: Cpu, parts: InetParts) {
    this.cpu = cpu;
    this.parts = parts;
  }

  /** A frame from the driver; the mbuf is consumed. Runs at IPL_SOFTNET. */
  etherInput(address: number, m: number): void {
    const { mbufs, ifnets, arp, ip } = this.parts;
    const ifp = ifnets.at(address);
    const csum = mbufs.at(m).m_csum;
    const frame = mbufs.toBytes(m);
    mbufs.freem(m);
    ifp.if_ipackets++;
    if (frame.length < ETHER_HDR_LEN) {
      ifp.if_ierrors++;
      return;
    }
    const dst = etherDst(frame);
    // A group other than everybody is none of ours: there is no multicast here.
    const everybody = isGroup(dst) && dst.every((byte) => byte === 0xff);
    if (!everybody && !sameAddress(dst, ifp.if_lladdr)) return;
    const type = etherType(frame);
    if (type === ETHERTYPE_ARP) arp.input(ifp, frame);
    if (type !== ETHERTYPE_IP) return;
    const dg = ip.input(ifp, frame.subarray(ETHER_HDR_LEN), csum);
    // A packet for one host does not come to everybody (RFC 1122, 3.3.6).
    if (dg !== undefined && (dg.broadcast || !everybody)) this.#deliver(dg);
  }

  #deliver(dg: Datagram): void {
    const { icmp, udp, tcp } = this.parts;
    switch (dg.proto) {
      case IPPROTO_TCP:
        tcpInput(tcp, dg);
        return;
      case IPPROTO_UDP:
        if (!this.#dhcp(dg)) udp.input(dg);
        return;
      case IPPROTO_ICMP:
        this.#icmp(dg);
        return;
      default:
        if (!dg.broadcast) icmp.error(ICMP_UNREACH, ICMP_UNREACH_PROTOCOL, dg.packet);
    }
  }

  #icmp(dg: Datagram): void {
    const { icmp, udp, tcp } = this.parts;
    const notice = icmp.input(dg);
    udp.rawInput(dg);
    if (notice === undefined || !this.parts.ifnets.isOurs(notice.src)) return;
    if (notice.proto === IPPROTO_TCP) tcpCtlinput(tcp, notice);
    else if (notice.proto === IPPROTO_UDP) udp.ctlinput(notice);
  }

  #dhcp(dg: Datagram): boolean {
    const { udp, dhcp } = this.parts;
    if (dg.packet.length < dg.hlen + 4 || get16(dg.packet, dg.hlen + 2) !== DHCP_CLIENT_PORT)
      return false;
    if (!dhcp.wants(dg.ifp)) return false;
    const payload = udp.payload(dg);
    if (payload !== undefined) dhcp.input(payload);
    return true;
  }

  /**
   * The driver's back end is connected, at boot or after a restore, or it is gone. When it is there the address is announced, so
   * that switches learn the port at once and neighbours the address.
   */
  linkState(address: number, up: boolean): void {
    const ifp = this.parts.ifnets.at(address);
    if (!up) {
      ifp.if_flags &= ~(IFF_RUNNING | IFF_OACTIVE);
      return;
    }
    ifp.if_flags = (ifp.if_flags | IFF_RUNNING) & ~IFF_OACTIVE;
    const { ifconfig, dhcp } = this.parts;
    ifconfig.announce(ifp);
    if (dhcp.d.dh_ifp === address) dhcp.linkUp();
    this.#resume();
  }

  /** Connections that have sent what the peer has not acknowledged, and have not begun to send it again. */
  get inFlight(): number {
    const waits = ({ snd_una, snd_max, t_rxtshift }: Tcpcb): boolean =>
      snd_una !== snd_max && t_rxtshift === 0;
    return this.parts.tcp.all().filter(waits).length;
  }

  /** The driver has room again. */
  ready(address: number): void {
    this.parts.ifnets.at(address).if_flags &= ~IFF_OACTIVE;
    this.#resume();
  }

  #resume(): void {
    const { tcp } = this.parts;
    for (const tp of tcp.all()) tcpUnblock(tcp, tp);
  }

  /** Fragments that waited too long are reported to their sender. */
  reassTimer(): void {
    const { ip, icmp } = this.parts;
    for (const quote of ip.reass.expire()) icmp.error(ICMP_TIMXCEED, ICMP_TIMXCEED_REASS, quote);
  }
}

export const inetText: Text<Inet> = {
  arp_timer: leaf((m) => m.parts.arp.timer()),
  ip_reass_timer: leaf((m) => m.reassTimer()),
  if_announce_timer: leaf((m, ifp) => m.parts.ifconfig.announceTimer(ifp)),
  dhcp_timer: leaf((m) => m.parts.dhcp.timer()),
};
