/*
 * Moving bytes between a program and its socket (soreceive, sosend). These wait; what they wait for is in their locals, on the
 * stack of whoever called.
 */
import {
  call,
  copyin,
  copyout,
  done,
  EFAULT,
  goto,
  leaf,
  type Next,
  routine,
  type Text,
} from '@port-xen/kern';
import { i64, struct, u32, u64, type View } from '@port-xen/layout';
import { EAGAIN, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE } from './errno.ts';
import { getSockaddr, putSockaddr } from './sockaddr.ts';
import { sbappend, sbdrop, sbpeek, sbspace } from './sockbuf.ts';
import type { SocketCalls } from './socket-calls.ts';
import {
  SOCK_STREAM,
  type Sockbuf,
  type Socket,
  SS_CANTRCVMORE,
  SS_CANTSENDMORE,
  SS_ISCONNECTED,
  SS_ISCONNECTING,
} from './socket-var.ts';
import { tcpRcvd, tcpSend } from './tcp-usrreq.ts';
import { UDP_SENDSPACE } from './udp.ts';

export const MSG_DONTWAIT = 0x80;
/** There are no signals: this asks for what is the case anyway. */
export const MSG_NOSIGNAL = 0x400;
/** A writer sleeps until there is room for this much, or for all it has (NetBSD's sb_lowat). */
const SND_LOWAT = 2048;

const moving = struct('socket_io_locals', {
  so: i64,
  uaddr: i64,
  length: u64,
  moved: u64,
  flags: u32,
  /** Where a sender's address goes, or the receiver's comes from; 0: not wanted. */
  name: i64,
  /** receive: address of its length; send: its length. */
  namelen: i64,
});

type Moving = View<typeof moving>;

/** (so, address, length, flags, name, namelen). */
const start = (
  _: SocketCalls,
  l: Moving,
  so: number,
  uaddr: number,
  length: number,
  flags: number,
  name: number,
  namelen: number,
): Next => {
  if ((flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) !== 0) return done(-EOPNOTSUPP);
  l.so = so;
  l.uaddr = uaddr;
  l.length = length;
  l.flags = flags;
  l.name = name;
  l.namelen = namelen;
  return goto('look');
};

/** Waits for the buffer to change, unless the caller does not want to. */
const wait = (m: SocketCalls, l: Moving, sb: Sockbuf): Next => {
  if ((l.flags & MSG_DONTWAIT) !== 0) return done(l.moved > 0 ? l.moved : -EAGAIN);
  return call('woken', m.cpu.sym('tsleep'), sb.address, sb.sb_timeo);
};

const woken = (_: SocketCalls, l: Moving, timedOut: number): Next =>
  timedOut === 0 ? goto('look') : done(l.moved > 0 ? l.moved : -EAGAIN);

/** What is there, or why there will be nothing. */
const receiveStream = (m: SocketCalls, l: Moving, so: Socket): Next => {
  const sb = so.so_rcv;
  if (sb.sb_cc > 0 || l.length === 0) {
    const bytes = new Uint8Array(Math.min(sb.sb_cc, l.length));
    sbpeek(m.cpu.memory, sb, 0, bytes);
    if (!copyout(m.cpu, l.uaddr, bytes)) return done(-EFAULT);
    sbdrop(sb, bytes.length);
    tcpRcvd(m.tcp, so);
    return done(bytes.length);
  }
  const error = m.takeError(so);
  if (error !== 0) return done(error);
  if ((so.so_state & SS_CANTRCVMORE) !== 0) return done(0);
  if ((so.so_state & (SS_ISCONNECTED | SS_ISCONNECTING)) === 0) return done(-ENOTCONN);
  return wait(m, l, sb);
};

/** One datagram; what the program has no room for is lost. */
const receiveDatagram = (m: SocketCalls, l: Moving, so: Socket): Next => {
  const error = m.takeError(so);
  if (error !== 0) return done(error);
  const got = m.sockets.takeDatagram(so);
  if (got === undefined) {
    return (so.so_state & SS_CANTRCVMORE) !== 0 ? done(0) : wait(m, l, so.so_rcv);
  }
  const bytes = got.bytes.subarray(0, l.length);
  if (!copyout(m.cpu, l.uaddr, bytes)) return done(-EFAULT);
  const named = putSockaddr(m.cpu, l.name, l.namelen, got);
  return done(named !== 0 ? named : bytes.length);
};

const sendStream = (m: SocketCalls, l: Moving, so: Socket): Next => {
  const stop = (error: number): Next => done(l.moved > 0 ? l.moved : error);
  if (so.so_error !== 0) return l.moved > 0 ? done(l.moved) : done(m.takeError(so));
  if ((so.so_state & SS_CANTSENDMORE) !== 0) return stop(-EPIPE);
  if ((so.so_state & SS_ISCONNECTED) === 0) return stop(-ENOTCONN);
  const left = l.length - l.moved;
  if (left === 0) return done(l.moved);
  const sb = so.so_snd;
  const space = sbspace(sb);
  if (space < Math.min(left, SND_LOWAT, sb.sb_hiwat)) return wait(m, l, sb);
  const bytes = copyin(m.cpu, l.uaddr + l.moved, Math.min(left, space));
  if (bytes === undefined) return stop(-EFAULT);
  sbappend(m.cpu.memory, sb, bytes);
  l.moved += bytes.length;
  tcpSend(m.tcp, so);
  return goto('look');
};

const sendDatagram = (m: SocketCalls, l: Moving, so: Socket): Next => {
  const error = m.takeError(so);
  if (error !== 0) return done(error);
  if (l.length > UDP_SENDSPACE) return done(-EMSGSIZE);
  const to = l.name === 0 ? { addr: 0, port: 0 } : getSockaddr(m.cpu, l.name, l.namelen);
  if (typeof to === 'number') return done(to);
  const bytes = copyin(m.cpu, l.uaddr, l.length);
  if (bytes === undefined) return done(-EFAULT);
  const sent = m.udp.send(so, to.addr, to.port, bytes);
  return done(sent === 0 ? l.length : -sent);
};

const through = struct('soo_locals', { pad: u64 });

export const socketIoText: Text<SocketCalls> = {
  so_receive: routine(moving, {
    start,
    look: (m, l) => {
      const so = m.sockets.at(l.so);
      return so.so_type === SOCK_STREAM ? receiveStream(m, l, so) : receiveDatagram(m, l, so);
    },
    woken,
  }),

  so_send: routine(moving, {
    start,
    look: (m, l) => {
      const so = m.sockets.at(l.so);
      return so.so_type === SOCK_STREAM ? sendStream(m, l, so) : sendDatagram(m, l, so);
    },
    woken,
  }),

  /** read(2): (so, offset, address, length). */
  soo_read: routine(through, {
    start: (m, _, so, _offset, address, length) =>
      call('moved', m.cpu.sym('so_receive'), so, address, length, 0, 0, 0),
    moved: (_, __, result) => done(result),
  }),

  /** write(2): (so, offset, address, length). */
  soo_write: routine(through, {
    start: (m, _, so, _offset, address, length) =>
      call('moved', m.cpu.sym('so_send'), so, address, length, 0, 0, 0),
    moved: (_, __, result) => done(result),
  }),

  /** close(2), and the end of a process. */
  soo_close: leaf((m, so) => m.soclose(m.sockets.at(so))),
};
