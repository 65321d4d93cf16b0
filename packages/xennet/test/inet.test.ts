/*
 * The driver with the real stack above it: what the two must agree on.
 */
import { Bridge, completed, type Frame, joinBridges } from '@port-xen/bridge';
import { MODES, TestGuest } from '@tooling/guest-testbed';
import { createHost, type TestHost } from '@tooling/testbed';
import { expect, test } from 'vitest';
import { inetKernel } from './inet-kernel.ts';
import { MAC } from './net-guest.ts';

const GUEST = [0x00, 0x16, 0x3e, 0, 0, 1];
const PEER = [0x00, 0x16, 0x3e, 0, 0, 9];
const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const ARP = [0x08, 0x06, 0, 1, 8, 0, 6, 4];
const ADDRESS = 0x0a00_0001;
const NETMASK = 0xffff_ff00;

/** Who has 10.0.0.1? asks 10.0.0.2. */
const arpRequest = Uint8Array.from([
  ...[...BROADCAST, ...PEER, ...ARP, 0, 1, ...PEER, 10, 0, 0, 2],
  ...[0, 0, 0, 0, 0, 0, 10, 0, 0, 1],
  ...new Array(18).fill(0),
]);

const checksum = (bytes: Uint8Array): [number, number] => {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] as number) << 8) + (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return [(~sum >> 8) & 255, ~sum & 255];
};

/** An echo request of so many bytes of data. */
const ping = (length: number, sequence: number): Uint8Array => {
  const icmp = new Uint8Array(8 + length).fill(0x5a, 8);
  icmp.set([8, 0, 0, 0, 0, 1, sequence >> 8, sequence & 255]);
  icmp.set(checksum(icmp), 2);
  const total = 20 + icmp.length;
  const ip = Uint8Array.from([
    ...[0x45, 0, total >> 8, total & 255, 0, sequence, 0, 0, 64, 1, 0, 0],
    ...[10, 0, 0, 2, 10, 0, 0, 1],
  ]);
  ip.set(checksum(ip), 10);
  return Uint8Array.from([...GUEST, ...PEER, 8, 0, ...ip, ...icmp]);
};

/** Somebody on the host's bridge. */
const listen = (host: TestHost) => {
  const heard: Frame[] = [];
  const port = host.xenbr0.attach('peer', { receive: (frame) => heard.push(frame) });
  const say = (bytes: Uint8Array, checksum: Frame['checksum'] = 'none'): void => {
    port.send({ bytes, checksum });
  };
  return { heard, say };
};

test.each(MODES)(
  'XENNET-9: with %s the address is announced when the back end is connected, and pings are answered',
  (_, options) => {
    let host = createHost({ mib: 64 });
    let peer = listen(host);
    const config = { nics: [{ devid: 0, mac: MAC, bridge: 'xenbr0' }] };
    const guest = new TestGuest(inetKernel(), { ...options, host, memoryMib: 16, config });
    host.runFor(50e6);
    guest.call('test_ifconfig', ADDRESS, NETMASK);
    for (let life = 0; life < 3; life++) {
      host.runFor(2.5e9);
      // Twice, two seconds apart: 10.0.0.1 is at …:01, to everybody.
      const announcement = [...BROADCAST, ...GUEST, ...ARP, 0, 1, ...GUEST, 10, 0, 0, 1];
      const announced = peer.heard.splice(0).map(({ bytes }) => [...bytes.subarray(0, 32)]);
      expect(announced).toEqual([announcement, announcement]);
      peer.say(arpRequest);
      host.runFor(1e6);
      expect(peer.heard.splice(0).map(({ bytes }) => [...bytes.subarray(20, 32)])).toEqual([
        [0, 2, ...GUEST, 10, 0, 0, 1],
      ]);
      for (const length of [0, 56, 1472]) {
        peer.say(ping(length, life));
        host.runFor(1e6);
        const [reply] = peer.heard.splice(0);
        expect(reply?.bytes.length).toBe(14 + 28 + length);
        expect(reply?.bytes[34]).toBe(0);
      }
      expect(guest.call('test_mbufs')).toBe(0);
      host = createHost({ mib: 64, slot: life + 1 });
      peer = listen(host);
      guest.move({ host });
    }
  },
);

