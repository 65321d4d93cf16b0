/*
 * IPv4 (RFC 791; RFC 1122, 3): what comes in is checked, what goes out gets its header, its route, and fragments.
 *
 *     0               14              34
 *     | Ethernet      | IPv4          | transport header, data        a packet on its way out:
 *                                                                     IP_HEADROOM bytes are free in front
 * A host does not forward. Options are skipped; a packet with a source route is dropped.
 */
import type { Cpu } from '@port-xen/kern';
import { struct, u32, u64, type View } from '@port-xen/layout';
import type { Arp } from './arp.ts';
import { EHOSTUNREACH, EMSGSIZE } from './errno.ts';
import { ETHER_HDR_LEN, ETHERTYPE_IP } from './ether.ts';
import {
  IFCAP_CSUM_TX,
  IFF_OACTIVE,
  IFF_RUNNING,
  type Ifnets,
  type IfnetView,
  type Route,
} from './ifnet.ts';
import { get16, get32, INADDR_BROADCAST, IPPROTO_UDP, isUnicast, put16, put32 } from './in-addr.ts';
import { fold, inCksum, pseudoSumOf, sumOf } from './in-cksum.ts';
import type { IpReass } from './ip-reass.ts';
import { M_CSUM_BLANK, M_CSUM_VALIDATED } from './mbuf.ts';

const IP_HDR_LEN = 20;
/** Bytes in front of a transport header that lower layers fill in. */
export const IP_HEADROOM: number = ETHER_HDR_LEN + IP_HDR_LEN;
const IPDEFTTL = 64;
const IP_DF = 0x4000;
const IP_MF = 0x2000;
const IP_OFFMASK = 0x1fff;
const IPOPT_LSRR = 131;
const IPOPT_SSRR = 137;

export const ip_data = struct('ip_data', {
  ip_id: u32,
  ips_total: u64,
  ips_badhdr: u64,
  ips_badsum: u64,
  ips_cantforward: u64,
  ips_delivered: u64,
  ips_localout: u64,
  ips_noroute: u64,
});

/** A datagram for this host. */
export interface Datagram {
  readonly ifp: IfnetView;
  readonly src: number;
  readonly dst: number;
  readonly proto: number;
  readonly ttl: number;
  /** It was sent to everybody. */
  readonly broadcast: boolean;
  /** From the IP header on, exactly as long as the header says. */
  readonly packet: Uint8Array;
  /** Bytes of IP header. */
  readonly hlen: number;
  /** The transport checksum need not be looked at. */
  readonly validated: boolean;
}

export interface IpOutput {
  readonly src: number;
  readonly dst: number;
  readonly proto: number;
  readonly ttl?: number;
  /** Do not fragment. */
  readonly df?: boolean;
  /** Where in the transport header its checksum over the pseudo-header stands; absent when it has none. */
  readonly csumAt?: number;
  /** The interface, for who has no address yet; the route's when absent. */
  readonly ifp?: IfnetView;
}

/** Whether the options of a header have a source route. */
const sourceRouted = (packet: Uint8Array, hlen: number): boolean => {
  for (let i = IP_HDR_LEN; i < hlen; ) {
    const kind = packet[i] as number;
    if (kind === 0) return false;
    if (kind === IPOPT_LSRR || kind === IPOPT_SSRR) return true;
    i += kind === 1 ? 1 : Math.max(2, packet[i + 1] ?? hlen);
  }
  return false;
};

export class Ip {
  readonly cpu: Cpu;
  readonly data: number;
  readonly ifnets: Ifnets;
  readonly arp: Arp;
  readonly reass: IpReass;

  constructor(cpu: Cpu, data: number, ifnets: Ifnets, arp: Arp, reass: IpReass) {
    this.cpu = cpu;
    this.data = data;
    this.ifnets = ifnets;
    this.arp = arp;
    this.reass = reass;
  }

  get d(): View<typeof ip_data> {
    return ip_data.at(this.cpu.memory, this.data);
  }

  /**
   * An IPv4 packet from the wire, Ethernet padding behind it.
   * @param csum M_CSUM_* @returns undefined when there is nothing to deliver (yet)
   */
  input(ifp: IfnetView, bytes: Uint8Array, csum: number): Datagram | undefined {
    const d = this.d;
    d.ips_total++;
    const hlen = ((bytes[0] ?? 0) & 15) * 4;
    if (bytes.length < IP_HDR_LEN || (bytes[0] as number) >>> 4 !== 4 || hlen < IP_HDR_LEN) {
      d.ips_badhdr++;
      return undefined;
    }
    const length = get16(bytes, 2);
    if (hlen > bytes.length || length < hlen || length > bytes.length) {
      d.ips_badhdr++;
      return undefined;
    }
    if (inCksum(bytes, 0, hlen) !== 0) {
      d.ips_badsum++;
      return undefined;
    }
    const src = get32(bytes, 12);
    const dst = get32(bytes, 16);
    const broadcast = this.ifnets.isBroadcast(ifp, dst);
    if (
      (src !== 0 && !isUnicast(src)) ||
      this.ifnets.isBroadcast(ifp, src) ||
      sourceRouted(bytes, hlen)
    ) {
      d.ips_badhdr++;
      return undefined;
    }
    // Without an address a DHCP server's answer may come to the one that it gives.
    const unconfigured = ifp.ia_addr === 0 && bytes[9] === IPPROTO_UDP;
    if (!broadcast && !this.ifnets.isOurs(dst) && !unconfigured) {
      d.ips_cantforward++;
      return undefined;
    }
    const packet = bytes.subarray(0, length);
    const off = get16(packet, 6);
    const proto = packet[9] as number;
    const ttl = packet[8] as number;
    const made = { ifp, src, dst, proto, ttl, broadcast };
    if ((off & (IP_MF | IP_OFFMASK)) === 0) {
      d.ips_delivered++;
      const validated = (csum & (M_CSUM_BLANK | M_CSUM_VALIDATED)) !== 0;
      return { ...made, packet, hlen, validated };
    }
    const whole = this.reass.input(packet, hlen, (off & IP_OFFMASK) * 8, (off & IP_MF) !== 0);
    if (whole === undefined) return undefined;
    d.ips_delivered++;
    return { ...made, packet: whole, hlen: ((whole[0] as number) & 15) * 4, validated: false };
  }

