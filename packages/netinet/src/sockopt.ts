/*
 * setsockopt(2) and getsockopt(2): which options there are, and what they change. Numbers are NetBSD's (sys/socket.h,
 * netinet/tcp.h); TCP_USER_TIMEOUT is Linux's, for NetBSD has none.
 */
import { EINVAL } from '@port-xen/kern';
import { BytesMemory, ldI64, st64 } from '@port-xen/layout';
import { ENOPROTOOPT } from './errno.ts';
import { IPPROTO_TCP } from './in-addr.ts';
import { HZ } from './net-clock.ts';
import {
  SB_MAX,
  SO_BROADCAST,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOCK_STREAM,
  type Sockbuf,
  type Socket,
} from './socket-var.ts';
import type { Tcp } from './tcp.ts';
import { startKeepalive } from './tcp-timer.ts';
import { pcbOf } from './tcp-usrreq.ts';
import {
  TCP_MSS_MIN,
  TCPS_ESTABLISHED,
  TCPS_TIME_WAIT,
  type Tcpcb,
  TF_NODELAY,
} from './tcp-var.ts';

export const SOL_SOCKET = 0xffff;
export const SO_LINGER = 0x0080;
export const SO_SNDBUF = 0x1001;
export const SO_RCVBUF = 0x1002;
export const SO_ERROR = 0x1007;
export const SO_TYPE = 0x1008;
export const SO_SNDTIMEO = 0x100b;
export const SO_RCVTIMEO = 0x100c;
export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_KEEPIDLE = 3;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_KEEPINIT = 7;
export const TCP_USER_TIMEOUT = 18;

/** The largest number of seconds that an option takes: more would not fit a callout's arithmetic sensibly. */
const SECONDS_MAX = 1_000_000;
/** struct timeval: i64 seconds, i32 microseconds, padding. */
const TIMEVAL_LEN = 16;

const intOf = (value: Uint8Array): number => new BytesMemory(value).ld32(0);

const intBytes = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new BytesMemory(bytes).st32(0, value);
  return bytes;
};

/** @returns 0 or an errno */
export const setOption = (
  tcp: Tcp,
  so: Socket,
  level: number,
  option: number,
  value: Uint8Array,
): number => {
  if (value.length < 4) return EINVAL;
  if (level === SOL_SOCKET) return setSocketOption(tcp, so, option, value);
  if (level !== IPPROTO_TCP || so.so_type !== SOCK_STREAM) return ENOPROTOOPT;
  const tp = pcbOf(tcp, so);
  return tp === undefined ? EINVAL : setTcpOption(tp, option, intOf(value));
};

const setSocketOption = (tcp: Tcp, so: Socket, option: number, value: Uint8Array): number => {
  const number = intOf(value);
  switch (option) {
    case SO_REUSEADDR:
    case SO_KEEPALIVE:
    case SO_BROADCAST:
      so.so_options = number !== 0 ? so.so_options | option : so.so_options & ~option;
      if (option === SO_KEEPALIVE && number !== 0) keepaliveOn(tcp, so);
      return 0;
    case SO_LINGER: {
      // Only "do not linger" and "abort": close(2) never waits.
      if (value.length < 8 || (number !== 0 && intOf(value.subarray(4)) !== 0)) return EINVAL;
      so.so_abort = number !== 0 ? 1 : 0;
      return 0;
    }
    case SO_SNDBUF:
      return setSize(so.so_snd, number);
    case SO_RCVBUF:
      return setSize(so.so_rcv, number);
    case SO_SNDTIMEO:
      return setTimeout(so.so_snd, value);
    case SO_RCVTIMEO:
      return setTimeout(so.so_rcv, value);
    default:
      return ENOPROTOOPT;
  }
};

const keepaliveOn = (tcp: Tcp, so: Socket): void => {
  const tp = so.so_type === SOCK_STREAM ? pcbOf(tcp, so) : undefined;
  if (tp === undefined) return;
  if (tp.t_state >= TCPS_ESTABLISHED && tp.t_state !== TCPS_TIME_WAIT) startKeepalive(tcp, tp);
};

const setSize = (sb: Sockbuf, size: number): number => {
  if (size <= 0) return EINVAL;
  sb.sb_hiwat = Math.min(size, SB_MAX);
  return 0;
};

