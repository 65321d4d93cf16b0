/*
 * What the system calls work on: sockets behind descriptors, and what a program's request becomes for TCP and UDP
 * (uipc_syscalls.c, uipc_socket.c).
 */
import { type Cpu, EBADF, EINVAL, type Operand, type Syscalls } from '@port-xen/kern';
import {
  EAFNOSUPPORT,
  EALREADY,
  EHOSTUNREACH,
  EISCONN,
  ENOBUFS,
  ENOTSOCK,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
} from './errno.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from './in-addr.ts';
import type { SockaddrIn } from './sockaddr.ts';
import {
  AF_INET,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  type Socket,
  SS_ISCONNECTED,
  SS_ISCONNECTING,
  SS_NOFDREF,
} from './socket-var.ts';
import type { Sockets } from './sockets.ts';
import type { Tcp } from './tcp.ts';
import { tcpAttach, tcpBind, tcpConnect, tcpDisconnect, tcpListen } from './tcp-usrreq.ts';
import type { Udp } from './udp.ts';

/** The system calls' numbers (NetBSD's syscalls.master; socket is __socket30). */
export const SYS_recvfrom = 29;
export const SYS_accept = 30;
export const SYS_getpeername = 31;
export const SYS_getsockname = 32;
export const SYS_connect = 98;
export const SYS_bind = 104;
export const SYS_setsockopt = 105;
export const SYS_listen = 106;
export const SYS_getsockopt = 118;
export const SYS_sendto = 133;
export const SYS_shutdown = 134;
export const SYS_socket = 394;

/** A sockaddr_in, a socklen_t, the value of an option: bytes. */
const SOCKADDR_SIZE = 16;
const SOCKLEN_SIZE = 4;
const OPTION_SIZE = 16;

/** Number, symbol, and which of the program's memory each call works on. */
const HANDLERS: readonly (readonly [
  number: number,
  symbol: string,
  ...operands: readonly Operand[],
])[] = [
  [
    SYS_recvfrom,
    'sys_recvfrom',
    { pointer: 1, length: 2, write: true },
    { pointer: 4, size: SOCKADDR_SIZE, write: true },
    { pointer: 5, size: SOCKLEN_SIZE, write: true },
  ],
  [
    SYS_accept,
    'sys_accept',
    { pointer: 1, size: SOCKADDR_SIZE, write: true },
    { pointer: 2, size: SOCKLEN_SIZE, write: true },
  ],
  [
    SYS_getpeername,
    'sys_getpeername',
    { pointer: 1, size: SOCKADDR_SIZE, write: true },
    { pointer: 2, size: SOCKLEN_SIZE, write: true },
  ],
  [
    SYS_getsockname,
    'sys_getsockname',
    { pointer: 1, size: SOCKADDR_SIZE, write: true },
    { pointer: 2, size: SOCKLEN_SIZE, write: true },
  ],
  [SYS_connect, 'sys_connect', { pointer: 1, size: SOCKADDR_SIZE }],
  [SYS_bind, 'sys_bind', { pointer: 1, size: SOCKADDR_SIZE }],
  [SYS_setsockopt, 'sys_setsockopt', { pointer: 3, size: OPTION_SIZE }],
  [SYS_listen, 'sys_listen'],
  [
    SYS_getsockopt,
    'sys_getsockopt',
    { pointer: 3, size: OPTION_SIZE, write: true },
    { pointer: 4, size: SOCKLEN_SIZE, write: true },
  ],
  [SYS_sendto, 'sys_sendto', { pointer: 1, length: 2 }, { pointer: 4, size: SOCKADDR_SIZE }],
  [SYS_shutdown, 'sys_shutdown'],
  [SYS_socket, 'sys_socket'],
];

export class SocketCalls {
  readonly cpu: Cpu;
  readonly syscalls: Syscalls;
  readonly sockets: Sockets;
  readonly tcp: Tcp;
  readonly udp: Udp;

