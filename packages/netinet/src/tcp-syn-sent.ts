/*
 * A segment arrives in SYN-SENT (RFC 9293, 3.10.7.3): the answer to our SYN, or a SYN that crosses it (simultaneous open).
 */
import { ECONNREFUSED } from './errno.ts';
import type { Tcp } from './tcp.ts';
import { tcpAbandon } from './tcp-close.ts';
import { type Segment, TH_ACK, TH_FIN, TH_RST, TH_SYN } from './tcp-header.ts';
import { ackNow, tcpOutput } from './tcp-output.ts';
import { measureRtt } from './tcp-rtt.ts';
import { seqAdd, seqGt, seqLeq } from './tcp-seq.ts';
import { established, setSegmentSize } from './tcp-session.ts';
import {
  TCP_MAX_WINSHIFT,
  TCP_MAXWIN,
  TCPS_ESTABLISHED,
  TCPS_SYN_RECEIVED,
  type Tcpcb,
  TF_ACKNOW,
  TF_SCALE,
  TF_TSTMP,
} from './tcp-var.ts';
import { receiveShift, receiveWindow } from './tcp-window.ts';

/** @param data takes what the segment carries beside its SYN */
export const synSentInput = (
  tcp: Tcp,
  tp: Tcpcb,
  seg: Segment,
  data: (tcp: Tcp, tp: Tcpcb, seg: Segment) => void,
): void => {
  const hasAck = (seg.flags & TH_ACK) !== 0;
  if (hasAck && (seqLeq(seg.ack, tp.iss) || seqGt(seg.ack, tp.snd_max))) {
    tcp.reset(seg);
    return;
  }
  if ((seg.flags & TH_RST) !== 0) {
    if (hasAck) tcpAbandon(tcp, tp, ECONNREFUSED);
    return;
  }
  if ((seg.flags & TH_SYN) === 0) return;
  tcp.callout.stop(tp.t_rexmt_ch.address);
  takeSyn(tcp, tp, seg);
  if (!hasAck) {
    tp.t_state = TCPS_SYN_RECEIVED;
    tp.snd_nxt = tp.iss;
    tcpOutput(tcp, tp);
    return;
  }
  measureRtt(tcp, tp, seg);
  tp.snd_una = seg.ack;
  tp.t_state = TCPS_ESTABLISHED;
  tp.snd_wl2 = seg.ack;
  established(tcp, tp);
  const rest = { ...seg, seq: tp.rcv_nxt, flags: seg.flags & ~TH_SYN };
  if (rest.data.length === 0 && (rest.flags & TH_FIN) === 0) {
    ackNow(tcp, tp);
    return;
  }
  tp.t_flags |= TF_ACKNOW;
  data(tcp, tp, rest);
};

/** What the peer's SYN says. */
const takeSyn = (tcp: Tcp, tp: Tcpcb, seg: Segment): void => {
  tp.irs = seg.seq;
  tp.rcv_nxt = seqAdd(seg.seq, 1);
  tp.rcv_adv = tp.rcv_nxt;
  tp.last_ack_sent = tp.rcv_nxt;
  if (seg.wscale >= 0) {
    tp.t_flags |= TF_SCALE;
    tp.snd_scale = Math.min(seg.wscale, TCP_MAX_WINSHIFT);
    tp.rcv_scale = receiveShift();
  }
  if (seg.hasTs) {
    tp.t_flags |= TF_TSTMP;
    tp.ts_recent = seg.tsval;
    tp.ts_recent_age = tcp.now();
  }
  setSegmentSize(tcp, tp, seg.mss);
  tp.rcv_adv = seqAdd(tp.rcv_nxt, Math.min(TCP_MAXWIN, receiveWindow(tcp, tp)));
  // The window of a SYN is not scaled.
  tp.snd_wnd = seg.wnd;
  tp.max_sndwnd = seg.wnd;
  tp.snd_wl1 = seg.seq;
};
