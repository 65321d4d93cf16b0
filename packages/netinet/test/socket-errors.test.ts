import { EBADF, EFAULT, EINVAL, EMFILE } from '@port-xen/kern';
import { expect, test } from 'vitest';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EHOSTUNREACH,
  EISCONN,
  ENOBUFS,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
} from '../src/errno.ts';
import { NSOCKET, SB_MAX, SO_KEEPALIVE, SO_REUSEADDR } from '../src/socket-var.ts';
import { setOption } from '../src/sockopt.ts';
import { getOption } from '../src/sockopt-get.ts';
import {
  SO_ERROR,
  SO_LINGER,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_SNDBUF,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_MAXSEG,
  TCP_NODELAY,
} from '../src/sockopt-var.ts';
import type { Host } from './host.ts';
import { A, B, connected, pair, pattern } from './pair.ts';

/** A host on which a process runs. @returns what makes a system call that cannot wait */
const process = (host: Host): ((name: string, ...args: readonly number[]) => number) => {
  const l = host.kern.sched.adoptBoot('main');
  l.l_proc = host.kern.syscalls.newProc()?.address ?? 0;
  return (name, ...args) => {
    const [a = 0, b = 0, c = 0, d = 0] = args;
    // −0 is 0 in a register.
    return host.cpu.call(host.cpu.sym(name), a, b, c, d) + 0;
  };
};

const nameAt = (host: Host, at: number, addr: number, port: number, family = 2): void => {
  const quad = [24, 16, 8, 0].map((n) => (addr >>> n) & 255);
  host.machine.memory.write(
    at,
    Uint8Array.of(16, family, port >> 8, port & 255, ...quad, 0, 0, 0, 0, 0, 0, 0, 0),
  );
};

