import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ETHER_HDR_LEN } from '../src/ether.ts';
import { IFCAP_CSUM_TX } from '../src/ifnet.ts';
import { get16, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, put16 } from '../src/in-addr.ts';
import { inCksum } from '../src/in-cksum.ts';
import { IP_HEADROOM } from '../src/ip.ts';
import { IPQ_MBUFS_MAX } from '../src/ip-reass.ts';
import { M_CSUM_BLANK } from '../src/mbuf.ts';
import { ipFrame } from './frames.ts';
import { A, B, connected, pair, pattern } from './pair.ts';
import { Peer } from './peer.ts';

/** A UDP packet, without a checksum, cut into fragments of `size` bytes. */
const fragments = (bytes: Uint8Array, size: number, id: number, dport = 9): Uint8Array[] => {
  const udp = new Uint8Array(8 + bytes.length);
  put16(udp, 0, 7);
  put16(udp, 2, dport);
  put16(udp, 4, udp.length);
  udp.set(bytes, 8);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < udp.length; at += size) {
    const off = at / 8 + (at + size < udp.length ? 0x2000 : 0);
    frames.push(
      ipFrame({ src: A, dst: B, proto: IPPROTO_UDP, id, off }, udp.subarray(at, at + size)),
    );
  }
  return frames;
};

const listening = (): { peer: Peer; so: number } => {
  const peer = new Peer();
  const so = peer.host.datagram();
  peer.host.net.udp.bind(peer.host.so(so), 0, 9);
  return { peer, so };
};

test('IP-1: fragments in any order, and twice, make the datagram; nothing is left over', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6000 }),
      fc.integer({ min: 1, max: 180 }),
      fc.infiniteStream(fc.nat()),
      (length, size, order) => {
        const { peer, so } = listening();
        const bytes = pattern(length);
        const parts = fragments(bytes, size * 8, 42);
        if (parts.length > IPQ_MBUFS_MAX) return;
        const shuffled = [...parts, ...parts.slice(0, -1)]
          .map((frame) => ({ frame, key: order.next().value as number }))
          .sort((x, y) => x.key - y.key);
        for (const { frame } of shuffled) peer.host.receive(frame);
        const got = peer.host.net.sockets.takeDatagram(peer.host.so(so));
        expect(got?.bytes).toEqual(bytes);
        peer.run(31);
        expect(peer.host.counts().mbufs).toBe(0);
      },
    ),
    { numRuns: 40 },
  );
});

test('IP-2: fragments that overlap, or reach beyond the last, end the datagram', () => {
  const payload = pattern(64);
  const bad: [number, boolean, number][][] = [
    [
      [0, true, 64],
      [32, true, 64],
    ],
    [
      [64, false, 10],
      [64, false, 16],
    ],
    [
      [128, true, 64],
      [0, true, 64],
      [64, false, 8],
    ],
    [[0, true, 61]],
    [[65528, false, 60]],
  ];
  for (const parts of bad) {
    const { peer } = listening();
    for (const [at, more, length] of parts) {
      const off = at / 8 + (more ? 0x2000 : 0);
      peer.host.receive(
        ipFrame({ src: A, dst: B, proto: 17, id: 7, off }, payload.subarray(0, length)),
      );
    }
    expect(peer.host.net.ip.reass.d.ips_fragdropped).toBeGreaterThan(0);
    expect(peer.host.net.ip.reass.d.ips_reassembled).toBe(0);
    peer.run(31);
    expect(peer.host.counts().mbufs).toBe(0);
  }
});

test('IP-3: fragments wait 30 s; the sender is told when the first one was there', () => {
  const { peer } = listening();
  const [first] = fragments(pattern(3000), 800, 1);
  const [, second] = fragments(pattern(3000), 800, 2);
  peer.host.receive(first as Uint8Array);
  peer.host.receive(second as Uint8Array);
  expect(peer.host.counts().mbufs).toBe(2);
  peer.run(32);
  expect(peer.host.counts().mbufs).toBe(0);
  const told = peer.frames.map((frame) => frame.subarray(IP_HEADROOM));
  expect(told.map((icmp) => [icmp[0], icmp[1]])).toEqual([[11, 1]]);
  expect(get16(told[0] as Uint8Array, 8 + 4)).toBe(1);
});

test('IP-4: however many fragments come, they hold no more than their share of the mbufs', () => {
  const { peer } = listening();
  for (let id = 0; id < 500; id++) {
    peer.host.receive(fragments(pattern(3000), 800, id)[0] as Uint8Array);
    expect(peer.host.counts().mbufs).toBeLessThanOrEqual(IPQ_MBUFS_MAX);
  }
  peer.run(40);
  expect(peer.host.counts().mbufs).toBe(0);
});

