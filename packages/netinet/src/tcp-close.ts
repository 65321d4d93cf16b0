/*
 * How a connection ends (tcp_subr.c): its block is given back, its socket learns of it.
 */
import { ETIMEDOUT } from './errno.ts';
import type { Tcp } from './tcp.ts';
import { TH_ACK, TH_RST } from './tcp-header.ts';
import { TCPS_SYN_RECEIVED, TCPS_TIME_WAIT, TCPTV_MSL, type Tcpcb } from './tcp-var.ts';

/** Lets go of the socket: what it has received can still be read. */
const detach = (tcp: Tcp, tp: Tcpcb): void => {
  if (tp.t_so === 0) return;
  const so = tcp.sockets.at(tp.t_so);
  tp.t_so = 0;
  so.so_pcb = 0;
  so.so_snd.sb_cc = 0;
  tcp.sockets.soisdisconnected(so);
  tcp.sockets.sofree(so);
};

/** tcp_close: the connection is over; nothing more is sent. */
export const tcpClose = (tcp: Tcp, tp: Tcpcb): void => {
  detach(tcp, tp);
  tcp.free(tp);
};

/** tcp_drop: over with an error, which the program gets; the peer is told when it knows of the connection. */
export const tcpDrop = (tcp: Tcp, tp: Tcpcb, error: number): void => {
  tcp.stat.tcps_drops++;
  if (tp.t_state >= TCPS_SYN_RECEIVED && tp.t_state !== TCPS_TIME_WAIT) sendReset(tcp, tp);
  tcpAbandon(tcp, tp, error);
};

/** Over with an error, and without a word: the peer has ended it. */
export const tcpAbandon = (tcp: Tcp, tp: Tcpcb, error: number): void => {
  if (tp.t_so !== 0) {
    // What the network said about the peer is the better reason for silence.
    const reason = error === ETIMEDOUT && tp.t_softerror !== 0 ? tp.t_softerror : error;
    tcp.sockets.at(tp.t_so).so_error = reason;
  }
  tcpClose(tcp, tp);
};

/** A reset that the peer accepts: its number is the next one that the peer expects. */
const sendReset = (tcp: Tcp, tp: Tcpcb): void => {
  const e = { laddr: tp.t_laddr, lport: tp.t_lport, faddr: tp.t_faddr, fport: tp.t_fport };
  tcp.respond(e, tp.snd_max, tp.rcv_nxt, TH_RST | TH_ACK);
};

/** Both sides have closed: the block stays for twice the segment lifetime, the socket does not. */
export const enterTimeWait = (tcp: Tcp, tp: Tcpcb): void => {
  tcp.stopTimers(tp);
  tp.t_state = TCPS_TIME_WAIT;
  detach(tcp, tp);
  tcp.startTimer(tp.t_2msl_ch, 2 * TCPTV_MSL, 'tcp_timer_2msl', tp);
};