  /** The route to an address. */
  route(dst: number): Route | undefined {
    return this.ifnets.route(dst);
  }

  /** Whether the driver that would take a packet for `dst` has no room, or no back end: it says when it has. */
  isBlocked(dst: number): boolean {
    const flags = this.route(dst)?.ifp.if_flags;
    return flags !== undefined && (flags & (IFF_OACTIVE | IFF_RUNNING)) !== IFF_RUNNING;
  }

  /** Sends a packet whose first IP_HEADROOM bytes are free. @returns 0 or an errno */
  output(packet: Uint8Array, o: IpOutput): number {
    const d = this.d;
    const route: Route | undefined =
      o.ifp !== undefined ? { ifp: o.ifp, nexthop: INADDR_BROADCAST } : this.route(o.dst);
    if (route === undefined) {
      d.ips_noroute++;
      return EHOSTUNREACH;
    }
    const { ifp } = route;
    const length = packet.length - ETHER_HDR_LEN;
    const fits = length <= ifp.if_mtu;
    if ((!fits && o.df === true) || length > 0xffff) return EMSGSIZE;
    d.ip_id = (d.ip_id + 1) & 0xffff;
    d.ips_localout++;
    const h = packet.subarray(ETHER_HDR_LEN, IP_HEADROOM);
    h[0] = 0x45;
    put16(h, 2, length);
    put16(h, 4, d.ip_id);
    put16(h, 6, o.df === true ? IP_DF : 0);
    h[8] = o.ttl ?? IPDEFTTL;
    h[9] = o.proto;
    put32(h, 12, o.src);
    put32(h, 16, o.dst);
    const offload = fits && (ifp.if_capenable & IFCAP_CSUM_TX) !== 0 && o.csumAt !== undefined;
    if (o.csumAt !== undefined) this.#transportChecksum(packet, o.csumAt, offload);
    if (!fits) return this.#fragments(route, packet, ifp.if_mtu);
    put16(h, 10, inCksum(h, 0, IP_HDR_LEN));
    const csum = offload ? M_CSUM_BLANK | M_CSUM_VALIDATED : 0;
    return this.arp.output(ifp, route.nexthop, packet, csum, ETHERTYPE_IP);
  }

  /** The checksum that includes the pseudo-header; with offload only the pseudo-header's sum. */
  #transportChecksum(packet: Uint8Array, at: number, offload: boolean): void {
    const pseudo = pseudoSumOf(packet, ETHER_HDR_LEN, packet.length - IP_HEADROOM);
    const field = IP_HEADROOM + at;
    put16(packet, field, 0);
    if (offload) {
      put16(packet, field, fold(pseudo));
      return;
    }
    const sum = ~fold(sumOf(packet, IP_HEADROOM, packet.length, pseudo)) & 0xffff;
    // A UDP checksum of 0 means that there is none, and all ones stand for 0 (RFC 768); TCP's is what it is.
    const isUdp = packet[ETHER_HDR_LEN + 9] === IPPROTO_UDP;
    put16(packet, field, sum === 0 && isUdp ? 0xffff : sum);
  }

  #fragments(route: Route, packet: Uint8Array, mtu: number): number {
    const each = Math.floor((mtu - IP_HDR_LEN) / 8) * 8;
    const payload = packet.subarray(IP_HEADROOM);
    for (let at = 0; at < payload.length; at += each) {
      const part = payload.subarray(at, at + each);
      const fragment = new Uint8Array(IP_HEADROOM + part.length);
      fragment.set(packet.subarray(0, IP_HEADROOM));
      fragment.set(part, IP_HEADROOM);
      const h = fragment.subarray(ETHER_HDR_LEN, IP_HEADROOM);
      put16(h, 2, IP_HDR_LEN + part.length);
      put16(h, 6, at / 8 + (at + each < payload.length ? IP_MF : 0));
      put16(h, 10, inCksum(h, 0, IP_HDR_LEN));
      const error = this.arp.output(route.ifp, route.nexthop, fragment, 0, ETHERTYPE_IP);
      if (error !== 0) return error;
    }
    return 0;
  }
}
