/*
 * Whether a segment goes now, and what it would be (RFC 9293, 3.7.4 and 3.8.6.2; RFC 5681; RFC 3042).
 *
 *     so_snd:    | snd_una … snd_nxt … | sb_cc |
 *                |← off →|← length →|
 *
 *     a segment goes when:  it is full, or it is all there is and nothing is outstanding (Nagle) or TCP_NODELAY, or it is half
 *                           the largest window ever seen, or it goes again; SYN, FIN not yet sent; an ACK owed; a window that
 *                           has opened by two segments or half the buffer
 */
import { SS_CANTRCVMORE } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { TH_ACK, TH_FIN, TH_PUSH, TH_SYN } from './tcp-header.ts';
import { seqLt, seqSub } from './tcp-seq.ts';
import {
  TCPOLEN_TSTAMP_APPA,
  TCPS_CLOSING,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT_1,
  TCPS_LAST_ACK,
  TCPS_SYN_RECEIVED,
  TCPS_SYN_SENT,
  type Tcpcb,
  TF_ACKNOW,
  TF_FASTRECOVERY,
  TF_FORCE,
  TF_NODELAY,
  TF_SENTFIN,
  TF_TSTMP,
} from './tcp-var.ts';
import { offeredWindow, receiveWindow } from './tcp-window.ts';

/** The payload that fits a segment beside its options. */
const payloadMax = (tp: Tcpcb): number =>
  tp.t_maxseg - ((tp.t_flags & TF_TSTMP) !== 0 ? TCPOLEN_TSTAMP_APPA : 0);

/** Bytes of the send buffer that may be sent at all: none before the handshake. */
const sendable = (tcp: Tcp, tp: Tcpcb): number =>
  tp.t_so === 0 || tp.t_state < TCPS_ESTABLISHED ? 0 : tcp.sockets.at(tp.t_so).so_snd.sb_cc;

/** Whether a FIN has still to be acknowledged. */
const finWaits = (tp: Tcpcb): boolean =>
  tp.t_state === TCPS_FIN_WAIT_1 || tp.t_state === TCPS_CLOSING || tp.t_state === TCPS_LAST_ACK;

/** Whether anything waits for the peer to open its window: data, or the FIN behind it. */
export const waitsForWindow = (tcp: Tcp, tp: Tcpcb): boolean =>
  sendable(tcp, tp) > 0 || finWaits(tp);

/** The first two duplicate acknowledgements let a new segment each go (RFC 3042). */
const limitedTransmit = (tp: Tcpcb): number =>
  (tp.t_flags & TF_FASTRECOVERY) === 0 && tp.t_dupacks < 3 ? tp.t_dupacks * tp.t_maxseg : 0;

const baseFlags = (tp: Tcpcb): number => {
  if (tp.t_state === TCPS_SYN_SENT) return tp.snd_nxt === tp.iss ? TH_SYN : 0;
  if (tp.t_state === TCPS_SYN_RECEIVED && tp.snd_nxt === tp.iss) return TH_SYN | TH_ACK;
  return finWaits(tp) ? TH_FIN | TH_ACK : TH_ACK;
};

/** What a segment would be. */
export interface Plan {
  readonly off: number;
  readonly length: number;
  readonly flags: number;
  /** There is more to send behind it. */
  readonly more: boolean;
}

/** How much data the windows let go now. */
export const planSegment = (tcp: Tcp, tp: Tcpcb): Plan => {
  const cc = sendable(tcp, tp);
  const off = tp.t_state < TCPS_ESTABLISHED ? 0 : seqSub(tp.snd_nxt, tp.snd_una);
  let window = Math.min(tp.snd_wnd, tp.snd_cwnd + limitedTransmit(tp));
  let flags = baseFlags(tp);
  if (window === 0) {
    // A peer that takes nothing does not take the FIN either: it goes as a probe.
    if ((tp.t_flags & TF_FORCE) !== 0) window = 1;
    else flags &= ~TH_FIN;
  }
  let length = Math.max(0, Math.min(cc, window) - off);
  const max = payloadMax(tp);
  const more = length > max;
  if (more) length = max;
  if (off + length < cc) flags &= ~TH_FIN;
  // An acknowledgement in CLOSING or LAST-ACK says the FIN again only when it goes again.
  if ((tp.t_flags & TF_SENTFIN) !== 0 && tp.snd_nxt === tp.snd_max) flags &= ~TH_FIN;
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

export const isDue = (tcp: Tcp, tp: Tcpcb, plan: Plan, idle: boolean): boolean => {
  const { length, off, flags } = plan;
  if (length > 0) {
    if (length === payloadMax(tp) || (tp.t_flags & TF_FORCE) !== 0) return true;
    const last = off + length >= sendable(tcp, tp);
    if (last && (idle || (tp.t_flags & TF_NODELAY) !== 0)) return true;
    if (tp.max_sndwnd > 0 && length >= tp.max_sndwnd / 2) return true;
    if (seqLt(tp.snd_nxt, tp.snd_max)) return true;
  }
  if ((tp.t_flags & TF_ACKNOW) !== 0 || (flags & TH_SYN) !== 0) return true;
  if ((flags & TH_FIN) !== 0) return true;
  return windowOpened(tcp, tp);
};
