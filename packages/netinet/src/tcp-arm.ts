/*
 * Setting the timers of a connection (RFC 6298, 5; RFC 9293, 3.8.6.1). What they do when they fire is in tcp-timer.
 */
import { isPending } from './net-clock.ts';
import type { Tcp } from './tcp.ts';
import { TCPTV_PERSMAX, type Tcpcb } from './tcp-var.ts';

/** Milliseconds until sent data has waited for as long as the program lets it; Infinity without a user timeout. */
const untilUserTimeout = (tcp: Tcp, tp: Tcpcb): number =>
  tp.t_user_timeout === 0
    ? Number.POSITIVE_INFINITY
    : Math.max(1, tp.t_waitsince + tp.t_user_timeout - tcp.now());

/** Starts the retransmission timer. @param anew also when it runs already (RFC 6298, 5.3) */
export const startRexmt = (tcp: Tcp, tp: Tcpcb, anew: boolean): void => {
  if (!anew && isPending(tp.t_rexmt_ch)) return;
  const ms = Math.min(tp.t_rto, untilUserTimeout(tcp, tp));
  tcp.startTimer(tp.t_rexmt_ch, ms, 'tcp_timer_rexmt', tp);
};

/** Starts the timer of the next window probe: the timeout, doubled with each probe. */
export const startPersist = (tcp: Tcp, tp: Tcpcb): void => {
  const backedOff = Math.min(tp.t_rto * 2 ** tp.t_rxtshift, TCPTV_PERSMAX);
  const ms = Math.min(backedOff, untilUserTimeout(tcp, tp));
  tcp.startTimer(tp.t_persist_ch, ms, 'tcp_timer_persist', tp);
};
