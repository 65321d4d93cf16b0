/*
 * Sending (tcp_output.c; RFC 9293, 3.8; RFC 5681): decides whether a segment goes now, and makes it.
 *
 *     so_snd:    | snd_una … snd_nxt … | sb_cc |
 *                |← off →|← len →|
 *
 *     a segment goes when:  it is full, or it is all there is and nothing is outstanding (Nagle) or TCP_NODELAY, or it is half
 *                           the largest window ever seen, or it goes again; SYN, FIN not yet sent; an ACK owed; a window that
 *                           has opened by two segments or half the buffer
 */

import { EMSGSIZE } from './errno.ts';
import { IPPROTO_TCP } from './in-addr.ts';
import { sbpeek } from './sockbuf.ts';
import { SS_CANTRCVMORE } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { isPending, startPersist, startRexmt } from './tcp-arm.ts';
import {
  buildOptions,
  buildSegment,
  dataAt,
  type SegmentOut,
  TCP_CSUM_AT,
  TH_ACK,
  TH_FIN,
  TH_PUSH,
  TH_SYN,
} from './tcp-header.ts';
import { seqAdd, seqGt, seqLt, seqSub } from './tcp-seq.ts';
import {
  TCP_MAXWIN,
  TCPOLEN_TSTAMP_APPA,
  TCPS_CLOSED,
  TCPS_CLOSING,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT_1,
  TCPS_LAST_ACK,
  TCPS_LISTEN,
  TCPS_SYN_RECEIVED,
  TCPS_SYN_SENT,
  type Tcpcb,
  TF_ACKNOW,
  TF_BLOCKED,
  TF_DELACK,
  TF_FASTRECOVERY,
  TF_FORCE,
  TF_NODELAY,
  TF_SCALE,
  TF_SENTFIN,
  TF_TSTMP,
} from './tcp-var.ts';
import { offeredWindow, receiveShift, receiveWindow } from './tcp-window.ts';

/** Segments that one call sends at most: other work gets its turn. */
const BURST_MAX = 64;

/** Sends what may go now. */
export const tcpOutput = (tcp: Tcp, tp: Tcpcb): void => {
  if (tp.t_state === TCPS_CLOSED || tp.t_state === TCPS_LISTEN) return;
  const idle = tp.snd_max === tp.snd_una;
  if (idle) restartIdle(tcp, tp);
  for (let i = 0; i < BURST_MAX; i++) {
    if (!sendOne(tcp, tp, idle)) return;
  }
};

/** RFC 5681, 4.1: what was learnt of the path is old after a timeout's length of silence. */
const restartIdle = (tcp: Tcp, tp: Tcpcb): void => {
  if (tp.t_sndtime !== 0 && tcp.now() - tp.t_sndtime > tp.t_rto) {
    tp.snd_cwnd = Math.min(tp.snd_cwnd, initialWindow(tp.t_maxseg));
  }
};

/** RFC 5681, 3.1. */
export const initialWindow = (mss: number): number => {
  if (mss > 2190) return 2 * mss;
  return mss > 1095 ? 3 * mss : 4 * mss;
};

/** The payload that fits a segment beside its options. */
export const payloadMax = (tp: Tcpcb): number =>
  tp.t_maxseg - ((tp.t_flags & TF_TSTMP) !== 0 ? TCPOLEN_TSTAMP_APPA : 0);

/** Bytes of the send buffer that may be sent at all: none before the handshake. */
const sendable = (tcp: Tcp, tp: Tcpcb): number =>
  tp.t_so === 0 || tp.t_state < TCPS_ESTABLISHED ? 0 : tcp.sockets.at(tp.t_so).so_snd.sb_cc;

/** The first two duplicate acknowledgements let a new segment each go (RFC 3042). */
const limitedTransmit = (tp: Tcpcb): number =>
  (tp.t_flags & TF_FASTRECOVERY) === 0 && tp.t_dupacks < 3 ? tp.t_dupacks * tp.t_maxseg : 0;

const baseFlags = (tp: Tcpcb): number => {
  switch (tp.t_state) {
    case TCPS_SYN_SENT:
      return tp.snd_nxt === tp.iss ? TH_SYN : 0;
    case TCPS_SYN_RECEIVED:
      return tp.snd_nxt === tp.iss ? TH_SYN | TH_ACK : TH_ACK;
    case TCPS_FIN_WAIT_1:
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
      return TH_FIN | TH_ACK;
    default:
      return TH_ACK;
  }
};

/** What a segment would be. */
interface Plan {
  readonly off: number;
  readonly length: number;
  readonly flags: number;
  /** There is more to send behind it. */
  readonly more: boolean;
}

