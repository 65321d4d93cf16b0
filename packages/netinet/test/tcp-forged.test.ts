import { expect, test } from 'vitest';
import { ECONNRESET } from '../src/errno.ts';
import { TH_ACK, TH_RST, TH_SYN } from '../src/tcp-header.ts';
import { CHALLENGE_MAX, TCPS_ESTABLISHED } from '../src/tcp-var.ts';
import { Peer } from './peer.ts';

test('TCP-40: only a RST with the next number resets; another one in the window is challenged, one outside is dropped', () => {
  const peer = new Peer();
  const { server } = peer.open();
  const { host } = peer;
  peer.send({ flags: TH_RST, seq: peer.seq + 100 });
  const [challenge] = peer.take();
  expect(challenge).toMatchObject({ flags: TH_ACK, ack: peer.seq, seq: peer.ack });
  peer.send({ flags: TH_RST, seq: peer.seq - 1 });
  peer.send({ flags: TH_RST, seq: peer.seq + 0x100_0000 });
  expect(peer.take()).toEqual([]);
  expect(host.tcb(server)?.t_state).toBe(TCPS_ESTABLISHED);
  peer.send({ flags: TH_RST });
  expect(host.tcb(server)).toBeUndefined();
  expect(host.so(server).so_error).toBe(ECONNRESET);
  host.close(server);
});

test('TCP-41: a SYN on a connection is answered by a challenge, whatever its number', () => {
  const peer = new Peer();
  const { server } = peer.open();
  for (const seq of [peer.seq, peer.seq + 5, peer.seq - 100_000]) {
    peer.send({ flags: TH_SYN, seq });
    expect(peer.take()).toMatchObject([{ flags: TH_ACK, ack: peer.seq }]);
  }
  expect(peer.host.tcb(server)?.t_state).toBe(TCPS_ESTABLISHED);
});

test('TCP-42: an ACK of what was never sent, or of what is long past, is challenged and its data dropped', () => {
  const peer = new Peer();
  const { server } = peer.open();
  for (const ack of [peer.ack + 1, peer.ack - 0x20_0000]) {
    peer.send({ flags: TH_ACK, ack, data: Uint8Array.of(1, 2, 3) });
    expect(peer.take()).toMatchObject([{ flags: TH_ACK, ack: peer.seq }]);
  }
  expect(peer.host.read(server).length).toBe(0);
});

test('TCP-43: challenges are limited to ten in five seconds', () => {
  const peer = new Peer();
  peer.open();
  for (let i = 0; i < 50; i++) peer.send({ flags: TH_SYN });
  expect(peer.take().length).toBe(CHALLENGE_MAX);
  peer.run(6);
  peer.send({ flags: TH_SYN });
  expect(peer.take().length).toBe(1);
});

test('TCP-44: PAWS: a segment with an older timestamp is dropped and answered, a RST is not looked at for it', () => {
  const peer = new Peer();
  const { server } = peer.open({ ts: [5000, 0] });
  const echo = peer.ts?.[1] as number;
  peer.send({ flags: TH_ACK, ts: [6000, echo], data: Uint8Array.of(1) });
  peer.seq++;
  peer.take();
  peer.send({ flags: TH_ACK, ts: [5999, echo], data: Uint8Array.of(2) });
  expect(peer.take()).toMatchObject([{ flags: TH_ACK, ack: peer.seq, tsecr: 6000 }]);
  peer.send({ flags: TH_ACK, data: Uint8Array.of(2), ts: undefined as never });
  peer.send({ flags: TH_ACK, ts: [6000, echo], data: Uint8Array.of(3) });
  expect([...peer.host.read(server)]).toEqual([1, 3]);
  peer.send({ flags: TH_RST, seq: peer.seq + 1, ts: [1, echo] });
  expect(peer.host.tcb(server)).toBeUndefined();
});

test('TCP-44: after 24 days of silence a timestamp says nothing', () => {
  const peer = new Peer();
  const { server } = peer.open({ ts: [5000, 0] });
  const echo = peer.ts?.[1] as number;
  // Time passes with nothing due: the clock alone moves.
  peer.sim.now_ns += 25 * 86_400e9;
  peer.send({ flags: TH_ACK, ts: [4000, echo], data: Uint8Array.of(7) });
  expect([...peer.host.read(server)]).toEqual([7]);
});

test('TCP-45: timestamps and sequence numbers wrap', () => {
  const peer = new Peer();
  peer.seq = 0xffff_fff0;
  const { server } = peer.open({ ts: [0xffff_ffff, 0] });
  const echo = peer.ts?.[1] as number;
  for (let i = 0; i < 40; i++) {
    peer.send({ flags: TH_ACK, ts: [(0xffff_ffff + i) >>> 0, echo], data: Uint8Array.of(i) });
    peer.seq = (peer.seq + 1) >>> 0;
  }
  expect([...peer.host.read(server)]).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

test('TCP-46: data beyond the window is cut off, a duplicate is answered and not delivered twice', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.send({ flags: TH_ACK, data: Uint8Array.of(1, 2, 3) });
  peer.send({ flags: TH_ACK, data: Uint8Array.of(1, 2, 3) });
  expect(peer.take().at(-1)).toMatchObject({ ack: peer.seq + 3 });
  peer.send({ flags: TH_ACK, seq: peer.seq + 1, data: Uint8Array.of(2, 3, 4, 5) });
  expect([...peer.host.read(server)]).toEqual([1, 2, 3, 4, 5]);
  peer.seq += 5;
  peer.send({ flags: TH_ACK, seq: peer.seq + 65536, data: Uint8Array.of(9) });
  peer.send({ flags: TH_ACK, seq: peer.seq + 65534, data: new Uint8Array(100).fill(8) });
  expect(peer.host.tcb(server)?.t_nreass).toBe(1);
  const { start, end } = peer.host.tcb(server)?.t_reass.at(0) ?? { start: 0, end: 0 };
  expect(end - start).toBeLessThanOrEqual(2);
});
