import { expect, test } from 'vitest';
import { ECONNREFUSED, ECONNRESET, ETIMEDOUT } from '../src/errno.ts';
import { SS_CANTRCVMORE, SS_ISCONNECTED } from '../src/socket-var.ts';
import { TH_ACK, TH_FIN, TH_RST, TH_SYN } from '../src/tcp-header.ts';
import { tcpShutdown } from '../src/tcp-usrreq.ts';
import {
  TCPS_CLOSE_WAIT,
  TCPS_CLOSING,
  TCPS_ESTABLISHED,
  TCPS_FIN_WAIT_1,
  TCPS_FIN_WAIT_2,
  TCPS_LAST_ACK,
  TCPS_TIME_WAIT,
} from '../src/tcp-var.ts';
import { segmentOf } from './frames.ts';
import { A, B, connected, pair, pattern } from './pair.ts';
import { Peer } from './peer.ts';

test('TCP-2: three segments make a connection; MSS, scale and timestamps are agreed on', () => {
  const p = pair();
  const { client, server } = connected(p);
  const a = p.a.tcb(client);
  const b = p.b.tcb(server);
  expect(a?.t_state).toBe(TCPS_ESTABLISHED);
  expect(b?.t_state).toBe(TCPS_ESTABLISHED);
  expect([a?.t_maxseg, b?.t_maxseg]).toEqual([1460, 1460]);
  expect([a?.snd_scale, a?.rcv_scale, b?.snd_scale, b?.rcv_scale]).toEqual([1, 1, 1, 1]);
});

test('TCP-2: a peer without options gets segments of 536 bytes, no scale and no timestamps', () => {
  const peer = new Peer();
  const listener = peer.host.listen(80);
  peer.send({ flags: TH_SYN });
  peer.run(0.01);
  const [synAck] = peer.take();
  expect(synAck).toMatchObject({ flags: TH_SYN | TH_ACK, mss: 1460, wscale: -1, hasTs: false });
  peer.seq++;
  peer.ack = (synAck?.seq ?? 0) + 1;
  peer.send({ flags: TH_ACK });
  const server = peer.host.accept(listener);
  peer.host.write(server, pattern(1200));
  expect(peer.take().map((s) => s.data.length)).toEqual([536, 536, 128]);
});

test('TCP-3: nobody listens: the SYN is answered by a reset, and connect fails', () => {
  const p = pair();
  const client = p.a.connect(B, 81);
  p.wire.run(1, () => p.a.tcb(client) === undefined);
  expect(p.a.so(client).so_error).toBe(ECONNREFUSED);
  p.a.close(client);
  expect(p.a.counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
});

test('TCP-4: a SYN that nobody answers goes again after 1, 2, 4 … s and is given up after three minutes', () => {
  const p = pair();
  const at: number[] = [];
  p.wire.filter = (frame, from) => {
    if (from === 0 && segmentOf(frame) !== undefined) at.push(p.sim.now_ns / 1e9);
    return segmentOf(frame) !== undefined;
  };
  const start = p.sim.now_ns / 1e9;
  const client = p.a.connect(B, 80);
  expect(p.wire.run(400, () => p.a.tcb(client) === undefined)).toBe(true);
  expect(p.sim.now_ns / 1e9 - start).toBeGreaterThanOrEqual(180);
  expect(p.a.so(client).so_error).toBe(ETIMEDOUT);
  const gaps = at.slice(1).map((t, i) => Math.round(t - (at[i] as number)));
  expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 64]);
});

test('TCP-5: simultaneous open: two SYNs that cross make one connection', () => {
  const p = pair();
  const left = p.a.stream();
  const right = p.b.stream();
  for (const [host, so, port, to, peerPort] of [
    [p.a, left, 5000, B, 6000],
    [p.b, right, 6000, A, 5000],
  ] as const) {
    host.net.calls.bind(host.so(so), { addr: 0, port });
    expect(host.net.calls.connect(host.so(so), { addr: to, port: peerPort })).toBe(0);
  }
  const both = () => [p.a.tcb(left)?.t_state, p.b.tcb(right)?.t_state];
  p.wire.run(5, () => both().every((state) => state === TCPS_ESTABLISHED));
  expect(both()).toEqual([TCPS_ESTABLISHED, TCPS_ESTABLISHED]);
  p.a.write(left, pattern(5000));
  p.wire.run(1);
  expect(p.b.read(right)).toEqual(pattern(5000));
});

