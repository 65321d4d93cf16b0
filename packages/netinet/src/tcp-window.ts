/*
 * Windows (RFC 9293, 3.8.6; RFC 7323, 2): how much the peer may send, and how that is written into a header.
 */
import { sbspace } from './sockbuf.ts';
import { SB_MAX } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { seqSub } from './tcp-seq.ts';
import { TCP_MAX_WINSHIFT, TCP_MAXWIN, type Tcpcb } from './tcp-var.ts';

/** The smallest shift with which the largest buffer fits a header. It is the same for every connection. */
export const receiveShift = (): number => {
  let shift = 0;
  while (SB_MAX >>> shift > TCP_MAXWIN && shift < TCP_MAX_WINSHIFT) shift++;
  return shift;
};

/** What the peer knows it may still send: nothing of it can be taken back. */
export const offeredWindow = (tp: Tcpcb): number => Math.max(0, seqSub(tp.rcv_adv, tp.rcv_nxt));

/** The window to offer: what is free, but no sliver (RFC 9293, 3.8.6.2.2), and never less than was offered. */
export const receiveWindow = (tcp: Tcp, tp: Tcpcb): number => {
  const offered = offeredWindow(tp);
  if (tp.t_so === 0) return offered;
  const sb = tcp.sockets.at(tp.t_so).so_rcv;
  let window = sbspace(sb);
  if (window < Math.min(sb.sb_hiwat / 2, tp.t_maxseg)) window = 0;
  // What does not fit a header is not offered, and what the shift cuts off is not either.
  window = Math.min(window, TCP_MAXWIN * 2 ** tp.rcv_scale);
  window = (window >>> tp.rcv_scale) << tp.rcv_scale;
  return Math.max(window, offered);
};

/** The congestion window of a new connection (RFC 5681, 3.1), bytes. */
export const initialWindow = (mss: number): number => {
  if (mss > 2190) return 2 * mss;
  return mss > 1095 ? 3 * mss : 4 * mss;
};
