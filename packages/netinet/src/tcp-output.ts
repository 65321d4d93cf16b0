/*
 * Sending (tcp_output.c; RFC 9293, 3.8; RFC 5681): makes the segments that tcp-plan finds due, moves the send variables on, sets the
 * timers.
 */
import { EMSGSIZE } from './errno.ts';
import { IPPROTO_TCP } from './in-addr.ts';
import { isPending } from './net-clock.ts';
import { sbpeek } from './sockbuf.ts';
import type { Tcp } from './tcp.ts';
import { startPersist, startRexmt } from './tcp-arm.ts';
import {
  buildOptions,
  buildSegment,
  dataAt,
  type SegmentOut,
  TCP_CSUM_AT,
  TH_ACK,
  TH_FIN,
  TH_SYN,
} from './tcp-header.ts';
import { isDue, type Plan, planSegment, waitsForWindow } from './tcp-plan.ts';
import { seqAdd, seqGt, seqLt } from './tcp-seq.ts';
import {
  TCP_MAXWIN,
  TCPS_CLOSED,
  TCPS_LISTEN,
  type Tcpcb,
  TF_ACKNOW,
  TF_BLOCKED,
  TF_DELACK,
  TF_FORCE,
  TF_SCALE,
  TF_SENTFIN,
  TF_TSTMP,
} from './tcp-var.ts';
import { initialWindow, receiveShift, receiveWindow } from './tcp-window.ts';

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

/** The window was closed with data outstanding, or nothing may go and no timer would say when: probes have to. */
const persistIfStuck = (tcp: Tcp, tp: Tcpcb): void => {
  if (!waitsForWindow(tcp, tp)) return;
  if (tp.snd_wnd === 0 && tp.snd_nxt !== tp.snd_una) {
    tcp.callout.stop(tp.t_rexmt_ch.address);
    tp.snd_nxt = tp.snd_una;
  }
  if (isPending(tp.t_rexmt_ch) || isPending(tp.t_persist_ch)) return;
  if (tp.snd_wnd > 0 && tp.snd_max !== tp.snd_una) {
    // It is not the window: what was sent has to be acknowledged, or to go again. A probe would have nothing to say.
    startRexmt(tcp, tp, false);
    return;
  }
  if (tp.snd_max === tp.snd_una) tp.t_waitsince = tcp.now();
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
    block(tcp, tp, plan);
    return false;
  }
  const probing = (tp.t_flags & TF_FORCE) !== 0 && tp.snd_wnd === 0;
  const error = transmit(tcp, tp, plan);
  account(tcp, tp, plan, probing);
  if (error === EMSGSIZE) return shrinkSegments(tcp, tp);
  if (error !== 0) tp.t_softerror = error;
  return plan.more && error === 0;
};

/** The driver takes nothing now. What waits for it does not wait for ever. */
const block = (tcp: Tcp, tp: Tcpcb, plan: Plan): void => {
  tp.t_flags |= TF_BLOCKED;
  const numbered = plan.length > 0 || (plan.flags & (TH_SYN | TH_FIN)) !== 0;
  if (!numbered || isPending(tp.t_rexmt_ch) || isPending(tp.t_persist_ch)) return;
  if (tp.snd_max === tp.snd_una) tp.t_waitsince = tcp.now();
  startRexmt(tcp, tp, false);
};

/** The driver takes packets again. */
export const tcpUnblock = (tcp: Tcp, tp: Tcpcb): void => {
  if ((tp.t_flags & TF_BLOCKED) === 0) return;
  tp.t_flags &= ~TF_BLOCKED;
  // What goes now is timed from now.
  tcp.callout.stop(tp.t_rexmt_ch.address);
  tcpOutput(tcp, tp);
  if (tp.snd_max !== tp.snd_una && !isPending(tp.t_persist_ch)) startRexmt(tcp, tp, false);
};

/** The interface's MTU is smaller than it was: the back end is another one. @returns whether segments are smaller now */
const shrinkSegments = (tcp: Tcp, tp: Tcpcb): boolean => {
  const mss = tcp.mssTo(tp.t_faddr);
  if (mss >= tp.t_maxseg) return false;
  tp.t_maxseg = mss;
  tp.snd_nxt = tp.snd_una;
  return true;
};

const optionsOf = (tcp: Tcp, tp: Tcpcb, flags: number): Uint8Array => {
  const syn = (flags & TH_SYN) !== 0;
  // The first SYN offers everything; a SYN that answers one offers what the peer offered.
  const first = syn && (flags & TH_ACK) === 0;
  return buildOptions({
    mss: syn ? tcp.mssTo(tp.t_faddr, tp.t_usermss) : -1,
    wscale: first || (syn && (tp.t_flags & TF_SCALE) !== 0) ? receiveShift() : -1,
    hasTs: first || (tp.t_flags & TF_TSTMP) !== 0,
    tsval: tcp.tsNow(tp.ts_offset),
    tsecr: first ? 0 : tp.ts_recent,
  });
};

/** @returns 0 or an errno */
const transmit = (tcp: Tcp, tp: Tcpcb, plan: Plan): number => {
  const { flags, off, length } = plan;
  const window = receiveWindow(tcp, tp);
  // The window of a SYN is never scaled (RFC 7323, 2.2).
  const shift = (flags & TH_SYN) !== 0 ? 0 : tp.rcv_scale;
  // What takes no number has the one after all that was ever sent. While data goes again snd_nxt is behind that, and the peer
  // would drop an acknowledgement with a number that it has had, for being old.
  const numbered = length > 0 || (flags & (TH_SYN | TH_FIN)) !== 0;
  const out: SegmentOut = {
    sport: tp.t_lport,
    dport: tp.t_fport,
    seq: numbered ? tp.snd_nxt : tp.snd_max,
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
  if ((flags & TH_ACK) !== 0) {
    tp.last_ack_sent = tp.rcv_nxt;
    tp.t_flags &= ~(TF_ACKNOW | TF_DELACK);
    tcp.callout.stop(tp.t_delack_ch.address);
  }
  if (length > 0) {
    if (probing) stat.tcps_sndprobe++;
    else if (seqLt(tp.snd_nxt, tp.snd_max)) stat.tcps_sndrexmitpack++;
    else stat.tcps_sndpack++;
    stat.tcps_sndbyte += length;
    tp.t_sndtime = now;
  }
  const start = tp.snd_nxt;
  let next = seqAdd(start, length);
  if ((flags & TH_SYN) !== 0) next = seqAdd(next, 1);
  if ((flags & TH_FIN) !== 0) {
    next = seqAdd(next, 1);
    tp.t_flags |= TF_SENTFIN;
  }
  if (next === start) return;
  if (tp.snd_max === tp.snd_una && !probing) tp.t_waitsince = now;
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
