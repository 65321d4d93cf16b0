/*
 * The acknowledgement and the window of a segment (RFC 9293, 3.10.7.4, fifth; RFC 5961, 5).
 */
import { sbdrop } from './sockbuf.ts';
import { SS_NOFDREF } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { startRexmt } from './tcp-arm.ts';
import { challengeAck } from './tcp-challenge.ts';
import { enterTimeWait, tcpClose } from './tcp-close.ts';
import { ackAdvanced, duplicateAck } from './tcp-congestion.ts';
import { type Segment, TH_FIN } from './tcp-header.ts';
import { measureRtt } from './tcp-rtt.ts';
import { seqAdd, seqGt, seqLeq, seqLt, seqSub } from './tcp-seq.ts';
import { established } from './tcp-session.ts';
import {
  TCPS_CLOSING,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT_1,
  TCPS_FIN_WAIT_2,
  TCPS_LAST_ACK,
  TCPS_SYN_RECEIVED,
  TCPTV_FINWAIT2,
  type Tcpcb,
  TF_SENTFIN,
} from './tcp-var.ts';

/** @returns whether the segment is to be processed on */
export const processAck = (tcp: Tcp, tp: Tcpcb, seg: Segment): boolean => {
  if (tp.t_state === TCPS_SYN_RECEIVED) {
    if (seqLeq(seg.ack, tp.snd_una) || seqGt(seg.ack, tp.snd_max)) {
      tcp.reset(seg);
      return false;
    }
    tp.t_state = TCPS_ESTABLISHED;
    tp.snd_wnd = seg.wnd * 2 ** tp.snd_scale;
    tp.max_sndwnd = tp.snd_wnd;
    tp.snd_wl1 = seg.seq;
    tp.snd_wl2 = seg.ack;
    synAcknowledged(tcp, tp, seg);
  }
  const ahead = seqSub(seg.ack, tp.snd_una);
  if (seqGt(seg.ack, tp.snd_max) || ahead < -Math.max(tp.max_sndwnd, 1)) {
    challengeAck(tcp, tp);
    return false;
  }
  if (ahead > 0) {
    if (!newAck(tcp, tp, seg, ahead)) return false;
  } else if (isDuplicate(tp, seg)) {
    duplicateAck(tcp, tp);
  } else if (ahead === 0 && (seg.data.length > 0 || !sameWindow(tp, seg))) {
    tp.t_dupacks = 0;
  }
  updateWindow(tp, seg);
  return true;
};

/** Our SYN has a number and is not in the buffer: from here on snd_una is the buffer's first byte. */
const synAcknowledged = (tcp: Tcp, tp: Tcpcb, seg: Segment): void => {
  measureRtt(tcp, tp, seg);
  tp.snd_una = seqAdd(tp.iss, 1);
  if (seqLt(tp.snd_nxt, tp.snd_una)) tp.snd_nxt = tp.snd_una;
  tcp.callout.stop(tp.t_rexmt_ch.address);
  established(tcp, tp);
};

const sameWindow = (tp: Tcpcb, seg: Segment): boolean => seg.wnd * 2 ** tp.snd_scale === tp.snd_wnd;

/** RFC 5681, 2. */
const isDuplicate = (tp: Tcpcb, seg: Segment): boolean =>
  seg.ack === tp.snd_una &&
  tp.snd_una !== tp.snd_max &&
  seg.data.length === 0 &&
  (seg.flags & TH_FIN) === 0 &&
  sameWindow(tp, seg);

/** RFC 9293, 3.10.7.4: an older segment does not change the window. */
const updateWindow = (tp: Tcpcb, seg: Segment): void => {
  const window = seg.wnd * 2 ** tp.snd_scale;
  const newer =
    seqLt(tp.snd_wl1, seg.seq) || (tp.snd_wl1 === seg.seq && seqLeq(tp.snd_wl2, seg.ack));
  if (!newer) return;
  tp.snd_wnd = window;
  tp.max_sndwnd = Math.max(tp.max_sndwnd, window);
  tp.snd_wl1 = seg.seq;
  tp.snd_wl2 = seg.ack;
};

/** snd_una moves on by `acked`. @returns false when the connection ended with it */
const newAck = (tcp: Tcp, tp: Tcpcb, seg: Segment, acked: number): boolean => {
  measureRtt(tcp, tp, seg);
  tp.t_rxtshift = 0;
  tp.t_softerror = 0;
  tp.t_waitsince = tcp.now();
  // The FIN has a number and is not in the buffer.
  let finAcked = false;
  if (tp.t_so !== 0) {
    const so = tcp.sockets.at(tp.t_so);
    const bytes = Math.min(acked, so.so_snd.sb_cc);
    sbdrop(so.so_snd, bytes);
    finAcked = (tp.t_flags & TF_SENTFIN) !== 0 && acked > bytes;
    if (bytes > 0 && (so.so_state & SS_NOFDREF) === 0) tcp.sockets.sowwakeup(so);
  }
  tp.snd_una = seg.ack;
  if (seqLt(tp.snd_nxt, tp.snd_una)) tp.snd_nxt = tp.snd_una;
  // The window is looked at anew: what still waits for it is probed for from the start.
  tcp.callout.stop(tp.t_persist_ch.address);
  if (tp.snd_una === tp.snd_max) tcp.callout.stop(tp.t_rexmt_ch.address);
  else startRexmt(tcp, tp, true);
  ackAdvanced(tcp, tp, acked);
  return !finAcked || finAcknowledged(tcp, tp);
};

/** Our FIN is acknowledged. @returns false when that was the end */
const finAcknowledged = (tcp: Tcp, tp: Tcpcb): boolean => {
  switch (tp.t_state) {
    case TCPS_FIN_WAIT_1:
      tp.t_state = TCPS_FIN_WAIT_2;
      if ((tcp.sockets.at(tp.t_so).so_state & SS_NOFDREF) !== 0) startFinWait2(tcp, tp);
      return true;
    case TCPS_CLOSING:
      enterTimeWait(tcp, tp);
      return false;
    case TCPS_LAST_ACK:
      tcpClose(tcp, tp);
      return false;
    default:
      return true;
  }
};

/** Nobody will read what the peer still sends: its FIN is not waited for longer than this (RFC 9293 leaves it open). */
export const startFinWait2 = (tcp: Tcp, tp: Tcpcb): void => {
  tcp.startTimer(tp.t_2msl_ch, TCPTV_FINWAIT2, 'tcp_timer_2msl', tp);
};