test('IP-5: a large datagram leaves in fragments that the other side puts together', () => {
  const p = pair();
  const so = p.b.datagram();
  p.b.net.udp.bind(p.b.so(so), 0, 9);
  const bytes = pattern(5000);
  p.a.net.udp.output({ src: A, sport: 1, dst: B, dport: 9 }, bytes);
  p.wire.run(1);
  p.a.net.udp.output({ src: A, sport: 1, dst: B, dport: 9 }, bytes);
  p.wire.run(1);
  expect(p.b.net.sockets.takeDatagram(p.b.so(so))?.bytes).toEqual(bytes);
});

test('IP-6: what is not for us, from nobody, source-routed or broken is dropped', () => {
  const { peer, so } = listening();
  const [good] = fragments(pattern(10), 800, 1) as [Uint8Array];
  const wrong = (change: (h: Uint8Array) => void): Uint8Array => {
    const frame = good.slice();
    const h = frame.subarray(ETHER_HDR_LEN);
    change(h);
    put16(h, 10, 0);
    put16(h, 10, inCksum(h, 0, 20));
    return frame;
  };
  peer.host.receive(wrong((h) => h.set([10, 0, 0, 99], 16)));
  peer.host.receive(wrong((h) => h.set([127, 0, 0, 1], 12)));
  peer.host.receive(wrong((h) => h.set([10, 0, 0, 255], 12)));
  peer.host.receive(wrong((h) => h.set([0x65], 0)));
  peer.host.receive(wrong((h) => h.set([0x44], 0)));
  peer.host.receive(wrong((h) => put16(h, 2, 5000)));
  const everybody = good.slice();
  everybody.fill(0xff, 0, 6);
  peer.host.receive(everybody);
  const sum = good.slice();
  sum[ETHER_HDR_LEN + 10] = (sum[ETHER_HDR_LEN + 10] as number) ^ 1;
  peer.host.receive(sum);
  expect(peer.host.so(so).so_rcv.sb_cc).toBe(0);
  peer.host.receive(good);
  expect(peer.host.so(so).so_rcv.sb_cc).toBeGreaterThan(0);
});

test('IP-7: with checksum offload the field holds the pseudo-header alone, and the packet says so', () => {
  const p = pair({}, 1, { capenable: IFCAP_CSUM_TX }, { capenable: IFCAP_CSUM_TX });
  const flags = new Set<number>();
  const send = p.a.hardware.send;
  p.a.hardware.send = (frame, csum) => {
    if (frame[12] === 8 && frame[13] === 0) flags.add(csum & M_CSUM_BLANK);
    send(frame, csum);
  };
  const { client, server } = connected(p);
  p.a.write(client, pattern(5000));
  p.wire.run(1);
  expect(p.b.read(server)).toEqual(pattern(5000));
  expect([...flags]).toEqual([M_CSUM_BLANK]);
});

test('IP-8: a packet that waited for ARP while checksum offload went away leaves with its checksum', () => {
  const p = pair({}, 1, { capenable: IFCAP_CSUM_TX });
  const so = p.b.datagram();
  p.b.net.udp.bind(p.b.so(so), 0, 9);
  p.a.net.udp.output({ src: A, sport: 1, dst: B, dport: 9 }, pattern(100));
  expect(p.a.counts().mbufs).toBe(1);
  p.a.net.ifnets.at(p.a.ifp).if_capenable = 0;
  const csums: number[] = [];
  p.a.hardware.send = ((send) => (frame: Uint8Array, csum: number) => {
    csums.push(csum);
    send(frame, 0);
  })(p.a.hardware.send);
  p.wire.run(1);
  expect(p.b.net.sockets.takeDatagram(p.b.so(so))?.bytes).toEqual(pattern(100));
  expect(p.b.net.udp.d.udps_badsum).toBe(0);
  expect(csums).toEqual([0]);
});

