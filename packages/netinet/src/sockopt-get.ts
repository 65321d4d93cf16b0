/*
 * getsockopt(2): an option's value as bytes.
 */
import { EINVAL } from '@port-xen/kern';
import { BytesMemory, st64 } from '@port-xen/layout';
import { ENOPROTOOPT } from './errno.ts';
import { IPPROTO_TCP } from './in-addr.ts';
import { HZ } from './net-clock.ts';
import {
  SO_BROADCAST,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOCK_STREAM,
  type Socket,
} from './socket-var.ts';
import {
  SO_ERROR,
  SO_LINGER,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_SNDBUF,
  SO_SNDTIMEO,
  SO_TYPE,
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
import { pcbOf } from './tcp-usrreq.ts';
import { TF_NODELAY } from './tcp-var.ts';

const intBytes = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new BytesMemory(bytes).st32(0, value);
  return bytes;
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
