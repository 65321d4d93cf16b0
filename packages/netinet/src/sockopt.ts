/*
 * setsockopt(2): what an option's value must be, and what it changes.
 */
import { EINVAL } from '@port-xen/kern';
import { BytesMemory, ldI64 } from '@port-xen/layout';
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
import {
  SO_LINGER,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_SNDBUF,
  SO_SNDTIMEO,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINIT,
  TCP_KEEPINTVL,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
  TIMEVAL_LEN,
} from './sockopt-var.ts';
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

/** The largest number of seconds that an option takes: more would not fit a callout's arithmetic sensibly. */
const SECONDS_MAX = 1_000_000;
const intOf = (value: Uint8Array): number => new BytesMemory(value).ld32(0);

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