/** How much data the windows let go now. */
const planSegment = (tcp: Tcp, tp: Tcpcb): Plan => {
  const cc = sendable(tcp, tp);
  const off = tp.t_state < TCPS_ESTABLISHED ? 0 : seqSub(tp.snd_nxt, tp.snd_una);
  let window = Math.min(tp.snd_wnd, tp.snd_cwnd + limitedTransmit(tp));
  let flags = baseFlags(tp);
  if ((tp.t_flags & TF_FORCE) !== 0 && window === 0) window = 1;
  let length = Math.max(0, Math.min(cc, window) - off);
  const max = payloadMax(tp);
  const more = length > max;
  if (more) length = max;
  if (off + length < cc) flags &= ~TH_FIN;
  if (length > 0 && off + length === cc) flags |= TH_PUSH;
  return { off, length, flags, more };
};

/** Whether the window that could be offered is worth a segment of its own (RFC 9293, 3.8.6.2.2). */
const windowOpened = (tcp: Tcp, tp: Tcpcb): boolean => {
  if (tp.t_so === 0 || tp.t_state < TCPS_ESTABLISHED) return false;
  const so = tcp.sockets.at(tp.t_so);
  if ((so.so_state & SS_CANTRCVMORE) !== 0) return false;
  const gain = receiveWindow(tcp, tp) - offeredWindow(tp);
  return gain > 0 && (gain >= 2 * tp.t_maxseg || 2 * gain >= so.so_rcv.sb_hiwat);
};

const isDue = (tcp: Tcp, tp: Tcpcb, plan: Plan, idle: boolean): boolean => {
  const { length, off, flags } = plan;
  if (length > 0) {
    if (length === payloadMax(tp) || (tp.t_flags & TF_FORCE) !== 0) return true;
    const last = off + length >= sendable(tcp, tp);
    if (last && (idle || (tp.t_flags & TF_NODELAY) !== 0)) return true;
    if (tp.max_sndwnd > 0 && length >= tp.max_sndwnd / 2) return true;
    if (seqLt(tp.snd_nxt, tp.snd_max)) return true;
  }
  if ((tp.t_flags & TF_ACKNOW) !== 0 || (flags & TH_SYN) !== 0) return true;
  if ((flags & TH_FIN) !== 0 && ((tp.t_flags & TF_SENTFIN) === 0 || tp.snd_nxt === tp.snd_una)) {
    return true;
  }
  return windowOpened(tcp, tp);
};

/** The window was closed with data outstanding, or nothing may go and no timer would say when: probes have to. */
const persistIfStuck = (tcp: Tcp, tp: Tcpcb): void => {
  if (sendable(tcp, tp) === 0) return;
  if (tp.snd_wnd === 0 && tp.snd_nxt !== tp.snd_una) {
    tcp.callout.stop(tp.t_rexmt_ch.address);
    tp.t_rxtshift = 0;
    tp.snd_nxt = tp.snd_una;
  }
  if (isPending(tp.t_rexmt_ch) || isPending(tp.t_persist_ch)) return;
  tp.t_rxtshift = 0;
  startPersist(tcp, tp);
};

/** @returns whether another segment may follow */
const sendOne = (tcp: Tcp, tp: Tcpcb, idle: boolean): boolean => {
  const plan = planSegment(tcp, tp);
  if (!isDue(tcp, tp, plan, idle)) {
    persistIfStuck(tcp, tp);
    return false;
  }
  if (tcp.ip.isBlocked(tp.t_faddr)) {
    tp.t_flags |= TF_BLOCKED;
    if (tp.snd_max !== tp.snd_una && !isPending(tp.t_persist_ch)) startRexmt(tcp, tp, false);
    return false;
  }
  const probing = (tp.t_flags & TF_FORCE) !== 0 && isPending(tp.t_persist_ch);
  const error = transmit(tcp, tp, plan);
  account(tcp, tp, plan, probing);
  if (error === EMSGSIZE) shrinkSegments(tcp, tp);
  else if (error !== 0) tp.t_softerror = error;
  return plan.more && error === 0;
};

/** The interface's MTU is smaller than it was: the back end is another one. */
const shrinkSegments = (tcp: Tcp, tp: Tcpcb): void => {
  const mss = tcp.mssTo(tp.t_faddr);
  if (mss >= tp.t_maxseg) return;
  tp.t_maxseg = mss;
  tp.snd_nxt = tp.snd_una;
};

