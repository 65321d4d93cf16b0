import { expect, test } from 'vitest';
import { TH_ACK, TH_SYN } from '../src/tcp-header.ts';
import { newIss } from '../src/tcp-secret.ts';
import { SYN_RXTSHIFT_MAX } from '../src/tcp-syncache.ts';
import { NSYNCACHE } from '../src/tcp-syncache-var.ts';
import { A, B, pair } from './pair.ts';
import { Peer } from './peer.ts';

test('TCP-20: a flood of SYNs takes no socket and no connection block; who completes the handshake is served', () => {
  const peer = new Peer();
  const listener = peer.host.listen(80);
  for (let i = 0; i < 1000; i++) peer.send({ flags: TH_SYN, sport: 1024 + i, seq: i * 7919 });
  expect(peer.host.counts()).toEqual({ mbufs: 0, sockets: 1, tcbs: 1 });
  expect(peer.host.net.tcp.stat.tcps_sc_overflowed).toBe(1000 - NSYNCACHE);
  peer.take();
  peer.send({ flags: TH_SYN, seq: 5 });
  const [synAck] = peer.take();
  peer.send({ flags: TH_ACK, seq: 6, ack: (synAck?.seq ?? 0) + 1 });
  expect(peer.host.accept(listener)).not.toBe(0);
});

test('TCP-21: a SYN|ACK that nobody acknowledges goes again four times, then the entry is gone', () => {
  const peer = new Peer();
  peer.host.listen(80);
  peer.send({ flags: TH_SYN });
  peer.run(120);
  expect(peer.take().length).toBe(1 + SYN_RXTSHIFT_MAX);
  expect(peer.host.net.tcp.stat.tcps_sc_timedout).toBe(1);
});

test('TCP-22: a full accept queue ignores the last ACK; the connection stands once there is room', () => {
  const p = pair();
  const listener = p.b.listen(80, 2);
  const clients = [1, 2, 3].map(() => p.a.connect(B, 80));
  p.wire.run(0.5);
  expect(p.b.so(listener).so_qlen).toBe(2);
  const first = p.b.accept(listener);
  expect(first).not.toBe(0);
  p.wire.run(10, () => p.b.so(listener).so_qlen === 2);
  expect(p.b.so(listener).so_qlen).toBe(2);
  p.b.close(listener);
  p.wire.run(2);
  // Who was waiting is told; who was accepted is not touched.
  expect(clients.filter((so) => p.a.tcb(so) !== undefined).length).toBe(1);
  expect(p.b.tcb(first)).toBeDefined();
});

test('TCP-23: initial sequence numbers differ by connection and follow the clock', () => {
  const p = pair();
  const tcp = p.a.net.tcp;
  const e = { laddr: A, lport: 1, faddr: B, fport: 2 };
  const first = newIss(tcp, e);
  expect(newIss(tcp, { ...e, fport: 3 })).not.toBe(first);
  p.wire.run(1);
  expect((newIss(tcp, e) - first) >>> 0).toBe(250_000);
});
