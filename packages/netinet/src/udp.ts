/*
 * UDP (RFC 768; RFC 1122, 4.1), and raw ICMP sockets beside it: datagrams between sockets.
 *
 *     | sport | dport | length | checksum | data …
 */
import { type Cpu, EINVAL } from '@port-xen/kern';
import { struct, u32, u64, type View } from '@port-xen/layout';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  ECONNREFUSED,
  EDESTADDRREQ,
  EHOSTUNREACH,
  EMSGSIZE,
} from './errno.ts';
import { ICMP_UNREACH, ICMP_UNREACH_PORT, type Icmp, type IcmpNotice } from './icmp.ts';
import type { IfnetView } from './ifnet.ts';
import { get16, IPPROTO_UDP, put16 } from './in-addr.ts';
import { fold, pseudoSum, sumOf } from './in-cksum.ts';
import { type Datagram, IP_HEADROOM, type Ip } from './ip.ts';
import { SO_BROADCAST, SO_REUSEADDR, SOCK_DGRAM, SOCK_RAW, type Socket } from './socket-var.ts';
import type { Sockets } from './sockets.ts';

const UDP_HDR_LEN = 8;
const UDP_CSUM_AT = 6;
/** The largest datagram that goes out (NetBSD's net.inet.udp.sendspace). */
export const UDP_SENDSPACE = 9216;
const PORT_FIRST = 49152;
const PORT_COUNT = 16384;

export const udp_data = struct('udp_data', {
  udp_nextport: u32,
  udps_ipackets: u64,
  udps_opackets: u64,
  udps_badsum: u64,
  udps_badlen: u64,
  udps_noport: u64,
  udps_fullsock: u64,
});

/** Both ends of a datagram. */
export interface UdpSend {
  readonly src: number;
  readonly sport: number;
  readonly dst: number;
  readonly dport: number;
  /** The interface, for who has no address yet. */
  readonly ifp?: IfnetView;
}

export class Udp {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sockets: Sockets;
  readonly ip: Ip;
  readonly icmp: Icmp;

  constructor(cpu: Cpu, data: number, sockets: Sockets, ip: Ip, icmp: Icmp) {
    this.cpu = cpu;
    this.data = data;
    this.sockets = sockets;
    this.ip = ip;
    this.icmp = icmp;
  }

  get d(): View<typeof udp_data> {
    return udp_data.at(this.cpu.memory, this.data);
  }

  /** The data of a UDP packet when length and checksum are right. */
  payload(dg: Datagram): Uint8Array | undefined {
    const d = this.d;
    d.udps_ipackets++;
    const p = dg.packet.subarray(dg.hlen);
    const length = p.length < UDP_HDR_LEN ? 0 : get16(p, 4);
    if (length < UDP_HDR_LEN || length > p.length) {
      d.udps_badlen++;
      return undefined;
    }
    if (!dg.validated && get16(p, UDP_CSUM_AT) !== 0) {
      const pseudo = pseudoSum(dg.src, dg.dst, IPPROTO_UDP, length);
      if (fold(sumOf(p, 0, length, pseudo)) !== 0xffff) {
        d.udps_badsum++;
        return undefined;
      }
    }
    return p.subarray(UDP_HDR_LEN, length);
  }

  /** A UDP datagram for this host; one for no socket is answered by ICMP. */
  input(dg: Datagram): void {
    const data = this.payload(dg);
    if (data === undefined) return;
    const sport = get16(dg.packet, dg.hlen);
    const dport = get16(dg.packet, dg.hlen + 2);
    const takers = this.#takers(dg, sport, dport);
    if (takers.length === 0) {
      this.d.udps_noport++;
      if (!dg.broadcast) this.icmp.error(ICMP_UNREACH, ICMP_UNREACH_PORT, dg.packet);
      return;
    }
    for (const so of takers) {
      if (!this.sockets.sbappendaddr(so, dg.src, sport, data)) this.d.udps_fullsock++;
    }
  }

