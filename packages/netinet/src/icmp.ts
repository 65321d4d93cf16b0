/*
 * ICMP (RFC 792; RFC 1122, 3.2.2): answers echo, reports errors, and passes on what others report of our packets.
 *
 *     | type | code | checksum | rest (4) | data …          an error quotes the header and data of the packet that was wrong
 */
import type { Cpu } from '@port-xen/kern';
import { struct, u32, u64, type View } from '@port-xen/layout';
import { get16, get32, IPPROTO_ICMP, isUnicast, put16 } from './in-addr.ts';
import { inCksum } from './in-cksum.ts';
import { type Datagram, IP_HEADROOM, type Ip } from './ip.ts';
import type { NetClock } from './net-clock.ts';

export const ICMP_ECHOREPLY = 0;
export const ICMP_UNREACH = 3;
export const ICMP_ECHO = 8;
export const ICMP_TIMXCEED = 11;
export const ICMP_UNREACH_PROTOCOL = 2;
export const ICMP_UNREACH_PORT = 3;
export const ICMP_UNREACH_NEEDFRAG = 4;
export const ICMP_TIMXCEED_REASS = 1;

const ICMP_MINLEN = 8;
/** An error and its quotation together (RFC 1812, 4.3.2.3). */
const ERROR_PACKET_MAX = 576;
/** Errors sent in a second. */
const ERRORS_MAX = 100;

export const icmp_data = struct('icmp_data', {
  /** Start of the second in which errors are counted, uptime in ns. */
  icmp_window: u64,
  icmp_sent: u32,
  icps_badsum: u64,
  icps_short: u64,
  icps_echo: u64,
  icps_error: u64,
  icps_limited: u64,
});

/** What somebody reports of a packet that this host sent. */
export interface IcmpNotice {
  readonly type: number;
  readonly code: number;
  /** The next hop's MTU, for ICMP_UNREACH_NEEDFRAG; 0 when it was not said (RFC 1191). */
  readonly mtu: number;
  readonly proto: number;
  readonly src: number;
  readonly dst: number;
  /** The first eight bytes of the transport header. */
  readonly quote: Uint8Array;
}

export class Icmp {
  readonly cpu: Cpu;
  readonly data: number;
  readonly ip: Ip;
  readonly clock: NetClock;

  constructor(cpu: Cpu, data: number, ip: Ip, clock: NetClock) {
    this.cpu = cpu;
    this.data = data;
    this.ip = ip;
    this.clock = clock;
  }

  get d(): View<typeof icmp_data> {
    return icmp_data.at(this.cpu.memory, this.data);
  }

  /** @returns a report that belongs to a transport; echo requests are answered here */
  input(dg: Datagram): IcmpNotice | undefined {
    const d = this.d;
    const p = dg.packet.subarray(dg.hlen);
    if (p.length < ICMP_MINLEN) {
      d.icps_short++;
      return undefined;
    }
    if (inCksum(p, 0, p.length) !== 0) {
      d.icps_badsum++;
      return undefined;
    }
    const type = p[0] as number;
    if (type === ICMP_ECHO) this.#echo(dg, p);
    if (type !== ICMP_UNREACH && type !== ICMP_TIMXCEED) return undefined;
    return this.#notice(dg, p);
  }

  /** An echo request to everybody is not answered (RFC 1122, 3.2.2.6 leaves it open). */
  #echo(dg: Datagram, p: Uint8Array): void {
    if (dg.broadcast || !isUnicast(dg.src)) return;
    this.d.icps_echo++;
    const reply = p.slice();
    reply[0] = ICMP_ECHOREPLY;
    this.send(reply, dg.dst, dg.src);
  }

  #notice(dg: Datagram, p: Uint8Array): IcmpNotice | undefined {
    const quoted = p.subarray(ICMP_MINLEN);
    const hlen = ((quoted[0] ?? 0) & 15) * 4;
    if (quoted.length < 20 || (quoted[0] as number) >>> 4 !== 4 || hlen < 20) return undefined;
    if (quoted.length < hlen + 8 || dg.broadcast) return undefined;
    // Later fragments have no transport header.
    if ((get16(quoted, 6) & 0x1fff) !== 0) return undefined;
    return {
      type: p[0] as number,
      code: p[1] as number,
      mtu: get16(p, 6),
      proto: quoted[9] as number,
      src: get32(quoted, 12),
      dst: get32(quoted, 16),
      quote: quoted.subarray(hlen, hlen + 8),
    };
  }

  /** Sends a message; its checksum is filled in. @returns 0 or an errno */
  send(message: Uint8Array, src: number, dst: number, ttl?: number): number {
    const packet = new Uint8Array(IP_HEADROOM + message.length);
    packet.set(message, IP_HEADROOM);
    put16(packet, IP_HEADROOM + 2, 0);
    put16(packet, IP_HEADROOM + 2, inCksum(packet, IP_HEADROOM, packet.length));
    return this.ip.output(packet, {
      src,
      dst,
      proto: IPPROTO_ICMP,
      ...(ttl === undefined ? {} : { ttl }),
    });
  }

  /**
   * Reports that a packet could not be handled. Nothing is said about a packet to everybody, a fragment that is not the
   * first, or one that is itself an ICMP error (RFC 1122, 3.2.2).
   * @param original from its IP header on
   */
  error(type: number, code: number, original: Uint8Array): void {
    const src = get32(original, 12);
    const dst = get32(original, 16);
    const hlen = ((original[0] as number) & 15) * 4;
    const quotedType = original[9] === IPPROTO_ICMP ? (original[hlen] ?? 0) : ICMP_ECHO;
    if (quotedType !== ICMP_ECHO && quotedType !== ICMP_ECHOREPLY) return;
    if (!isUnicast(src) || !this.ip.ifnets.isOurs(dst) || (get16(original, 6) & 0x1fff) !== 0)
      return;
    const d = this.d;
    const now = this.clock.uptime_ns();
    if (now - d.icmp_window >= 1e9) {
      d.icmp_window = now;
      d.icmp_sent = 0;
    }
    if (d.icmp_sent >= ERRORS_MAX) {
      d.icps_limited++;
      return;
    }
    d.icmp_sent++;
    d.icps_error++;
    const quote = original.subarray(0, ERROR_PACKET_MAX - 20 - ICMP_MINLEN);
    const message = new Uint8Array(ICMP_MINLEN + quote.length);
    message[0] = type;
    message[1] = code;
    message.set(quote, ICMP_MINLEN);
    this.send(message, dst, src);
  }
}