test('SOCK-4: what a program asks for wrongly it is told, and nothing is held for it', () => {
  const { a } = pair();
  const sys = process(a);
  expect(sys('sys_socket', 1, 1, 0)).toBe(-EAFNOSUPPORT);
  expect(sys('sys_socket', 2, 9, 0)).toBe(-EPROTONOSUPPORT);
  expect(sys('sys_socket', 2, 1, 17)).toBe(-EPROTONOSUPPORT);
  const fd = sys('sys_socket', 2, 1, 6);
  expect(fd).toBe(0);
  expect(sys('sys_bind', 5, 0x1000, 16)).toBe(-EBADF);
  expect(sys('sys_bind', -1, 0x1000, 16)).toBe(-EBADF);
  nameAt(a, 0x1000, A, 80, 24);
  expect(sys('sys_bind', fd, 0x1000, 16)).toBe(-EAFNOSUPPORT);
  expect(sys('sys_bind', fd, 0x1000, 8)).toBe(-EINVAL);
  expect(sys('sys_bind', fd, 0x7000_0000, 16)).toBe(-EFAULT);
  expect(sys('sys_bind', fd, -4096, 16)).toBe(-EFAULT);
  nameAt(a, 0x1000, B, 80);
  expect(sys('sys_bind', fd, 0x1000, 16)).toBe(-EADDRNOTAVAIL);
  nameAt(a, 0x1000, A, 80);
  expect(sys('sys_bind', fd, 0x1000, 16)).toBe(0);
  expect(sys('sys_bind', fd, 0x1000, 16)).toBe(-EINVAL);
  const second = sys('sys_socket', 2, 1, 0);
  expect(sys('sys_bind', second, 0x1000, 16)).toBe(-EADDRINUSE);
  expect(sys('sys_shutdown', second, 1)).toBe(-ENOTCONN);
  expect(sys('sys_getpeername', second, 0x1000, 0x1100)).toBe(-ENOTCONN);
  const datagram = sys('sys_socket', 2, 2, 0);
  expect(sys('sys_listen', datagram, 1)).toBe(-EOPNOTSUPP);
  for (const open of [fd, second, datagram]) expect(sys('sys_close', open)).toBe(0);
  expect(a.counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
});

test('SOCK-5: a process has so many descriptors, the kernel so many sockets; who gets none leaves none behind', () => {
  const { a } = pair();
  const sys = process(a);
  for (let i = 0; i < 16; i++) expect(sys('sys_socket', 2, 1 + (i & 1), 0)).toBe(i);
  expect(sys('sys_socket', 2, 1, 0)).toBe(-EMFILE);
  expect(a.counts().sockets).toBe(16);
  while (a.counts().sockets < NSOCKET) a.datagram();
  sys('sys_close', 0);
  a.datagram();
  expect(sys('sys_socket', 2, 1, 0)).toBe(-ENOBUFS);
});

test('SOCK-6: names: where a socket is bound and who its peer is, as much as there is room for', () => {
  const { a } = pair();
  const sys = process(a);
  const fd = sys('sys_socket', 2, 1, 0);
  nameAt(a, 0x1000, 0, 8080);
  sys('sys_bind', fd, 0x1000, 16);
  const { memory } = a.machine;
  memory.st32(0x1100, 16);
  expect(sys('sys_getsockname', fd, 0x1200, 0x1100)).toBe(0);
  expect([memory.ld8(0x1200), memory.ld8(0x1201), memory.ld8(0x1202), memory.ld8(0x1203)]).toEqual([
    16,
    2,
    8080 >> 8,
    8080 & 255,
  ]);
  memory.st32(0x1100, 2);
  memory.st32(0x1204, 0x5555_5555);
  expect(sys('sys_getsockname', fd, 0x1200, 0x1100)).toBe(0);
  expect([memory.ld32(0x1100), memory.ld32(0x1204)]).toEqual([16, 0x5555_5555]);
});

test('SOCK-7: options are set, read back, and refused', () => {
  const { a } = pair();
  const so = a.so(a.stream());
  const { tcp } = a.net;
  const int = (...values: number[]): Uint8Array => new Uint8Array(new Int32Array(values).buffer);
  const set = (level: number, name: number, value: Uint8Array): number =>
    setOption(tcp, so, level, name, value);
  const get = (level: number, name: number): number => {
    const value = getOption(tcp, so, level, name);
    return typeof value === 'number' ? -value : new DataView(value.buffer).getInt32(0, true);
  };
  for (const [level, name, value] of [
    [SOL_SOCKET, SO_REUSEADDR, 1],
    [SOL_SOCKET, SO_KEEPALIVE, 1],
    [SOL_SOCKET, SO_SNDBUF, 4096],
    [6, TCP_NODELAY, 1],
    [6, TCP_KEEPIDLE, 30],
    [6, TCP_MAXSEG, 500],
  ] as const) {
    expect(set(level, name, int(value))).toBe(0);
    expect(get(level, name)).toBe(value === 1 && level === SOL_SOCKET ? name : value);
  }
  expect(set(SOL_SOCKET, SO_RCVBUF, int(1 << 30))).toBe(0);
  expect(get(SOL_SOCKET, SO_RCVBUF)).toBe(SB_MAX);
  expect(set(SOL_SOCKET, SO_RCVBUF, int(0))).toBe(EINVAL);
  expect(set(SOL_SOCKET, SO_RCVTIMEO, int(2, 0, 500_000, 0))).toBe(0);
  expect(so.so_rcv.sb_timeo).toBe(250);
  expect(set(SOL_SOCKET, SO_LINGER, int(1, 5))).toBe(EINVAL);
  expect(set(SOL_SOCKET, SO_LINGER, int(1, 0))).toBe(0);
  expect(set(6, TCP_MAXSEG, int(10))).toBe(EINVAL);
  expect(set(6, TCP_KEEPIDLE, int(-1))).toBe(EINVAL);
  expect(set(6, 99, int(1))).toBe(ENOPROTOOPT);
  expect(set(41, 1, int(1))).toBe(ENOPROTOOPT);
  expect(set(SOL_SOCKET, SO_REUSEADDR, new Uint8Array(2))).toBe(EINVAL);
  so.so_error = 61;
  expect([get(SOL_SOCKET, SO_ERROR), get(SOL_SOCKET, SO_ERROR)]).toEqual([61, 0]);
});

test('SOCK-8: connecting nowhere, to ourselves, or twice', () => {
  const p = pair();
  const so = p.a.so(p.a.stream());
  const { calls } = p.a.net;
  expect(calls.connect(so, { addr: 0x0b00_0001, port: 1 })).toBe(EHOSTUNREACH);
  expect(calls.connect(so, { addr: A, port: 1 })).toBe(EADDRNOTAVAIL);
  expect(calls.connect(so, { addr: 0xe000_0001, port: 1 })).toBe(EADDRNOTAVAIL);
  expect(calls.connect(so, { addr: B, port: 0 })).toBe(EADDRNOTAVAIL);
  const { client } = connected(p);
  expect(calls.connect(p.a.so(client), { addr: B, port: 80 })).toBe(EISCONN);
});

test('SOCK-9: a smaller receive buffer is a smaller window, and never takes back what was offered', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.write(client, pattern(20_000));
  p.wire.run(1);
  p.b.so(server).so_rcv.sb_hiwat = 4096;
  p.a.write(client, pattern(60_000));
  p.wire.run(5);
  expect(p.b.so(server).so_rcv.sb_cc).toBeLessThanOrEqual(SB_MAX);
  const tp = p.b.tcb(server);
  expect(((tp?.rcv_adv ?? 0) - (tp?.rcv_nxt ?? 0)) | 0).toBeGreaterThanOrEqual(0);
});