  constructor(cpu: Cpu, syscalls: Syscalls, sockets: Sockets, tcp: Tcp, udp: Udp) {
    this.cpu = cpu;
    this.syscalls = syscalls;
    this.sockets = sockets;
    this.tcp = tcp;
    this.udp = udp;
  }

  /** Puts the calls into the table; once, at boot. */
  init(): void {
    for (const [number, symbol, ...operands] of HANDLERS) {
      this.syscalls.setHandler(number, symbol, ...operands);
    }
  }

  /** The socket behind a descriptor of the running process. @returns a negative errno when there is none */
  getsock(fd: number): Socket | number {
    const file = this.syscalls.fileOf(fd);
    if (file === undefined) return -EBADF;
    return this.sockets.isSocket(file.f_cdev) ? this.sockets.at(file.f_cdev) : -ENOTSOCK;
  }

  /** socket(2). @returns a descriptor or a negative errno */
  socreate(domain: number, type: number, proto: number): number {
    if (domain !== AF_INET) return -EAFNOSUPPORT;
    const protos: Readonly<Record<number, number>> = {
      [SOCK_STREAM]: IPPROTO_TCP,
      [SOCK_DGRAM]: IPPROTO_UDP,
      [SOCK_RAW]: IPPROTO_ICMP,
    };
    const only = protos[type];
    if (only === undefined || (proto !== 0 && proto !== only)) return -EPROTONOSUPPORT;
    const so = this.sockets.create(type, only);
    if (so === undefined) return -ENOBUFS;
    const error = type === SOCK_STREAM ? tcpAttach(this.tcp, so) : 0;
    if (error !== 0) {
      this.sockets.sofree(so);
      return -error;
    }
    return this.give(so);
  }

  /** A descriptor of the running process for a socket that has none. */
  give(so: Socket): number {
    const fd = this.syscalls.openFile(so.address);
    if (fd >= 0) so.so_state &= ~SS_NOFDREF;
    else this.soclose(so);
    return fd;
  }

  /** close(2): the descriptor is gone. */
  soclose(so: Socket): void {
    so.so_state |= SS_NOFDREF;
    if (so.so_type === SOCK_STREAM) tcpDisconnect(this.tcp, so);
    this.sockets.sofree(so);
  }

  /** @returns 0 or an errno */
  bind(so: Socket, { addr, port }: SockaddrIn): number {
    return so.so_type === SOCK_STREAM
      ? tcpBind(this.tcp, so, addr, port)
      : this.udp.bind(so, addr, port);
  }

  /** @returns 0 or an errno */
  listen(so: Socket, backlog: number): number {
    return so.so_type === SOCK_STREAM ? tcpListen(this.tcp, so, backlog) : EOPNOTSUPP;
  }

  /** Begins to connect; a datagram socket only remembers the peer. @returns 0 or an errno */
  connect(so: Socket, { addr, port }: SockaddrIn): number {
    if (so.so_type === SOCK_STREAM) {
      if ((so.so_state & SS_ISCONNECTING) !== 0) return EALREADY;
      if ((so.so_state & SS_ISCONNECTED) !== 0) return EISCONN;
      return tcpConnect(this.tcp, so, addr, port);
    }
    const route = this.udp.ip.route(addr);
    if (route === undefined) return EHOSTUNREACH;
    if (so.so_type === SOCK_DGRAM && port === 0) return EINVAL;
    if (so.so_lport === 0) {
      const error = this.udp.bind(so, 0, 0);
      if (error !== 0) return error;
    }
    if (so.so_laddr === 0) so.so_laddr = route.ifp.ia_addr;
    so.so_faddr = addr;
    so.so_fport = port;
    so.so_state |= SS_ISCONNECTED;
    return 0;
  }

  /** What a call reports of a socket's trouble: once. @returns 0 or a negative errno */
  takeError(so: Socket): number {
    const error = so.so_error;
    if (error !== 0) so.so_error = 0;
    return error === 0 ? 0 : -error;
  }
}
