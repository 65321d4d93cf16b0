import { expect, test } from 'vitest';
import { ARP_HOLD_MAX } from '../src/arp.ts';
import { EHOSTDOWN } from '../src/errno.ts';
import { ETHER_HDR_LEN, ETHERTYPE_ARP, etherDst, etherType } from '../src/ether.ts';
import { get16, get32 } from '../src/in-addr.ts';
import { arpFrame, macOf } from './frames.ts';
import { A, B, pair } from './pair.ts';
import { Peer } from './peer.ts';

const isArp = (frame: Uint8Array): boolean => etherType(frame) === ETHERTYPE_ARP;
const isRequest = (frame: Uint8Array): boolean =>
  isArp(frame) && get16(frame, ETHER_HDR_LEN + 6) === 1;
const spa = (frame: Uint8Array): number => get32(frame, ETHER_HDR_LEN + 14);
const tpa = (frame: Uint8Array): number => get32(frame, ETHER_HDR_LEN + 24);

/** Sends a datagram of `n` bytes. */
const say = (p: ReturnType<typeof pair>, to: number, n: number): number =>
  p.a.net.udp.output({ src: A, sport: 1, dst: to, dport: 2 }, new Uint8Array(n));

test('ARP-1: a packet waits for the answer and then goes; of more than four the oldest are lost', () => {
  const p = pair();
  p.wire.run(3);
  const udp: number[] = [];
  let requests = 0;
  p.wire.filter = (frame, from) => {
    if (from === 0 && isRequest(frame)) requests++;
    if (from === 0 && !isArp(frame)) udp.push(frame.length);
    return false;
  };
  for (let n = 1; n <= ARP_HOLD_MAX + 2; n++) expect(say(p, B, n)).toBe(0);
  expect(p.a.counts().mbufs).toBe(ARP_HOLD_MAX);
  p.wire.run(0.1);
  expect(requests).toBe(1);
  expect(udp.map((length) => length - 42)).toEqual([3, 4, 5, 6]);
  expect(p.a.counts().mbufs).toBe(0);
});

test('ARP-2: a host that does not answer is asked five times, a second apart, then counts as down for 20 s', () => {
  const p = pair();
  p.wire.run(3);
  let requests = 0;
  p.wire.filter = (frame) => {
    if (isRequest(frame)) requests++;
    return false;
  };
  const nobody = 0x0a00_00c8;
  expect(say(p, nobody, 1)).toBe(0);
  p.wire.run(10);
  expect(requests).toBe(5);
  expect(p.a.counts().mbufs).toBe(0);
  expect(say(p, nobody, 1)).toBe(EHOSTDOWN);
  p.wire.run(20);
  expect(say(p, nobody, 1)).toBe(0);
  expect(requests).toBe(6);
});

test('ARP-2: asking for ever new addresses does not put off giving up the old ones', () => {
  const p = pair();
  p.wire.run(3);
  for (let i = 0; i < 20; i++) {
    say(p, 0x0a00_0080 + i, 1);
    p.wire.run(0.4);
  }
  expect(say(p, 0x0a00_0080, 1)).toBe(EHOSTDOWN);
  p.wire.run(10);
  expect(p.a.counts().mbufs).toBe(0);
  expect(p.a.kern.callout.firstDue).toBe(Number.POSITIVE_INFINITY);
});

test('ARP-3: an entry is learnt from who asks, brought up to date by any packet, and made for nobody else', () => {
  const peer = new Peer();
  const { host } = peer;
  const other = 0x0a00_0007;
  const moved = Uint8Array.of(2, 9, 9, 9, 9, 9);
  const sendTo = (to: number): Uint8Array | undefined => {
    host.net.udp.output({ src: B, sport: 1, dst: to, dport: 2 }, new Uint8Array(1));
    return peer.frames.splice(0)[0];
  };
  host.receive(arpFrame({ op: 1, from: A, to: A, mac: moved }));
  expect(etherDst(sendTo(A) as Uint8Array)).toEqual(moved);
  host.receive(arpFrame({ op: 1, from: other, to: other }));
  expect(sendTo(other)).toBeUndefined();
  // A sender that is not of this network, and one that is a group, are not learnt.
  host.receive(arpFrame({ op: 1, from: 0x0b00_0001, to: B }));
  host.receive(arpFrame({ op: 2, from: A, to: B, mac: Uint8Array.of(1, 0, 0, 0, 0, 1) }));
  expect(etherDst(sendTo(A) as Uint8Array)).toEqual(moved);
});

test('ARP-4: a request for our address is answered, also one from nobody (a probe)', () => {
  const peer = new Peer();
  const answers: Uint8Array[] = [];
  peer.host.hardware.send = (frame) => answers.push(frame);
  peer.host.receive(arpFrame({ op: 1, from: A, to: B }));
  peer.host.receive(arpFrame({ op: 1, from: 0, to: B, mac: macOf(A) }));
  peer.host.receive(arpFrame({ op: 1, from: A, to: 0x0a00_0009 }));
  expect(answers.map((frame) => [spa(frame), tpa(frame)])).toEqual([
    [B, A],
    [B, 0],
  ]);
});

test('ARP-5: an entry that is 20 minutes old is asked for again, by unicast, while it is used', () => {
  const p = pair();
  say(p, B, 1);
  p.wire.run(25 * 60);
  const seen: string[] = [];
  p.wire.filter = (frame, from) => {
    if (from === 0)
      seen.push(isArp(frame) ? `ask ${etherDst(frame)[0] === 0xff ? 'all' : 'one'}` : 'data');
    return false;
  };
  say(p, B, 1);
  p.wire.run(1);
  say(p, B, 1);
  expect(seen).toEqual(['ask one', 'data', 'data']);
});

test('ARP-7: whoever uses our address is told, not more than once in ten seconds', () => {
  const peer = new Peer();
  const defended: Uint8Array[] = [];
  peer.run(5);
  peer.host.hardware.send = (frame) => defended.push(frame);
  for (let i = 0; i < 5; i++) peer.host.receive(arpFrame({ op: 1, from: B, to: B, mac: macOf(A) }));
  expect(defended.map((frame) => [spa(frame), tpa(frame)])).toEqual([[B, B]]);
  expect(peer.host.net.arp.d.arp_conflicts).toBe(5);
  peer.run(11);
  peer.host.receive(arpFrame({ op: 1, from: B, to: B, mac: macOf(A) }));
  expect(defended.length).toBe(2);
});
