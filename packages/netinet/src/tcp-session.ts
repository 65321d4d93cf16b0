/*
 * What every connection starts with, whichever side began it.
 */
import { SO_KEEPALIVE, type Socket } from './socket-var.ts';
import type { Endpoints, Tcp } from './tcp.ts';
import { startKeepalive } from './tcp-timer.ts';
import {
  TCP_MAXWIN,
  TCP_MSS_DEFAULT,
  TCP_MSS_MIN,
  TCPTV_KEEP_IDLE,
  TCPTV_KEEP_INIT,
  TCPTV_KEEPCNT,
  TCPTV_KEEPINTVL,
  TCPTV_RTOBASE,
  TCPTV_SYN_LOST,
  type Tcpcb,
  TF_SYNREXMT,
} from './tcp-var.ts';
import { initialWindow } from './tcp-window.ts';

/** What a program can change by setsockopt(2), as it is before that. */
export const setDefaults = (tp: Tcpcb): void => {
  tp.t_keepidle = TCPTV_KEEP_IDLE;
  tp.t_keepintvl = TCPTV_KEEPINTVL;
  tp.t_keepcnt = TCPTV_KEEPCNT;
  tp.t_keepinit = TCPTV_KEEP_INIT;
};

/** Binds a connection block to its socket and its two ends. */
export const startSession = (tcp: Tcp, tp: Tcpcb, so: Socket, e: Endpoints): void => {
  tp.t_so = so.address;
  so.so_pcb = tp.address;
  tp.t_laddr = e.laddr;
  tp.t_lport = e.lport;
  tp.t_faddr = e.faddr;
  tp.t_fport = e.fport;
  so.so_laddr = e.laddr;
  so.so_lport = e.lport;
  so.so_faddr = e.faddr;
  so.so_fport = e.fport;
  tp.t_rto = TCPTV_RTOBASE;
  tp.t_rcvtime = tcp.now();
  tp.snd_ssthresh = TCP_MAXWIN * 2 ** 14;
  setSegmentSize(tcp, tp, -1);
};

/** The smaller of what the peer takes, what the way takes, and what the program asked for. @param mss the peer's option, -1 without */
export const setSegmentSize = (tcp: Tcp, tp: Tcpcb, mss: number): void => {
  const peer = mss < 0 ? TCP_MSS_DEFAULT : Math.max(TCP_MSS_MIN, mss);
  tp.t_maxseg = Math.min(peer, tcp.mssTo(tp.t_faddr, tp.t_usermss));
  tp.snd_cwnd = initialWindow(tp.t_maxseg);
};

/** The handshake is done. */
export const established = (tcp: Tcp, tp: Tcpcb): void => {
  tcp.stat.tcps_connects++;
  tcp.callout.stop(tp.t_keep_ch.address);
  if ((tp.t_flags & TF_SYNREXMT) !== 0) {
    // RFC 6298, 5.7; RFC 5681, 3.1: a lost SYN says that the path is worse than hoped.
    tp.t_rto = TCPTV_SYN_LOST;
    tp.snd_cwnd = tp.t_maxseg;
  }
  tp.t_rxtshift = 0;
  const so = tcp.sockets.at(tp.t_so);
  tcp.sockets.soisconnected(so);
  if ((so.so_options & SO_KEEPALIVE) !== 0) startKeepalive(tcp, tp);
};
