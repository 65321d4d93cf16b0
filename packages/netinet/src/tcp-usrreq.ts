/*
 * What a socket asks of TCP (tcp_usrreq.c; RFC 9293, 3.9.1). Results are 0 or an errno.
 */
import { EINVAL } from '@port-xen/kern';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  ECONNRESET,
  EHOSTUNREACH,
  EISCONN,
  ENOBUFS,
  ENOTCONN,
  EOPNOTSUPP,
} from './errno.ts';
import { isUnicast } from './in-addr.ts';
import { SO_REUSEADDR, type Socket, SS_CANTSENDMORE, SS_ISLISTENING } from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { startFinWait2 } from './tcp-ack.ts';
import { tcpClose, tcpDrop } from './tcp-close.ts';
import { tcpOutput } from './tcp-output.ts';
import { ephemeralPort, newIss, newTsOffset } from './tcp-secret.ts';
import { setDefaults, startSession } from './tcp-session.ts';
import { syncacheForget } from './tcp-syncache.ts';
import {
  TCPS_CLOSE_WAIT,
  TCPS_CLOSED,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT_1,
  TCPS_FIN_WAIT_2,
  TCPS_LAST_ACK,
  TCPS_LISTEN,
  TCPS_SYN_RECEIVED,
  TCPS_SYN_SENT,
  type Tcpcb,
} from './tcp-var.ts';

/** The largest backlog of a listener (somaxconn, as far as there are sockets). */
const SOMAXCONN = 8;

/** The connection block of a socket; undefined once its connection is over. */
export const pcbOf = (tcp: Tcp, so: Socket): Tcpcb | undefined =>
  so.so_pcb === 0 ? undefined : tcp.at(so.so_pcb);

/** A block for a new socket. */
export const tcpAttach = (tcp: Tcp, so: Socket): number => {
  const tp = tcp.create();
  if (tp === undefined) return ENOBUFS;
  setDefaults(tp);
  tp.t_so = so.address;
  so.so_pcb = tp.address;
  return 0;
};

export const tcpBind = (tcp: Tcp, so: Socket, addr: number, port: number): number => {
  const tp = pcbOf(tcp, so);
  if (tp === undefined || tp.t_lport !== 0) return EINVAL;
  if (addr !== 0 && !tcp.ip.ifnets.isOurs(addr)) return EADDRNOTAVAIL;
  const lport = port !== 0 ? port : ephemeralPort(tcp, addr, 0, 0);
  if (lport === 0) return EADDRNOTAVAIL;
  const reuse = (so.so_options & SO_REUSEADDR) !== 0;
  for (const other of tcp.all()) {
    const overlaps = addr === 0 || other.t_laddr === 0 || other.t_laddr === addr;
    if (other.t_lport !== lport || !overlaps) continue;
    // Connections do not stand in the way of a server that is started again, if it says so.
    if (!reuse || other.t_state <= TCPS_LISTEN) return EADDRINUSE;
  }
  tp.t_laddr = addr;
  tp.t_lport = lport;
  so.so_laddr = addr;
  so.so_lport = lport;
  return 0;
};

export const tcpListen = (tcp: Tcp, so: Socket, backlog: number): number => {
  const tp = pcbOf(tcp, so);
  if (tp === undefined || tp.t_state > TCPS_LISTEN) return EINVAL;
  if (tp.t_lport === 0) {
    const error = tcpBind(tcp, so, 0, 0);
    if (error !== 0) return error;
  }
  tp.t_state = TCPS_LISTEN;
  so.so_state |= SS_ISLISTENING;
  so.so_qlimit = Math.max(1, Math.min(backlog, SOMAXCONN));
  return 0;
};