const optionsOf = (tcp: Tcp, tp: Tcpcb, flags: number): Uint8Array => {
  const syn = (flags & TH_SYN) !== 0;
  // The first SYN offers everything; a SYN that answers one offers what the peer offered.
  const first = syn && (flags & TH_ACK) === 0;
  return buildOptions({
    mss: syn ? ourMss(tcp, tp) : -1,
    wscale: first || (syn && (tp.t_flags & TF_SCALE) !== 0) ? receiveShift() : -1,
    hasTs: first || (tp.t_flags & TF_TSTMP) !== 0,
    tsval: tcp.tsNow(tp.ts_offset),
    tsecr: first ? 0 : tp.ts_recent,
  });
};

/** What the peer may send: the interface's MTU or what the program asked for. */
const ourMss = (tcp: Tcp, tp: Tcpcb): number => {
  const mss = tcp.mssTo(tp.t_faddr);
  return tp.t_usermss === 0 ? mss : Math.min(mss, tp.t_usermss);
};

/** @returns 0 or an errno */
const transmit = (tcp: Tcp, tp: Tcpcb, plan: Plan): number => {
  const { flags, off, length } = plan;
  const window = receiveWindow(tcp, tp);
  // The window of a SYN is never scaled (RFC 7323, 2.2).
  const shift = (flags & TH_SYN) !== 0 ? 0 : tp.rcv_scale;
  // A FIN that goes again, with nothing else, has the number it had.
  const again = (flags & TH_FIN) !== 0 && (tp.t_flags & TF_SENTFIN) !== 0 && length === 0;
  const out: SegmentOut = {
    sport: tp.t_lport,
    dport: tp.t_fport,
    seq: again && tp.snd_nxt === tp.snd_max ? seqAdd(tp.snd_max, -1) : tp.snd_nxt,
    ack: (flags & TH_ACK) !== 0 ? tp.rcv_nxt : 0,
    flags,
    wnd: Math.min(TCP_MAXWIN, window >>> shift),
    options: optionsOf(tcp, tp, flags),
    length,
  };
  const packet = buildSegment(out);
  if (length > 0) {
    const { so_snd } = tcp.sockets.at(tp.t_so);
    sbpeek(tcp.cpu.memory, so_snd, off, packet.subarray(dataAt(out)));
  }
  const offered = seqAdd(tp.rcv_nxt, Math.min(window, TCP_MAXWIN * 2 ** shift));
  if ((flags & TH_ACK) !== 0 && seqGt(offered, tp.rcv_adv)) tp.rcv_adv = offered;
  return tcp.ip.output(packet, {
    src: tp.t_laddr,
    dst: tp.t_faddr,
    proto: IPPROTO_TCP,
    df: true,
    csumAt: TCP_CSUM_AT,
  });
};

/** Moves the send variables on and sets the timers. A segment that the driver refused counts as lost on the way. */
const account = (tcp: Tcp, tp: Tcpcb, plan: Plan, probing: boolean): void => {
  const { flags, length } = plan;
  const now = tcp.now();
  const stat = tcp.stat;
  stat.tcps_sndtotal++;
  tp.t_sndtime = now;
  if ((flags & TH_ACK) !== 0) {
    tp.last_ack_sent = tp.rcv_nxt;
    tp.t_flags &= ~(TF_ACKNOW | TF_DELACK);
    tcp.callout.stop(tp.t_delack_ch.address);
  }
  if (length > 0) {
    if (seqLt(tp.snd_nxt, tp.snd_max)) stat.tcps_sndrexmitpack++;
    else if (probing) stat.tcps_sndprobe++;
    else stat.tcps_sndpack++;
    stat.tcps_sndbyte += length;
  }
  const start = tp.snd_nxt;
  let next = seqAdd(start, length);
  if ((flags & TH_SYN) !== 0) next = seqAdd(next, 1);
  if ((flags & TH_FIN) !== 0) {
    const resent = (tp.t_flags & TF_SENTFIN) !== 0 && start === tp.snd_max && length === 0;
    if (!resent) next = seqAdd(next, 1);
    tp.t_flags |= TF_SENTFIN;
  }
  if (next === start) return;
  if (tp.snd_max === tp.snd_una) tp.t_waitsince = now;
  if (seqGt(next, tp.snd_max)) {
    tp.snd_max = next;
    if (tp.t_rtttime === 0 && !probing) {
      tp.t_rtttime = Math.max(1, now);
      tp.t_rtseq = start;
    }
  }
  if (probing) return;
  tp.snd_nxt = next;
  if (isPending(tp.t_persist_ch)) {
    tcp.callout.stop(tp.t_persist_ch.address);
    tp.t_rxtshift = 0;
  }
  startRexmt(tcp, tp, false);
};

/** An acknowledgement is owed now; it goes with whatever can go along. */
export const ackNow = (tcp: Tcp, tp: Tcpcb): void => {
  tp.t_flags |= TF_ACKNOW;
  tcpOutput(tcp, tp);
};
