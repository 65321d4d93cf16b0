/* Whatever comes over the wire: nothing throws, nothing leaks, and who is honest is still served. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ETHER_HDR_LEN } from '../src/ether.ts';
import { put16 } from '../src/in-addr.ts';
import { inCksum } from '../src/in-cksum.ts';
import { IP_HEADROOM } from '../src/ip.ts';
import { TH_ACK, TH_SYN } from '../src/tcp-header.ts';
import { arpFrame, ipFrame, tcpFrame } from './frames.ts';
import { A, B, connected, pair, pattern } from './pair.ts';
import { Peer, PORT } from './peer.ts';

const mutated = (frame: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      flips: fc.array(fc.tuple(fc.nat({ max: 79 }), fc.nat({ max: 255 })), { maxLength: 4 }),
      cut: fc.nat({ max: frame.length }),
      keep: fc.boolean(),
      fix: fc.boolean(),
    })
    .map(({ flips, cut, keep, fix }) => {
      const bytes = frame.slice(0, keep ? frame.length : cut);
      for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
      // With the header's checksum right the damage gets further in.
      if (fix && bytes.length >= IP_HEADROOM) {
        const h = bytes.subarray(ETHER_HDR_LEN);
        const hlen = Math.min(h.length, Math.max(20, ((h[0] as number) & 15) * 4));
        put16(h, 10, 0);
        put16(h, 10, inCksum(h, 0, hlen));
      }
      return bytes;
    });

const samples: readonly Uint8Array[] = [
  arpFrame({ op: 1, from: A, to: B }),
  arpFrame({ op: 2, from: A, to: B }),
  ipFrame({ src: A, dst: B, proto: 1 }, Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4)),
  ipFrame({ src: A, dst: B, proto: 17 }, pattern(40)),
  ipFrame({ src: A, dst: B, proto: 17, off: 0x2000 }, pattern(64)),
  ipFrame({ src: A, dst: B, proto: 17, off: 0x2008 }, pattern(64)),
  ipFrame({ src: A, dst: B, proto: 17, off: 0x0010 }, pattern(10)),
  tcpFrame({
    src: A,
    dst: B,
    sport: PORT,
    dport: 80,
    seq: 1,
    flags: TH_SYN,
    mss: 1460,
    wscale: 3,
    ts: [1, 0],
  }),
  tcpFrame({
    src: A,
    dst: B,
    sport: PORT,
    dport: 80,
    seq: 1,
    ack: 5,
    flags: TH_ACK,
    data: pattern(100),
  }),
  ipFrame({ src: A, dst: B, proto: 1 }, Uint8Array.of(3, 4, 0, 0, 0, 0, 5, 0x14, ...pattern(28))),
];

const junk = fc.oneof(...samples.map(mutated), fc.uint8Array({ maxLength: 200 }));

test('NET-1: malformed frames: nothing throws, nothing leaks', () => {
  fc.assert(
    fc.property(fc.array(junk, { minLength: 1, maxLength: 60 }), (frames) => {
      const peer = new Peer();
      const listener = peer.host.listen(80);
      for (const frame of frames) {
        // What the card flagged as checked gets by the checksum.
        peer.host.receive(frame, 2);
        peer.run(0.05);
      }
      peer.run(200);
      peer.host.close(listener);
      peer.run(200);
      const { mbufs, sockets } = peer.host.counts();
      expect({ mbufs, sockets }).toEqual({ mbufs: 0, sockets: 0 });
    }),
    { numRuns: 30 },
  );
});

test('NET-2: segments of every shape into a connection: it lives, or it is over; no timer and no byte is left behind', () => {
  const segment = fc.record({
    seq: fc.oneof(
      fc.integer({ min: -5, max: 200 }),
      fc.integer({ min: -70_000, max: 70_000 }),
      fc.nat({ max: 0xffff_ffff }),
    ),
    ack: fc.oneof(fc.integer({ min: -5, max: 600 }), fc.nat({ max: 0xffff_ffff })),
    flags: fc.nat({ max: 63 }),
    wnd: fc.oneof(fc.constant(0), fc.nat({ max: 65535 })),
    length: fc.nat({ max: 300 }),
    ts: fc.option(fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 0xffff_ffff })), { nil: undefined }),
    wait_ms: fc.oneof(fc.constant(0), fc.nat({ max: 3000 })),
    write: fc.nat({ max: 100 }),
  });
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(segment, { minLength: 1, maxLength: 40 }),
      (stamped, segments) => {
        const peer = new Peer();
        const { server, listener } = peer.open(stamped ? { ts: [100, 0], wscale: 2 } : {});
        for (const s of segments) {
          if (s.write > 0) peer.host.write(server, pattern(s.write));
          const { seq, ack, flags, wnd } = s;
          const ts = stamped && s.ts !== undefined ? { ts: s.ts } : {};
          peer.send({
            seq: peer.seq + seq,
            ack: peer.ack + ack,
            flags,
            wnd,
            data: pattern(s.length),
            ...ts,
          });
          peer.host.read(server);
          if (s.wait_ms > 0) peer.run(s.wait_ms / 1e3);
          const tp = peer.host.tcb(server);
          if (tp === undefined) break;
          expect((tp.snd_nxt - tp.snd_una) | 0).toBeGreaterThanOrEqual(0);
          expect((tp.snd_max - tp.snd_nxt) | 0).toBeGreaterThanOrEqual(0);
          expect((tp.rcv_adv - tp.rcv_nxt) | 0).toBeGreaterThanOrEqual(0);
        }
        peer.host.close(server);
        peer.host.close(listener);
        peer.run(1000);
        expect(peer.host.counts()).toEqual({ mbufs: 0, sockets: 0, tcbs: 0 });
        expect(peer.host.kern.callout.firstDue).toBe(Number.POSITIVE_INFINITY);
      },
    ),
    { numRuns: 30 },
  );
});

test('NET-3: an honest connection goes on while junk rains on both hosts', () => {
  fc.assert(
    fc.property(fc.array(junk, { minLength: 20, maxLength: 60 }), (frames) => {
      const p = pair();
      const { client, server } = connected(p);
      const bytes = pattern(50_000);
      let sent = 0;
      const got: number[] = [];
      let at = 0;
      p.wire.run(600, () => {
        sent += p.a.write(client, bytes.subarray(sent));
        got.push(...p.b.read(server));
        const frame = frames[at++ % frames.length] as Uint8Array;
        // Junk may not claim to be a neighbour's ARP: the wire is trusted for that much.
        if (frame[12] !== 8 || frame[13] !== 6) p.b.receive(frame);
        return got.length === bytes.length;
      });
      expect(Uint8Array.from(got)).toEqual(bytes);
    }),
    { numRuns: 15 },
  );
});
