/*
 * A segment arrives (RFC 9293, 3.10.7; RFC 7323, 3 and 5; RFC 5961, 3 to 5). In the order of the standard:
 *
 *     no connection → listener or reset;   SYN-SENT → synSentInput;   otherwise
 *     timestamp (PAWS), sequence number, RST, SYN, ACK, data, FIN, and what is to be sent now
 */
import { ECONNREFUSED, ECONNRESET } from './errno.ts';
import { IPPROTO_TCP, isUnicast } from './in-addr.ts';
import { fold, pseudoSum, sumOf } from './in-cksum.ts';
import type { Datagram } from './ip.ts';
import type { Tcp } from './tcp.ts';
import { processAck } from './tcp-ack.ts';
import { arrived } from './tcp-arrived.ts';
import { challengeAck } from './tcp-challenge.ts';
import { enterTimeWait, tcpAbandon, tcpClose } from './tcp-close.ts';
import {
  parseSegment,
  type Segment,
  segmentLength,
  TH_ACK,
  TH_FIN,
  TH_RST,
  TH_SYN,
} from './tcp-header.ts';
import { ackNow } from './tcp-output.ts';
import { seqAdd, seqGt, seqLeq, seqLt, seqSub } from './tcp-seq.ts';
import { synSentInput } from './tcp-syn-sent.ts';
import { listenInput } from './tcp-syncache.ts';
import {
  TCP_PAWS_IDLE_MS,
  TCPS_CLOSING,
  TCPS_LAST_ACK,
  TCPS_SYN_RECEIVED,
  TCPS_SYN_SENT,
  TCPS_TIME_WAIT,
  type Tcpcb,
  TF_ACKNOW,
  TF_TSTMP,
} from './tcp-var.ts';
import { offeredWindow } from './tcp-window.ts';

/** A TCP datagram for this host. */
export const tcpInput = (tcp: Tcp, dg: Datagram): void => {
  tcp.stat.tcps_rcvtotal++;
  if (dg.broadcast || !isUnicast(dg.src)) return;
  const length = dg.packet.length - dg.hlen;
  if (!dg.validated) {
    const pseudo = pseudoSum(dg.src, dg.dst, IPPROTO_TCP, length);
    if (fold(sumOf(dg.packet, dg.hlen, dg.packet.length, pseudo)) !== 0xffff) {
      tcp.stat.tcps_rcvbadsum++;
      return;
    }
  }
  const seg = parseSegment(dg);
  if (seg === undefined || seg.sport === 0 || seg.dport === 0) {
    tcp.stat.tcps_rcvbadoff++;
    return;
  }
  const e = { laddr: seg.dst, lport: seg.dport, faddr: seg.src, fport: seg.sport };
  let tp = tcp.lookup(e);
  if (tp?.t_state === TCPS_TIME_WAIT && startsAnew(tp, seg)) {
    tcpClose(tcp, tp);
    tp = undefined;
  }
  tp ??= listenInput(tcp, seg, e);
  if (tp === undefined) return;
  tp.t_rcvtime = tcp.now();
  tp.t_keepprobes = 0;
  if (tp.t_state === TCPS_SYN_SENT) synSentInput(tcp, tp, seg, arrivedWithSyn);
  else segmentInput(tcp, tp, seg);
};

/** RFC 6191, 2: a SYN that is newer than all of the connection in TIME-WAIT starts another one. */
const startsAnew = (tp: Tcpcb, seg: Segment): boolean => {
  if ((seg.flags & (TH_SYN | TH_ACK | TH_RST)) !== TH_SYN) return false;
  if ((tp.t_flags & TF_TSTMP) !== 0 && seg.hasTs && seg.tsval !== tp.ts_recent) {
    return seqGt(seg.tsval, tp.ts_recent);
  }
  return seqGt(seg.seq, tp.rcv_nxt);
};

/** RFC 7323, 5.3, R1. @returns whether the segment is older than what came before it */
const isOld = (tcp: Tcp, tp: Tcpcb, seg: Segment): boolean =>
  seqLt(seg.tsval, tp.ts_recent) && tcp.now() - tp.ts_recent_age <= TCP_PAWS_IDLE_MS;

/** RFC 9293, 3.10.7.4, first. */
const isAcceptable = (tp: Tcpcb, seg: Segment): boolean => {
  const window = offeredWindow(tp);
  const length = segmentLength(seg);
  const first = seqSub(seg.seq, tp.rcv_nxt);
  if (length === 0) return window === 0 ? first === 0 : first >= 0 && first < window;
  if (window === 0) return false;
  const last = first + length - 1;
  return (first >= 0 && first < window) || (last >= 0 && last < window);
};

