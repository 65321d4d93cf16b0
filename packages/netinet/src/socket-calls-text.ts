/*
 * The system calls on sockets (uipc_syscalls.c). A result below 0 is -errno.
 */
import {
  call,
  copyin,
  copyout,
  done,
  EFAULT,
  EINVAL,
  goto,
  leaf,
  type Next,
  type Routine,
  routine,
  type Text,
} from '@port-xen/kern';
import { BytesMemory, i64, struct } from '@port-xen/layout';
import { EAGAIN, EINPROGRESS, ENOTCONN } from './errno.ts';
import { getSockaddr, putSockaddr } from './sockaddr.ts';
import type { SocketCalls } from './socket-calls.ts';
import {
  SOCK_STREAM,
  type Socket,
  SS_ISCONNECTED,
  SS_ISCONNECTING,
  SS_ISLISTENING,
} from './socket-var.ts';
import { setOption } from './sockopt.ts';
import { getOption } from './sockopt-get.ts';
import { tcpShutdown } from './tcp-usrreq.ts';

/** The longest option value. */
const OPTION_MAX = 64;
const SHUT_RD = 0;
export const SHUT_WR = 1;
const SHUT_RDWR = 2;

const naming = struct('socket_call_locals', { so: i64, name: i64, namelen: i64 });
const transfer = struct('socket_transfer_locals', { pad: i64 });

/** (fd, address, length, flags, name, namelen). */
const transferring = (text: string): Routine<SocketCalls> =>
  routine(transfer, {
    start: (m, _, fd, address, length, flags, name, namelen) => {
      const so = m.getsock(fd);
      if (typeof so === 'number') return done(so);
      if (length < 0) return done(-EINVAL);
      return call('moved', m.cpu.sym(text), so.address, address, length, flags, name, namelen);
    },
    moved: (_, __, result) => done(result),
  });

const shutdown = (m: SocketCalls, so: Socket, how: number): number => {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  if ((so.so_state & SS_ISCONNECTED) === 0) return -ENOTCONN;
  if (how !== SHUT_WR) m.sockets.socantrcvmore(so);
  if (how === SHUT_RD) return 0;
  if (so.so_type === SOCK_STREAM) return -tcpShutdown(m.tcp, so);
  m.sockets.socantsendmore(so);
  return 0;
};

const getsockopt = (
  m: SocketCalls,
  so: Socket,
  level: number,
  option: number,
  address: number,
  ulength: number,
): number => {
  const room = copyin(m.cpu, ulength, 4);
  if (room === undefined) return -EFAULT;
  const value = getOption(m.tcp, so, level, option);
  if (typeof value === 'number') return -value;
  const length = new BytesMemory(room);
  const given = value.subarray(0, length.ld32(0) >>> 0);
  length.st32(0, given.length);
  return copyout(m.cpu, address, given) && copyout(m.cpu, ulength, room) ? 0 : -EFAULT;
};

/** (fd, name, namelen): which of a socket's two ends. */
const nameOf = (end: (so: Socket) => { addr: number; port: number } | number) =>
  leaf<SocketCalls>((m, fd, name, namelen) => {
    const so = m.getsock(fd);
    if (typeof so === 'number') return so;
    const from = end(so);
    return typeof from === 'number' ? from : putSockaddr(m.cpu, name, namelen, from);
  });

export const socketCallsText: Text<SocketCalls> = {
  sys_socket: leaf((m, domain, type, proto) => m.socreate(domain, type, proto)),

  sys_bind: leaf((m, fd, name, namelen) => {
    const so = m.getsock(fd);
    if (typeof so === 'number') return so;
    const to = getSockaddr(m.cpu, name, namelen);
    return typeof to === 'number' ? to : -m.bind(so, to);
  }),

  sys_listen: leaf((m, fd, backlog) => {
    const so = m.getsock(fd);
    return typeof so === 'number' ? so : -m.listen(so, backlog);
  }),

  /** (fd, name, namelen): waits for a connection. */
  sys_accept: routine(naming, {
    start: (m, l, fd, name, namelen) => {
      const so = m.getsock(fd);
      if (typeof so === 'number') return done(so);
      l.so = so.address;
      l.name = name;
      l.namelen = namelen;
      return goto('look');
    },
    look: (m, l) => {
      const head = m.sockets.at(l.so);
      if ((head.so_state & SS_ISLISTENING) === 0) return done(-EINVAL);
      const so = m.sockets.soqremque(head);
      if (so === undefined) {
        const sb = head.so_rcv;
        return call('woken', m.cpu.sym('tsleep'), sb.address, sb.sb_timeo);
      }
      const fd = m.give(so);
      if (fd < 0) return done(fd);
      const named = putSockaddr(m.cpu, l.name, l.namelen, { addr: so.so_faddr, port: so.so_fport });
      return done(named !== 0 ? named : fd);
    },
    woken: (_, __, timedOut) => (timedOut === 0 ? goto('look') : done(-EAGAIN)),
  }),

  /** (fd, name, namelen): waits until the connection stands. */
  sys_connect: routine(naming, {
    start: (m, l, fd, name, namelen): Next => {
      const so = m.getsock(fd);
      if (typeof so === 'number') return done(so);
      const to = getSockaddr(m.cpu, name, namelen);
      if (typeof to === 'number') return done(to);
      l.so = so.address;
      const error = m.connect(so, to);
      return error !== 0 ? done(-error) : goto('look');
    },
    look: (m, l) => {
      const so = m.sockets.at(l.so);
      if ((so.so_state & SS_ISCONNECTING) === 0) return done(m.takeError(so));
      const sb = so.so_snd;
      return call('woken', m.cpu.sym('tsleep'), sb.address, sb.sb_timeo);
    },
    woken: (_, __, timedOut) => (timedOut === 0 ? goto('look') : done(-EINPROGRESS)),
  }),

  sys_shutdown: leaf((m, fd, how) => {
    const so = m.getsock(fd);
    return typeof so === 'number' ? so : shutdown(m, so, how);
  }),

  sys_getsockname: nameOf((so) => ({ addr: so.so_laddr, port: so.so_lport })),
  sys_getpeername: nameOf((so) =>
    (so.so_state & SS_ISCONNECTED) === 0 ? -ENOTCONN : { addr: so.so_faddr, port: so.so_fport },
  ),

  /** (fd, level, option, address, length). */
  sys_setsockopt: leaf((m, fd, level, option, address, length) => {
    const so = m.getsock(fd);
    if (typeof so === 'number') return so;
    if (length < 0 || length > OPTION_MAX) return -EINVAL;
    const value = copyin(m.cpu, address, length);
    return value === undefined ? -EFAULT : -setOption(m.tcp, so, level, option, value);
  }),

  /** (fd, level, option, address, address of the length). */
  sys_getsockopt: leaf((m, fd, level, option, address, length) => {
    const so = m.getsock(fd);
    return typeof so === 'number' ? so : getsockopt(m, so, level, option, address, length);
  }),

  sys_sendto: transferring('so_send'),
  sys_recvfrom: transferring('so_receive'),
};