  /** A broadcast is for every socket that takes it; anything else for the one that says most about where it is from. */
  #takers(dg: Datagram, sport: number, dport: number): Socket[] {
    const score = (so: Socket): number => (so.so_fport !== 0 ? 2 : 0) + (so.so_laddr !== 0 ? 1 : 0);
    const there = this.sockets
      .all()
      .filter(
        (so) =>
          so.so_type === SOCK_DGRAM &&
          so.so_lport === dport &&
          (so.so_laddr === 0 || so.so_laddr === dg.dst || dg.broadcast) &&
          (so.so_fport === 0 || (so.so_fport === sport && so.so_faddr === dg.src)),
      )
      .sort((a, b) => score(b) - score(a));
    return dg.broadcast ? there : there.slice(0, 1);
  }

  /** An ICMP message, for the raw sockets: with its IP header, as a BSD gives it. */
  rawInput(dg: Datagram): void {
    for (const so of this.sockets.all()) {
      if (so.so_type !== SOCK_RAW || so.so_proto !== dg.proto) continue;
      if (so.so_faddr !== 0 && so.so_faddr !== dg.src) continue;
      if (!this.sockets.sbappendaddr(so, dg.src, 0, dg.packet)) this.d.udps_fullsock++;
    }
  }

  bind(so: Socket, addr: number, port: number): number {
    if (so.so_lport !== 0) return EINVAL;
    if (addr !== 0 && !this.ip.ifnets.isOurs(addr)) return EADDRNOTAVAIL;
    const lport = port !== 0 || so.so_type === SOCK_RAW ? port : this.#freePort();
    if (port !== 0 && this.#isTaken(so, port)) return EADDRINUSE;
    so.so_laddr = addr;
    so.so_lport = lport;
    return 0;
  }

  #isTaken(so: Socket, port: number): boolean {
    return this.sockets
      .all()
      .some(
        (other) =>
          other.so_type === SOCK_DGRAM &&
          other.address !== so.address &&
          other.so_lport === port &&
          (other.so_options & so.so_options & SO_REUSEADDR) === 0,
      );
  }

  /** There are more ports than sockets: one is free. */
  #freePort(): number {
    const d = this.d;
    const used = new Set(this.sockets.all().map((so) => so.so_lport));
    for (;;) {
      d.udp_nextport = (d.udp_nextport + 1) % PORT_COUNT;
      if (!used.has(PORT_FIRST + d.udp_nextport)) return PORT_FIRST + d.udp_nextport;
    }
  }

  /** Sends from a socket: to `addr`, or to where it is connected when that is 0. @returns 0 or an errno */
  send(so: Socket, addr: number, port: number, data: Uint8Array): number {
    const dst = addr !== 0 ? addr : so.so_faddr;
    const dport = addr !== 0 ? port : so.so_fport;
    if (dst === 0) return EDESTADDRREQ;
    const route = this.ip.route(dst);
    if (route === undefined) return EHOSTUNREACH;
    const everybody = this.ip.ifnets.isBroadcast(route.ifp, dst);
    if (everybody && (so.so_options & SO_BROADCAST) === 0) return EADDRNOTAVAIL;
    const src = so.so_laddr !== 0 ? so.so_laddr : route.ifp.ia_addr;
    if (data.length > UDP_SENDSPACE) return EMSGSIZE;
    if (so.so_type === SOCK_RAW) {
      return data.length < UDP_HDR_LEN ? EINVAL : this.icmp.send(data, src, dst);
    }
    if (so.so_lport === 0) so.so_lport = this.#freePort();
    return this.output({ src, sport: so.so_lport, dst, dport }, data);
  }

  /** @returns 0 or an errno */
  output(to: UdpSend, data: Uint8Array): number {
    this.d.udps_opackets++;
    const packet = new Uint8Array(IP_HEADROOM + UDP_HDR_LEN + data.length);
    put16(packet, IP_HEADROOM, to.sport);
    put16(packet, IP_HEADROOM + 2, to.dport);
    put16(packet, IP_HEADROOM + 4, UDP_HDR_LEN + data.length);
    packet.set(data, IP_HEADROOM + UDP_HDR_LEN);
    const { src, dst } = to;
    const via = to.ifp === undefined ? {} : { ifp: to.ifp };
    return this.ip.output(packet, { src, dst, proto: IPPROTO_UDP, csumAt: UDP_CSUM_AT, ...via });
  }

  /** ICMP reports that a datagram could not be delivered: a connected socket learns of it. */
  ctlinput(notice: IcmpNotice): void {
    const sport = get16(notice.quote, 0);
    const dport = get16(notice.quote, 2);
    for (const so of this.sockets.all()) {
      if (so.so_type !== SOCK_DGRAM || so.so_lport !== sport) continue;
      if (so.so_fport !== dport || so.so_faddr !== notice.dst) continue;
      const refused = notice.type === ICMP_UNREACH && notice.code === ICMP_UNREACH_PORT;
      so.so_error = refused ? ECONNREFUSED : EHOSTUNREACH;
      this.sockets.sorwakeup(so);
    }
  }
}