test.each([
  ['TCP', IPPROTO_TCP, 16, 0],
  ['UDP', IPPROTO_UDP, 6, 0xffff],
])(
  'IP-9: a %s checksum that comes to nothing is sent as its protocol has it, offloaded or not',
  (_, proto, csumAt, expected) => {
    const sent = (word: number, waited: boolean): number => {
      const p = pair({}, 1, { capenable: waited ? IFCAP_CSUM_TX : 0 });
      let checksum = -1;
      p.a.hardware.send = ((send) => (frame: Uint8Array, csum: number) => {
        if (frame[12] === 8 && frame[13] === 0) checksum = get16(frame, IP_HEADROOM + csumAt);
        send(frame, csum);
      })(p.a.hardware.send);
      const packet = new Uint8Array(IP_HEADROOM + 40).fill(7, IP_HEADROOM);
      put16(packet, IP_HEADROOM + 30, word);
      expect(p.a.net.ip.output(packet, { src: A, dst: B, proto, csumAt })).toBe(0);
      // It waits for an address, and what its interface can do is gone when that comes.
      p.a.net.ifnets.at(p.a.ifp).if_capenable = 0;
      p.wire.run(1);
      return checksum;
    };
    const base = sent(0, false);
    // What the checksum was, put into the data: the sum is all ones then.
    for (const waited of [false, true]) expect(sent(base, waited)).toBe(expected);
  },
);

test('ICMP-1: an echo request is answered with its own bytes; one to everybody is not', () => {
  const peer = new Peer();
  const echo = Uint8Array.of(8, 0, 0, 0, 0x12, 0x34, 0, 7, ...pattern(56));
  put16(echo, 2, inCksum(echo, 0, echo.length));
  peer.host.receive(ipFrame({ src: A, dst: B, proto: IPPROTO_ICMP }, echo));
  const reply = peer.frames.splice(0)[0]?.subarray(IP_HEADROOM) as Uint8Array;
  expect([...reply.subarray(0, 2), ...reply.subarray(4)]).toEqual([0, 0, ...echo.subarray(4)]);
  expect(inCksum(reply, 0, reply.length)).toBe(0);
  const everybody = ipFrame({ src: A, dst: 0x0a00_00ff, proto: IPPROTO_ICMP }, echo);
  everybody.fill(0xff, 0, 6);
  peer.host.receive(everybody);
  expect(peer.frames).toEqual([]);
});

test('ICMP-2: a closed UDP port and an unknown protocol are reported, quoting the packet; a hundred a second at most', () => {
  const peer = new Peer();
  const [frame] = fragments(pattern(20), 800, 3, 4444) as [Uint8Array];
  peer.host.receive(frame);
  const told = peer.frames.splice(0)[0]?.subarray(IP_HEADROOM) as Uint8Array;
  expect([told[0], told[1]]).toEqual([3, 3]);
  expect(told.subarray(8)).toEqual(frame.subarray(ETHER_HDR_LEN));
  peer.host.receive(ipFrame({ src: A, dst: B, proto: 99 }, pattern(20)));
  expect([...(peer.frames.splice(0)[0] ?? []).slice(IP_HEADROOM, IP_HEADROOM + 2)]).toEqual([3, 2]);
  for (let i = 0; i < 500; i++) peer.host.receive(frame);
  expect(peer.frames.length).toBe(98);
});

test('ICMP-3: an error is never answered by an error', () => {
  const peer = new Peer();
  const error = Uint8Array.of(3, 3, 0, 0, 0, 0, 0, 0, ...pattern(28));
  peer.host.net.icmp.error(
    3,
    3,
    ipFrame({ src: A, dst: B, proto: 1 }, error).subarray(ETHER_HDR_LEN),
  );
  expect(peer.frames).toEqual([]);
});

test('ICMP-4: "fragmentation needed" makes segments smaller, when it quotes what is outstanding', () => {
  const peer = new Peer();
  const { server } = peer.open();
  peer.host.write(server, pattern(4000));
  const sent = peer.frames.splice(0)[0] as Uint8Array;
  const report = (quoted: Uint8Array): void => {
    const icmp = Uint8Array.of(
      3,
      4,
      0,
      0,
      0,
      0,
      1000 >> 8,
      1000 & 255,
      ...quoted.subarray(ETHER_HDR_LEN, ETHER_HDR_LEN + 28),
    );
    put16(icmp, 2, inCksum(icmp, 0, icmp.length));
    peer.host.receive(ipFrame({ src: 0x0a00_0063, dst: B, proto: IPPROTO_ICMP }, icmp));
  };
  const forged = sent.slice();
  forged[IP_HEADROOM + 4] = (forged[IP_HEADROOM + 4] as number) ^ 0x55;
  report(forged);
  expect(peer.host.tcb(server)?.t_maxseg).toBe(1460);
  report(sent);
  expect(peer.host.tcb(server)?.t_maxseg).toBe(960);
  const again = peer.take();
  expect(again[0]).toMatchObject({ seq: peer.ack });
  expect(again.every((seg) => seg.data.length <= 960)).toBe(true);
});
