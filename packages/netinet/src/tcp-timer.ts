/*
 * What a connection's timers do (tcp_timer.c).
 *
 *     rexmt     nothing was acknowledged in time: resend, back off; after TCP_MAXRXTSHIFT give up
 *     persist   the window is closed: probe it with a byte, back off; a peer that answers is probed for ever
 *     keep      the handshake took too long; or, with SO_KEEPALIVE, nothing came for t_keepidle: probe, then give up
 *     2msl      TIME-WAIT, or an orphan's FIN-WAIT-2, is over
 *     delack    an acknowledgement was put off for long enough
 */
import { ETIMEDOUT } from './errno.ts';
import { isPending } from './net-clock.ts';
import { SO_KEEPALIVE, SS_INQUEUE, SS_NOFDREF } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { startPersist, startRexmt } from './tcp-arm.ts';
import { tcpClose, tcpDrop } from './tcp-close.ts';
import { timedOut } from './tcp-congestion.ts';
import { buildOptions, TH_ACK } from './tcp-header.ts';
import { ackNow, tcpOutput } from './tcp-output.ts';
import { waitsForWindow } from './tcp-plan.ts';
import { backOff } from './tcp-rtt.ts';
import { seqAdd } from './tcp-seq.ts';
import {
  TCP_MAXRXTSHIFT,
  TCPS_ESTABLISHED,
  TCPS_SYN_RECEIVED,
  TCPS_SYN_SENT,
  TCPS_TIME_WAIT,
  TCPTV_SILENCE,
  type Tcpcb,
  TF_FORCE,
  TF_SYNREXMT,
  TF_TSTMP,
} from './tcp-var.ts';
import { receiveWindow } from './tcp-window.ts';

/** Whether sent data has waited for as long as the program lets it. */
const userTimedOut = (tcp: Tcp, tp: Tcpcb): boolean =>
  tp.t_user_timeout !== 0 && tcp.now() - tp.t_waitsince >= tp.t_user_timeout;

export const rexmtTimeout = (tcp: Tcp, tp: Tcpcb): void => {
  tcp.stat.tcps_rexmttimeo++;
  tp.t_rxtshift++;
  if (tp.t_rxtshift > TCP_MAXRXTSHIFT || userTimedOut(tcp, tp)) {
    tcpDrop(tcp, tp, ETIMEDOUT);
    return;
  }
  if (tp.t_state === TCPS_SYN_SENT || tp.t_state === TCPS_SYN_RECEIVED) tp.t_flags |= TF_SYNREXMT;
  // What the driver never took was not lost on the way.
  if (tp.snd_max !== tp.snd_una) timedOut(tp);
  backOff(tp);
  tp.snd_nxt = tp.snd_una;
  tcpOutput(tcp, tp);
  // A driver without room may have kept it back.
  if (tp.snd_max !== tp.snd_una && !isPending(tp.t_persist_ch)) startRexmt(tcp, tp, false);
};

/** Nobody can read or write it any more. */
const isOrphan = (tcp: Tcp, tp: Tcpcb): boolean =>
  tp.t_so !== 0 && (tcp.sockets.at(tp.t_so).so_state & (SS_NOFDREF | SS_INQUEUE)) === SS_NOFDREF;

export const persistTimeout = (tcp: Tcp, tp: Tcpcb): void => {
  if (!waitsForWindow(tcp, tp)) return;
  tcp.stat.tcps_persisttimeo++;
  tp.t_rxtshift++;
  // A peer that answers keeps its connection (RFC 9293, 3.8.6.1), unless no program has it any more (RFC 6429).
  const silent_ms = tcp.now() - Math.max(tp.t_rcvtime, tp.t_waitsince);
  const abandoned = isOrphan(tcp, tp) && tp.t_rxtshift > TCP_MAXRXTSHIFT;
  if (silent_ms >= TCPTV_SILENCE || abandoned || userTimedOut(tcp, tp)) {
    tcpDrop(tcp, tp, ETIMEDOUT);
    return;
  }
  tp.t_rxtshift = Math.min(tp.t_rxtshift, TCP_MAXRXTSHIFT);
  startPersist(tcp, tp);
  tp.t_flags |= TF_FORCE;
  tcpOutput(tcp, tp);
  tp.t_flags &= ~TF_FORCE;
};

/** Sets the timer that looks after an idle peer. */
export const startKeepalive = (tcp: Tcp, tp: Tcpcb): void => {
  const idle_ms = tp.t_keepidle * 1000 - (tcp.now() - tp.t_rcvtime);
  tcp.startTimer(tp.t_keep_ch, Math.max(1, idle_ms), 'tcp_timer_keep', tp);
};

export const keepTimeout = (tcp: Tcp, tp: Tcpcb): void => {
  if (tp.t_state < TCPS_ESTABLISHED) {
    tcpDrop(tcp, tp, ETIMEDOUT);
    return;
  }
  if (tp.t_so === 0 || (tcp.sockets.at(tp.t_so).so_options & SO_KEEPALIVE) === 0) return;
  if (tcp.now() - tp.t_rcvtime < tp.t_keepidle * 1000) {
    tp.t_keepprobes = 0;
    startKeepalive(tcp, tp);
    return;
  }
  const timed_out =
    tp.t_user_timeout !== 0
      ? tcp.now() - tp.t_rcvtime >= tp.t_user_timeout && tp.t_keepprobes > 0
      : tp.t_keepprobes >= tp.t_keepcnt;
  if (timed_out) {
    tcp.stat.tcps_keepdrops++;
    tcpDrop(tcp, tp, ETIMEDOUT);
    return;
  }
  tp.t_keepprobes++;
  tcp.stat.tcps_keepprobe++;
  probe(tcp, tp);
  tcp.startTimer(tp.t_keep_ch, tp.t_keepintvl * 1000, 'tcp_timer_keep', tp);
};

/** A segment with a number that the peer has acknowledged already, so that it must answer (RFC 9293, 3.8.4). */
const probe = (tcp: Tcp, tp: Tcpcb): void => {
  const e = { laddr: tp.t_laddr, lport: tp.t_lport, faddr: tp.t_faddr, fport: tp.t_fport };
  const hasTs = (tp.t_flags & TF_TSTMP) !== 0;
  const tsval = tcp.tsNow(tp.ts_offset);
  const options = buildOptions({ mss: -1, wscale: -1, hasTs, tsval, tsecr: tp.ts_recent });
  const wnd = receiveWindow(tcp, tp) >>> tp.rcv_scale;
  tcp.respond(e, seqAdd(tp.snd_una, -1), tp.rcv_nxt, TH_ACK, wnd, options);
};

export const msl2Timeout = (tcp: Tcp, tp: Tcpcb): void => {
  tcpClose(tcp, tp);
};

export const delackTimeout = (tcp: Tcp, tp: Tcpcb): void => {
  if (tp.t_state !== TCPS_TIME_WAIT) ackNow(tcp, tp);
};