const setTimeout = (sb: Sockbuf, value: Uint8Array): number => {
  if (value.length < TIMEVAL_LEN) return EINVAL;
  const seconds = ldI64(new BytesMemory(value), 0);
  const micros = intOf(value.subarray(8));
  if (seconds < 0 || seconds > SECONDS_MAX || micros < 0 || micros >= 1e6) return EINVAL;
  sb.sb_timeo = Math.ceil((seconds + micros / 1e6) * HZ);
  return 0;
};

const setTcpOption = (tp: Tcpcb, option: number, value: number): number => {
  if (option === TCP_NODELAY) {
    tp.t_flags = value !== 0 ? tp.t_flags | TF_NODELAY : tp.t_flags & ~TF_NODELAY;
    return 0;
  }
  const seconds = value > 0 && value <= SECONDS_MAX;
  switch (option) {
    case TCP_MAXSEG:
      if (value < TCP_MSS_MIN || value > 0xffff) return EINVAL;
      tp.t_usermss = value;
      tp.t_maxseg = Math.min(tp.t_maxseg, value);
      return 0;
    case TCP_KEEPIDLE:
      if (!seconds) return EINVAL;
      tp.t_keepidle = value;
      return 0;
    case TCP_KEEPINTVL:
      if (!seconds) return EINVAL;
      tp.t_keepintvl = value;
      return 0;
    case TCP_KEEPCNT:
      if (value <= 0 || value > 127) return EINVAL;
      tp.t_keepcnt = value;
      return 0;
    case TCP_KEEPINIT:
      if (!seconds) return EINVAL;
      tp.t_keepinit = value;
      return 0;
    case TCP_USER_TIMEOUT:
      if (value < 0) return EINVAL;
      tp.t_user_timeout = value;
      return 0;
    default:
      return ENOPROTOOPT;
  }
};

/** @returns the option's bytes, or an errno */
export const getOption = (
  tcp: Tcp,
  so: Socket,
  level: number,
  option: number,
): Uint8Array | number => {
  if (level === SOL_SOCKET) return getSocketOption(so, option);
  if (level !== IPPROTO_TCP || so.so_type !== SOCK_STREAM) return ENOPROTOOPT;
  const tp = pcbOf(tcp, so);
  if (tp === undefined) return EINVAL;
  const values: Readonly<Record<number, number>> = {
    [TCP_NODELAY]: (tp.t_flags & TF_NODELAY) !== 0 ? 1 : 0,
    [TCP_MAXSEG]: tp.t_maxseg,
    [TCP_KEEPIDLE]: tp.t_keepidle,
    [TCP_KEEPINTVL]: tp.t_keepintvl,
    [TCP_KEEPCNT]: tp.t_keepcnt,
    [TCP_KEEPINIT]: tp.t_keepinit,
    [TCP_USER_TIMEOUT]: tp.t_user_timeout,
  };
  const value = values[option];
  return value === undefined ? ENOPROTOOPT : intBytes(value);
};

const timeval = (ticks: number): Uint8Array => {
  const bytes = new Uint8Array(TIMEVAL_LEN);
  const memory = new BytesMemory(bytes);
  st64(memory, 0, Math.floor(ticks / HZ));
  memory.st32(8, (ticks % HZ) * (1e6 / HZ));
  return bytes;
};

const getSocketOption = (so: Socket, option: number): Uint8Array | number => {
  switch (option) {
    case SO_REUSEADDR:
    case SO_KEEPALIVE:
    case SO_BROADCAST:
      return intBytes(so.so_options & option);
    case SO_LINGER:
      return Uint8Array.of(...intBytes(so.so_abort), ...intBytes(0));
    case SO_SNDBUF:
      return intBytes(so.so_snd.sb_hiwat);
    case SO_RCVBUF:
      return intBytes(so.so_rcv.sb_hiwat);
    case SO_SNDTIMEO:
      return timeval(so.so_snd.sb_timeo);
    case SO_RCVTIMEO:
      return timeval(so.so_rcv.sb_timeo);
    case SO_TYPE:
      return intBytes(so.so_type);
    case SO_ERROR: {
      const error = so.so_error;
      so.so_error = 0;
      return intBytes(error);
    }
    default:
      return ENOPROTOOPT;
  }
};