/** The part of a segment that lies in the window. What is cut off at the right takes the FIN with it. */
const trimmed = (tp: Tcpcb, seg: Segment): Segment => {
  const window = offeredWindow(tp);
  let { seq, data, flags } = seg;
  const before = seqSub(tp.rcv_nxt, seq);
  if (before > 0) {
    data = data.subarray(before);
    seq = tp.rcv_nxt;
  }
  const room = window - seqSub(seq, tp.rcv_nxt);
  if (data.length > room) {
    data = data.subarray(0, Math.max(0, room));
    flags &= ~TH_FIN;
  }
  return { ...seg, seq, data, flags };
};

const segmentInput = (tcp: Tcp, tp: Tcpcb, arriving: Segment): void => {
  let seg = arriving;
  const isRst = (seg.flags & TH_RST) !== 0;
  // Simultaneous open: the peer's SYN|ACK has the number of the SYN that is known already.
  if (tp.t_state === TCPS_SYN_RECEIVED && (seg.flags & TH_SYN) !== 0 && seg.seq === tp.irs) {
    // The window beside a SYN is not scaled.
    const wnd = Math.floor(seg.wnd / 2 ** tp.snd_scale);
    seg = { ...seg, seq: seqAdd(seg.seq, 1), flags: seg.flags & ~TH_SYN, wnd };
  }
  if ((tp.t_flags & TF_TSTMP) !== 0 && !isRst) {
    if (!seg.hasTs) return;
    if (isOld(tcp, tp, seg)) {
      tcp.stat.tcps_pawsdrop++;
      challengeAck(tcp, tp);
      return;
    }
  }
  if (isRst) {
    processRst(tcp, tp, seg);
    return;
  }
  if ((seg.flags & TH_SYN) !== 0) {
    challengeAck(tcp, tp);
    return;
  }
  if (!isAcceptable(tp, seg)) {
    if (!unacceptable(tcp, tp, seg)) return;
    seg = { ...seg, data: new Uint8Array(0), flags: seg.flags & ~TH_FIN };
  }
  if ((seg.flags & TH_ACK) === 0) return;
  noteTimestamp(tcp, tp, seg);
  if (!processAck(tcp, tp, seg)) return;
  arrived(tcp, tp, trimmed(tp, seg));
};

/** RFC 7323, 4.3: what is to be echoed is the timestamp of the segment that the last acknowledgement was for. */
const noteTimestamp = (tcp: Tcp, tp: Tcpcb, seg: Segment): void => {
  if ((tp.t_flags & TF_TSTMP) === 0 || !seqLeq(seg.seq, tp.last_ack_sent)) return;
  if (seqLt(seg.tsval, tp.ts_recent) && !(tcp.now() - tp.ts_recent_age > TCP_PAWS_IDLE_MS)) return;
  tp.ts_recent = seg.tsval;
  tp.ts_recent_age = tcp.now();
};

/**
 * A segment outside the window: it is answered, so that the peer learns where we are.
 * @returns whether its ACK is still looked at: it is a probe of our closed window
 */
const unacceptable = (tcp: Tcp, tp: Tcpcb, seg: Segment): boolean => {
  tcp.stat.tcps_rcvduppack++;
  if (tp.t_state === TCPS_TIME_WAIT && (seg.flags & TH_FIN) !== 0) enterTimeWait(tcp, tp);
  if (segmentLength(seg) === 0) {
    challengeAck(tcp, tp);
    return false;
  }
  if (offeredWindow(tp) === 0 && seg.seq === tp.rcv_nxt) {
    tp.t_flags |= TF_ACKNOW;
    return true;
  }
  ackNow(tcp, tp);
  return false;
};

/** RFC 5961, 3.2: only the next number resets; another one within the window is answered by a challenge. */
const processRst = (tcp: Tcp, tp: Tcpcb, seg: Segment): void => {
  const at = seqSub(seg.seq, tp.rcv_nxt);
  if (at !== 0) {
    tcp.stat.tcps_badrst++;
    if (at > 0 && at < offeredWindow(tp)) challengeAck(tcp, tp);
    return;
  }
  switch (tp.t_state) {
    case TCPS_SYN_RECEIVED:
      tcpAbandon(tcp, tp, ECONNREFUSED);
      return;
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
    case TCPS_TIME_WAIT:
      tcpClose(tcp, tp);
      return;
    default:
      tcpAbandon(tcp, tp, ECONNRESET);
  }
};

const arrivedWithSyn = (tcp: Tcp, tp: Tcpcb, seg: Segment): void =>
  arrived(tcp, tp, trimmed(tp, seg));