test('XENNET-4: a segment of the stack’s leaves with its checksum blank, and says so', () => {
  const host = createHost({ mib: 64 });
  const peer = listen(host);
  const config = { nics: [{ devid: 0, mac: MAC, bridge: 'xenbr0' }] };
  const guest = new TestGuest(inetKernel(), { host, memoryMib: 16, config });
  host.runFor(50e6);
  guest.call('test_ifconfig', ADDRESS, NETMASK);
  peer.say(arpRequest);
  host.runFor(1e6);
  peer.heard.length = 0;
  // A SYN to a port where nobody listens.
  const ip = Uint8Array.from([
    ...[0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0],
    ...[10, 0, 0, 2, 10, 0, 0, 1],
  ]);
  ip.set(checksum(ip), 10);
  const syn = [...[4, 0, 0, 9], ...[0, 0, 0, 1], ...[0, 0, 0, 0], 0x50, 2, 16, 0, 0, 0, 0, 0];
  peer.say(Uint8Array.from([...GUEST, ...PEER, 8, 0, ...ip, ...syn]), 'validated');
  host.runFor(1e6);
  const [reset] = peer.heard;
  expect(reset?.checksum).toBe('blank');
  const segment = completed(reset as Frame).bytes.subarray(34);
  const pseudo = [10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, segment.length];
  expect(checksum(Uint8Array.from([...pseudo, ...segment]))).toEqual([0, 0]);
});

test('XENNET-9: of a neighbour that pings each millisecond nothing is lost but what fell into the pause, and the next is answered', () => {
  const here = createHost({ mib: 64 });
  const { sim } = here;
  const there = createHost({ mib: 64, sim, slot: 1 });
  const lan = new Bridge({ sim, name: 'lan' });
  for (const { xenbr0 } of [here, there]) joinBridges(xenbr0, lan, { latency_ns: 100_000 });
  const answered: [sequence: number, time_ns: number][] = [];
  const port = lan.attach('peer', {
    receive: ({ bytes }) => {
      if (bytes[23] === 1) answered.push([((bytes[40] ?? 0) << 8) | (bytes[41] ?? 0), sim.now_ns]);
    },
  });
  const config = { nics: [{ devid: 0, mac: MAC, bridge: 'xenbr0' }] };
  const guest = new TestGuest(inetKernel(), { host: here, memoryMib: 16, config });
  here.runFor(50e6);
  guest.call('test_ifconfig', ADDRESS, NETMASK);
  port.send({ bytes: arpRequest, checksum: 'none' });
  here.runFor(10e6);
  const began_ns = sim.now_ns;
  let sent = 0;
  const next = (): void => {
    port.send({ bytes: ping(56, sent++), checksum: 'none' });
    sim.after(1e6, next);
  };
  next();
  here.runFor(50e6);
  const image = guest.save();
  const left_ns = sim.now_ns;
  here.runFor(200e6);
  let up_ns = 0;
  sim.trace.listenToStory((time_ns, subsystem, text) => {
    if (subsystem === 'xennetback' && text.includes('connected: ring grants')) up_ns = time_ns;
  });
  guest.restore(image, { host: there });
  there.runFor(50e6);
  const lastBefore = answered.findLast(([, time_ns]) => time_ns < up_ns)?.[0] ?? -1;
  const after = answered.filter(([sequence]) => sequence > lastBefore);
  const [first, first_ns] = after[0] ?? [0, 0];
  expect(up_ns).toBeGreaterThan(left_ns + 200e6);
  // The ping under way while the announcement is, and one round trip, both ways over the wire.
  expect(first_ns - up_ns).toBeLessThan(2e6);
  expect(began_ns + first * 1e6).toBeGreaterThan(up_ns - 2e6);
  // From then on every one is answered, in order.
  expect(after.map(([sequence]) => sequence)).toEqual(after.map((_, i) => first + i));
  expect(sent - (first + after.length)).toBeLessThan(2);
});
