import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EDESTADDRREQ } from '../src/errno.ts';
import { IPPROTO_UDP, put16 } from '../src/in-addr.ts';
import { inCksum, pseudoSum } from '../src/in-cksum.ts';
import { SO_BROADCAST, SO_REUSEADDR } from '../src/socket-var.ts';
import { ipFrame } from './frames.ts';
import { A, B, pair, pattern } from './pair.ts';
import { Peer } from './peer.ts';

test('UDP-1: datagrams arrive whole, with who sent them, and are answered', () => {
  const p = pair();
  const left = p.a.datagram();
  const right = p.b.datagram();
  p.b.net.udp.bind(p.b.so(right), 0, 53);
  for (const length of [0, 1, 1472, 5000]) {
    expect(p.a.net.udp.send(p.a.so(left), B, 53, pattern(length))).toBe(0);
    p.wire.run(1);
    const got = p.b.net.sockets.takeDatagram(p.b.so(right));
    expect(got).toMatchObject({ addr: A, port: p.a.so(left).so_lport, bytes: pattern(length) });
    p.b.net.udp.send(p.b.so(right), A, got?.port ?? 0, pattern(9));
    p.wire.run(1);
    expect(p.a.net.sockets.takeDatagram(p.a.so(left))?.bytes).toEqual(pattern(9));
  }
});

test('UDP-2: a wrong checksum or length is dropped, no checksum is taken', () => {
  const peer = new Peer();
  const so = peer.host.datagram();
  peer.host.net.udp.bind(peer.host.so(so), 0, 9);
  const udp = Uint8Array.of(0, 7, 0, 9, 0, 12, 0, 0, 1, 2, 3, 4);
  const send = (): number => {
    peer.host.receive(ipFrame({ src: A, dst: B, proto: IPPROTO_UDP }, udp));
    return peer.host.so(so).so_rcv.sb_cc;
  };
  expect(send()).toBe(16);
  put16(udp, 6, inCksum(udp, 0, 12, pseudoSum(A, B, IPPROTO_UDP, 12)));
  expect(send()).toBe(32);
  udp[9] = 99;
  expect(send()).toBe(32);
  put16(udp, 6, 0);
  put16(udp, 4, 13);
  expect(send()).toBe(32);
  put16(udp, 4, 7);
  expect(send()).toBe(32);
});

test('UDP-3: a socket buffer that is full drops datagrams and stays whole', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 9000 }), { maxLength: 40 }), (lengths) => {
      const { a } = pair();
      const so = a.so(a.datagram());
      const kept: number[] = [];
      for (const length of lengths) {
        if (a.net.sockets.sbappendaddr(so, B, 1, pattern(length, length))) kept.push(length);
        if (kept.length > 5) {
          const first = kept.shift() as number;
          expect(a.net.sockets.takeDatagram(so)?.bytes).toEqual(pattern(first, first));
        }
      }
      for (const length of kept) {
        expect(a.net.sockets.takeDatagram(so)?.bytes).toEqual(pattern(length, length));
      }
      expect(a.net.sockets.takeDatagram(so)).toBeUndefined();
    }),
    { numRuns: 20 },
  );
});

test('UDP-4: ports are one socket’s, unless both say otherwise; broadcasts need leave', () => {
  const { a } = pair();
  const { udp } = a.net;
  const [first, second] = [a.so(a.datagram()), a.so(a.datagram())];
  expect(udp.bind(first, 0, 9)).toBe(0);
  expect(udp.bind(second, 0, 9)).toBe(EADDRINUSE);
  expect(udp.bind(second, B, 10)).toBe(EADDRNOTAVAIL);
  first.so_options = SO_REUSEADDR;
  second.so_options = SO_REUSEADDR;
  expect(udp.bind(second, 0, 9)).toBe(0);
  expect(udp.send(first, 0, 0, pattern(1))).toBe(EDESTADDRREQ);
  expect(udp.send(first, 0x0a00_00ff, 9, pattern(1))).toBe(EADDRNOTAVAIL);
  first.so_options |= SO_BROADCAST;
  expect(udp.send(first, 0x0a00_00ff, 9, pattern(1))).toBe(0);
});

test('UDP-5: a connected socket hears from its peer alone, and of a closed port', () => {
  const p = pair();
  const left = p.a.datagram();
  expect(p.a.net.calls.connect(p.a.so(left), { addr: B, port: 99 })).toBe(0);
  p.a.net.udp.send(p.a.so(left), 0, 0, pattern(4));
  p.wire.run(1);
  expect(p.a.so(left).so_error).toBe(ECONNREFUSED);
  const stranger = p.b.datagram();
  p.b.net.udp.send(p.b.so(stranger), A, p.a.so(left).so_lport, pattern(4));
  p.wire.run(1);
  expect(p.a.so(left).so_rcv.sb_cc).toBe(0);
});

test('UDP-6: a raw socket gets ICMP with its IP header', () => {
  const p = pair();
  const so = p.a.net.sockets.create(3, 1);
  if (so === undefined) throw new Error('no socket');
  const echo = Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1, 42);
  expect(p.a.net.udp.send(so, B, 0, echo)).toBe(0);
  p.wire.run(1);
  const got = p.a.net.sockets.takeDatagram(so);
  expect(got?.addr).toBe(B);
  expect(got?.bytes[0]).toBe(0x45);
  expect([...(got?.bytes.subarray(20) ?? [])].filter((_, i) => i !== 2 && i !== 3)).toEqual([
    0, 0, 0, 1, 0, 1, 42,
  ]);
});