/** Sends a SYN; the socket is told when the connection stands, or does not. */
export const tcpConnect = (tcp: Tcp, so: Socket, addr: number, port: number): number => {
  const tp = pcbOf(tcp, so);
  if (tp === undefined) return EINVAL;
  if (tp.t_state === TCPS_LISTEN) return EOPNOTSUPP;
  if (tp.t_state !== TCPS_CLOSED) return EISCONN;
  if (!isUnicast(addr) || port === 0 || tcp.ip.ifnets.isOurs(addr)) return EADDRNOTAVAIL;
  const route = tcp.ip.route(addr);
  if (route === undefined) return EHOSTUNREACH;
  const laddr = tp.t_laddr !== 0 ? tp.t_laddr : route.ifp.ia_addr;
  const lport = tp.t_lport !== 0 ? tp.t_lport : ephemeralPort(tcp, laddr, addr, port);
  if (lport === 0) return EADDRNOTAVAIL;
  const e = { laddr, lport, faddr: addr, fport: port };
  if (tcp.lookup(e) !== undefined) return EADDRINUSE;
  startSession(tcp, tp, so, e);
  tp.iss = newIss(tcp, e);
  tp.ts_offset = newTsOffset(tcp, e);
  tp.snd_una = tp.iss;
  tp.snd_nxt = tp.iss;
  tp.snd_max = tp.iss;
  tp.snd_recover = tp.iss;
  tp.t_state = TCPS_SYN_SENT;
  tcp.stat.tcps_connattempt++;
  tcp.sockets.soisconnecting(so);
  tcp.startTimer(tp.t_keep_ch, tp.t_keepinit * 1000, 'tcp_timer_keep', tp);
  tcpOutput(tcp, tp);
  return 0;
};

/** New data stands in so_snd. */
export const tcpSend = (tcp: Tcp, so: Socket): void => {
  const tp = pcbOf(tcp, so);
  if (tp !== undefined) tcpOutput(tcp, tp);
};

/** The program has taken data out of so_rcv: the window may have opened. */
export const tcpRcvd = tcpSend;

/** No more will be sent: a FIN goes behind what is in the buffer. */
export const tcpShutdown = (tcp: Tcp, so: Socket): number => {
  const tp = pcbOf(tcp, so);
  if (tp === undefined || tp.t_state < TCPS_ESTABLISHED) return ENOTCONN;
  if ((so.so_state & SS_CANTSENDMORE) !== 0) return 0;
  tcp.sockets.socantsendmore(so);
  if (tp.t_state === TCPS_CLOSE_WAIT) tp.t_state = TCPS_LAST_ACK;
  else if (tp.t_state === TCPS_ESTABLISHED) tp.t_state = TCPS_FIN_WAIT_1;
  tcpOutput(tcp, tp);
  return 0;
};

/** Ends a connection with a reset. */
export const tcpAbort = (tcp: Tcp, so: Socket): void => {
  const tp = pcbOf(tcp, so);
  if (tp !== undefined) tcpDrop(tcp, tp, ECONNRESET);
};

/** The last descriptor is closed; what is in so_snd still goes. */
export const tcpDisconnect = (tcp: Tcp, so: Socket): void => {
  const tp = pcbOf(tcp, so);
  if (tp === undefined) return;
  switch (tp.t_state) {
    case TCPS_LISTEN:
      closeListener(tcp, tp, so);
      return;
    case TCPS_CLOSED:
    case TCPS_SYN_SENT:
      tcpClose(tcp, tp);
      return;
    case TCPS_SYN_RECEIVED:
      tcpDrop(tcp, tp, ECONNRESET);
      return;
    default:
      break;
  }
  // Data that nobody will read is lost, and the peer is told (RFC 9293, 3.6).
  if (so.so_abort !== 0 || so.so_rcv.sb_cc > 0) {
    tcpDrop(tcp, tp, ECONNRESET);
    return;
  }
  tcpShutdown(tcp, so);
  if (tp.t_inuse !== 0 && tp.t_state === TCPS_FIN_WAIT_2) startFinWait2(tcp, tp);
};

const closeListener = (tcp: Tcp, tp: Tcpcb, so: Socket): void => {
  syncacheForget(tcp, tp);
  for (let waiting = tcp.sockets.soqremque(so); waiting !== undefined; ) {
    tcpAbort(tcp, waiting);
    tcp.sockets.sofree(waiting);
    waiting = tcp.sockets.soqremque(so);
  }
  tcpClose(tcp, tp);
};
