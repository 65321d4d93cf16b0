/*
 * The table of TCP connections, and what all of TCP needs: time, secrets, ports, segments that belong to no connection.
 *
 * What is done with a connection is in tcp-input, tcp-output, tcp-timer and tcp-usrreq, which take this as their first
 * argument.
 */
import type { Callout, Cpu } from '@port-xen/kern';
import { array, nest, struct, u32, type View } from '@port-xen/layout';
import { IPPROTO_TCP } from './in-addr.ts';
import type { Ip } from './ip.ts';
import { msToTicks, type NetClock } from './net-clock.ts';
import type { Sockets } from './sockets.ts';
import {
  buildSegment,
  type Segment,
  segmentLength,
  TCP_CSUM_AT,
  TH_ACK,
  TH_RST,
} from './tcp-header.ts';
import { seqAdd } from './tcp-seq.ts';
import { NSYNCACHE, synEntry } from './tcp-syncache-var.ts';
import {
  NTCPCB,
  TCP_MSS_DEFAULT,
  TCPIP_HDR_LEN,
  TCPS_CLOSED,
  TCPS_LISTEN,
  TCPS_TIME_WAIT,
  type Tcpcb,
  tcpcb,
  tcpstat,
} from './tcp-var.ts';

export const tcp_data = struct('tcp_data', {
  tcp_secret0: u32,
  tcp_secret1: u32,
  tcp_nextport: u32,
  stat: nest(tcpstat),
  tcbs: array(tcpcb, NTCPCB),
  syncache: array(synEntry, NSYNCACHE),
});

/** Who a segment is between; the host's side first. */
export interface Endpoints {
  readonly laddr: number;
  readonly lport: number;
  readonly faddr: number;
  readonly fport: number;
}

export class Tcp {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sockets: Sockets;
  readonly ip: Ip;
  readonly callout: Callout;
  readonly clock: NetClock;

  constructor(
    cpu: Cpu,
    data: number,
    sockets: Sockets,
    ip: Ip,
    callouts: Callout,
    clock: NetClock,
  ) {
    this.cpu = cpu;
    this.data = data;
    this.sockets = sockets;
    this.ip = ip;
    this.callout = callouts;
    this.clock = clock;
  }

  get d(): View<typeof tcp_data> {
    return tcp_data.at(this.cpu.memory, this.data);
  }

  get stat(): View<typeof tcpstat> {
    return this.d.stat;
  }

  at(address: number): Tcpcb {
    return tcpcb.at(this.cpu.memory, address);
  }

  /** Uptime, ms. */
  now(): number {
    return Math.floor(this.clock.uptime_ns() / 1e6);
  }

  /** This connection's timestamp clock: a millisecond a step, never back (RFC 7323, 5.4). */
  tsNow(offset: number): number {
    return (this.now() + offset) >>> 0;
  }

  /** The connections in use. */
  all(): Tcpcb[] {
    const { tcbs } = this.d;
    const used: Tcpcb[] = [];
    for (let i = 0; i < NTCPCB; i++) {
      const tp = tcbs.at(i);
      if (tp.t_inuse !== 0) used.push(tp);
    }
    return used;
  }

  /** A new connection block; the oldest in TIME-WAIT makes room. @returns undefined when all are at work */
  create(): Tcpcb | undefined {
    const { tcbs } = this.d;
    let tp: Tcpcb | undefined;
    for (let i = 0; i < NTCPCB; i++) {
      const other = tcbs.at(i);
      if (other.t_inuse === 0) {
        tp = other;
        break;
      }
      if (other.t_state !== TCPS_TIME_WAIT) continue;
      if (tp === undefined || other.t_rcvtime < tp.t_rcvtime) tp = other;
    }
    if (tp === undefined) return undefined;
    this.stopTimers(tp);
    this.cpu.memory.write(tp.address, new Uint8Array(tcpcb.size));
    tp.t_inuse = 1;
    tp.t_state = TCPS_CLOSED;
    tp.t_maxseg = TCP_MSS_DEFAULT;
    return tp;
  }

  /** Gives a block back. */
  free(tp: Tcpcb): void {
    this.stopTimers(tp);
    tp.t_inuse = 0;
  }

  stopTimers(tp: Tcpcb): void {
    for (const ch of [tp.t_rexmt_ch, tp.t_persist_ch, tp.t_keep_ch, tp.t_2msl_ch, tp.t_delack_ch]) {
      this.callout.stop(ch.address);
    }
  }

  /** (Re)starts a timer of a connection. @param text the leaf that gets the connection's address */
  startTimer(ch: { readonly address: number }, ms: number, text: string, tp: Tcpcb): void {
    this.callout.reset(ch.address, msToTicks(ms), this.cpu.sym(text), tp.address);
  }

  /** The connection between these two, whatever its state. */
  lookup(e: Endpoints): Tcpcb | undefined {
    const { tcbs } = this.d;
    for (let i = 0; i < NTCPCB; i++) {
      const tp = tcbs.at(i);
      if (
        tp.t_inuse !== 0 &&
        tp.t_fport === e.fport &&
        tp.t_lport === e.lport &&
        tp.t_faddr === e.faddr &&
        tp.t_laddr === e.laddr &&
        tp.t_state > TCPS_LISTEN
      ) {
        return tp;
      }
    }
    return undefined;
  }

  /** Who listens there: on the address itself before any address. */
  lookupListener(laddr: number, lport: number): Tcpcb | undefined {
    const there = this.all().filter((tp) => tp.t_state === TCPS_LISTEN && tp.t_lport === lport);
    return there.find((tp) => tp.t_laddr === laddr) ?? there.find((tp) => tp.t_laddr === 0);
  }

  /**
   * The largest payload without options that the way to a peer takes in one frame.
   * @param asked what the program wants at most; 0: it does not say
   */
  mssTo(faddr: number, asked = 0): number {
    const route = this.ip.route(faddr);
    const mss = route === undefined ? TCP_MSS_DEFAULT : route.ifp.if_mtu - TCPIP_HDR_LEN;
    return asked === 0 ? mss : Math.min(mss, asked);
  }

  /** A segment that belongs to no connection's data: no data, no options but timestamps. */
  respond(
    e: Endpoints,
    seq: number,
    ack: number,
    flags: number,
    wnd = 0,
    options: Uint8Array = new Uint8Array(0),
  ): void {
    this.stat.tcps_sndtotal++;
    const packet = buildSegment({
      sport: e.lport,
      dport: e.fport,
      seq,
      ack,
      flags,
      wnd,
      options,
      length: 0,
    });
    this.ip.output(packet, {
      src: e.laddr,
      dst: e.faddr,
      proto: IPPROTO_TCP,
      df: true,
      csumAt: TCP_CSUM_AT,
    });
  }

  /** The reset that answers a segment for which there is no connection (RFC 9293, 3.5.2). */
  reset(seg: Segment): void {
    if ((seg.flags & TH_RST) !== 0) return;
    const e = { laddr: seg.dst, lport: seg.dport, faddr: seg.src, fport: seg.sport };
    if ((seg.flags & TH_ACK) !== 0) this.respond(e, seg.ack, 0, TH_RST);
    else this.respond(e, 0, seqAdd(seg.seq, segmentLength(seg)), TH_RST | TH_ACK);
  }
}