test('TCP-6: an orderly close: data, then FIN, each way; who closed first waits in TIME-WAIT', () => {
  const p = pair();
  const { client, server, listener } = connected(p);
  p.a.write(client, pattern(3000));
  p.a.close(client);
  p.wire.run(1);
  expect(p.b.read(server)).toEqual(pattern(3000));
  expect(p.b.so(server).so_state & SS_CANTRCVMORE).not.toBe(0);
  expect(p.b.tcb(server)?.t_state).toBe(TCPS_CLOSE_WAIT);
  expect(p.a.net.tcp.all().map((tp) => tp.t_state)).toEqual([TCPS_FIN_WAIT_2]);
  p.b.close(server);
  p.wire.run(1);
  expect(p.a.net.tcp.all().map((tp) => tp.t_state)).toEqual([TCPS_TIME_WAIT]);
  expect(p.a.counts().sockets).toBe(0);
  p.b.close(listener);
  expect(p.b.counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
  p.wire.run(61);
  expect(p.a.counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
});

test('TCP-7: simultaneous close: both go through CLOSING to TIME-WAIT', () => {
  const p = pair();
  const { client, server, listener } = connected(p);
  p.wire.run(1);
  const seen = new Set<number>();
  p.a.close(client);
  p.b.close(server);
  p.wire.run(2, () => {
    for (const tp of [...p.a.net.tcp.all(), ...p.b.net.tcp.all()]) seen.add(tp.t_state);
    return false;
  });
  expect(seen).toContain(TCPS_CLOSING);
  expect(p.a.net.tcp.all().map((tp) => tp.t_state)).toEqual([TCPS_TIME_WAIT]);
  p.b.close(listener);
  p.wire.run(61);
  expect([p.a.counts().tcbs, p.b.counts().tcbs]).toEqual([0, 0]);
});

test('TCP-8: half close: after shutdown the other way still carries data', () => {
  const p = pair();
  const { client, server } = connected(p);
  expect(tcpShutdown(p.a.net.tcp, p.a.so(client))).toBe(0);
  p.wire.run(1);
  expect(p.a.tcb(client)?.t_state).toBe(TCPS_FIN_WAIT_2);
  p.b.write(server, pattern(20_000));
  p.wire.run(2);
  expect(p.a.read(client)).toEqual(pattern(20_000));
  // Somebody still reads: FIN-WAIT-2 is not timed.
  p.wire.run(100);
  expect(p.a.tcb(client)?.t_state).toBe(TCPS_FIN_WAIT_2);
  p.b.close(server);
  p.wire.run(1);
  expect(p.a.tcb(client)).toBeUndefined();
});

test('TCP-9: an orphan in FIN-WAIT-2 waits 60 s and no longer', () => {
  const p = pair();
  const { client } = connected(p);
  p.a.close(client);
  p.wire.run(55);
  expect(p.a.counts().tcbs).toBe(1);
  p.wire.run(10);
  expect(p.a.counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
});

test('TCP-10: closing with unread data, or data for a closed socket, is answered by a reset', () => {
  const p = pair();
  const first = connected(p);
  p.a.write(first.client, pattern(10));
  p.wire.run(1);
  p.b.close(first.server);
  p.wire.run(1);
  expect(p.a.so(first.client).so_error).toBe(ECONNRESET);

  p.b.close(first.listener);
  const { client, server } = connected(p);
  p.b.close(server);
  p.wire.run(1);
  p.a.write(client, pattern(10));
  p.wire.run(1);
  expect(p.a.so(client).so_error).toBe(ECONNRESET);
  expect(p.b.net.tcp.all().filter((tp) => tp.t_fport !== 0)).toEqual([]);
});

test('TCP-11: a FIN that is lost goes again; LAST-ACK ends with its acknowledgement', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.close(client);
  p.wire.run(1);
  let lost = 0;
  p.wire.filter = (frame, from) => {
    const fin = ((segmentOf(frame)?.flags ?? 0) & TH_FIN) !== 0;
    return from === 1 && fin && lost++ < 2;
  };
  p.b.close(server);
  p.wire.run(0.5);
  expect(p.b.net.tcp.all().some((tp) => tp.t_state === TCPS_LAST_ACK)).toBe(true);
  p.wire.run(5);
  expect(lost).toBe(3);
  expect(p.b.net.tcp.all().some((tp) => tp.t_state === TCPS_LAST_ACK)).toBe(false);
});

test('TCP-12: a SYN that is newer than a connection in TIME-WAIT starts another one', () => {
  const peer = new Peer();
  const { listener, server } = peer.open({ ts: [100, 0] });
  peer.host.close(server);
  const fin = peer.take().at(-1);
  peer.send({ flags: TH_FIN | TH_ACK, ack: ((fin?.seq ?? 0) + 1) >>> 0 });
  expect(peer.host.net.tcp.all().some((tp) => tp.t_state === TCPS_TIME_WAIT)).toBe(true);
  peer.take();
  peer.send({ flags: TH_SYN, seq: peer.seq - 500, ts: [50, 0] });
  expect(peer.take()[0]?.flags).toBe(TH_ACK);
  peer.send({ flags: TH_SYN, seq: peer.seq - 500, ts: [500, 0] });
  expect(peer.take()[0]?.flags).toBe(TH_SYN | TH_ACK);
  peer.host.close(listener);
});

test('TCP-13: an abortive close sends a reset and forgets', () => {
  const p = pair();
  const { client, server } = connected(p);
  p.a.so(client).so_abort = 1;
  p.a.close(client);
  expect(p.a.counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
  p.wire.run(1);
  expect(p.b.so(server).so_error).toBe(ECONNRESET);
  expect(p.b.so(server).so_state & SS_ISCONNECTED).toBe(0);
});

test('TCP-14: FIN-WAIT-1 and a FIN out of order: the gap is filled first', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.send({ flags: TH_FIN | TH_ACK, seq: peer.seq + 3, data: Uint8Array.of(4) });
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_ESTABLISHED);
  peer.host.write(server, Uint8Array.of(0));
  tcpShutdown(peer.host.net.tcp, peer.host.so(server));
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_FIN_WAIT_1);
  peer.send({ flags: TH_ACK, data: Uint8Array.of(1, 2, 3) });
  expect([...peer.host.read(server)]).toEqual([1, 2, 3, 4]);
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_CLOSING);
  expect(peer.take().at(-1)).toMatchObject({ ack: peer.seq + 5 });
});

test('TCP-15: a reset in the handshake ends it; segments for no connection are answered as the standard says', () => {
  const peer = new Peer();
  peer.send({ flags: TH_ACK, ack: 77 });
  expect(peer.take()).toMatchObject([{ flags: TH_RST, seq: 77 }]);
  peer.send({ flags: TH_SYN, data: Uint8Array.of(1, 2) });
  expect(peer.take()).toMatchObject([{ flags: TH_RST | TH_ACK, seq: 0, ack: peer.seq + 3 }]);
  peer.send({ flags: TH_RST });
  expect(peer.take()).toEqual([]);
  const listener = peer.host.listen(80);
  peer.send({ flags: TH_SYN });
  const [synAck] = peer.take();
  peer.send({ flags: TH_RST, seq: peer.seq + 1 });
  peer.send({ flags: TH_ACK, seq: peer.seq + 1, ack: (synAck?.seq ?? 0) + 1 });
  expect(peer.take()).toMatchObject([{ flags: TH_RST }]);
  expect(peer.host.accept(listener)).toBe(0);
});
