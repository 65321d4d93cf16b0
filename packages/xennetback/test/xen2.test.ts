import {
  CMSG_NETIF_BE_CONNECT,
  CMSG_NETIF_BE_CREATE,
  CMSG_NETIF_BE_DESTROY,
  CMSG_NETIF_BE_DISCONNECT,
  NETIF_BE_STATUS_INTERFACE_CONNECTED,
  NETIF_BE_STATUS_INTERFACE_EXISTS,
  NETIF_BE_STATUS_INTERFACE_NOT_FOUND,
  NETIF_BE_STATUS_MAPPING_ERROR,
  NETIF_BE_STATUS_OKAY,
  netif_be_create,
  netif_be_destroy,
  xen2_netif_rx_ring,
  xen2_netif_tx_ring,
} from '@port-xen/abi';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { world } from './world.ts';
import { send, Xen2Front } from './xen2-front.ts';

/** Domain 5's interface on xenbr0, connected. */
const guest = () => {
  const w = world();
  const front = new Xen2Front(w, 5);
  w.back.attach(5, 0, 'xenbr0');
  expect(front.connect()).toBe(NETIF_BE_STATUS_OKAY);
  w.settle();
  return { w, front };
};

const packet = (length: number, fill: number) => {
  const bytes = new Uint8Array(length).fill(fill);
  bytes.fill(0xff, 0, 6);
  bytes.set([0, 0x16, 0x3e, 0, 0, 9], 6);
  return bytes;
};

test('VIF-20: a packet at a machine address reaches the bridge, and its page is the guest’s again when it is answered', () => {
  const { w, front } = guest();
  const page = front.frame(3);
  page.set(packet(100, 0x42), 500);
  front.send(17, 3 * 4096 + 500, 100);
  expect(front.sent()).toEqual([{ id: 17, status: 0 }]);
  expect(front.tx.ld32(xen2_netif_tx_ring.offset.req_cons)).toBe(1);
  page.fill(0);
  w.settle();
  expect(w.heard.map(({ bytes }) => bytes)).toEqual([packet(100, 0x42)]);
  expect(w.xen.mapped).toBe(2);
});

test('VIF-21: what comes for a guest comes in pages that become its own, one for each that it gave away, in order', () => {
  const { w, front } = guest();
  front.post(4, 9);
  for (const fill of [1, 2, 3]) w.peer.send({ bytes: packet(60 + fill, fill), checksum: 'none' });
  w.settle();
  const expected = [
    { id: 4, status: 61, bytes: packet(61, 1) },
    { id: 9, status: 62, bytes: packet(62, 2) },
  ];
  expect(front.received()).toEqual(expected);
  front.post(4);
  expect(front.received()).toEqual([{ id: 4, status: 63, bytes: packet(63, 3) }]);
  w.xen.reassignable = 0;
  front.post(4);
  w.peer.send({ bytes: packet(60, 1), checksum: 'none' });
  w.settle();
  expect(front.received()).toEqual([{ id: 4, status: -1, bytes: new Uint8Array(0) }]);
  expect(w.back.counters).toMatchObject({ rxFrames: 3, rxErrors: 1 });
});

test('VIF-22: a guest is told when its event index is passed, and not before', () => {
  const { w, front } = guest();
  front.frame(3).set(packet(64, 1));
  front.tx.st32(xen2_netif_tx_ring.offset.event, 2);
  front.send(0, 3 * 4096, 64);
  expect(front.rung).toBe(0);
  front.send(1, 3 * 4096, 64);
  expect(front.rung).toBe(1);
  front.send(2, 3 * 4096, 64);
  expect(front.rung).toBe(1);
  front.rx.st32(xen2_netif_rx_ring.offset.event, 1);
  front.post(0, 1);
  w.peer.send({ bytes: packet(60, 1), checksum: 'none' });
  w.settle();
  expect(front.rung).toBe(2);
});

test('VIF-23: a page that is another’s, a packet beyond its page, and one that is none are refused alone', () => {
  const { w, front } = guest();
  front.frame(3, true).set(packet(64, 1));
  w.xen.frame(6, 4).set(packet(4096, 7));
  front.send(1, 4 * 4096, 64);
  front.send(2, 3 * 4096 + 4090, 64);
  front.send(3, 3 * 4096, 13);
  front.send(4, 2 ** 32 + 3 * 4096, 64);
  front.send(5, 2 ** 63, 64);
  front.send(6, 3 * 4096, 64);
  w.settle();
  expect(front.sent().map(({ status }) => status)).toEqual([-1, -1, -1, -1, -1, 0]);
  expect(w.heard).toHaveLength(1);
  expect(w.back.counters.txErrors).toBe(5);
});

test('VIF-24: messages that cannot be done say why, and leave all as it was', () => {
  const { w, front } = guest();
  const domid = 5;
  const other = new Xen2Front(w, 6);
  expect([
    send(w, CMSG_NETIF_BE_CREATE, netif_be_create, { domid }),
    send(w, CMSG_NETIF_BE_DESTROY, netif_be_destroy, { domid }),
    send(w, CMSG_NETIF_BE_DESTROY, netif_be_destroy, { domid: 9 }),
    front.connect(),
    send(w, 99, netif_be_destroy, { domid }),
    send(w, CMSG_NETIF_BE_CONNECT, netif_be_destroy, { domid }),
    // On no bridge.
    other.connect(),
  ]).toEqual([
    NETIF_BE_STATUS_INTERFACE_EXISTS,
    NETIF_BE_STATUS_INTERFACE_CONNECTED,
    NETIF_BE_STATUS_INTERFACE_NOT_FOUND,
    NETIF_BE_STATUS_INTERFACE_CONNECTED,
    undefined,
    undefined,
    NETIF_BE_STATUS_MAPPING_ERROR,
  ]);
  expect(() => w.back.attach(6, 0, 'xenbr9')).toThrow('found xenbr9');
  expect(() => w.back.attach(6, 1, 'xenbr0')).toThrow('no interface 1');
  w.back.attach(6, 0, 'xenbr0', { name: 'web', rate: '1000,1000' });
  for (const [tx, rx, port] of [
    [0x100, 0x102, 7],
    [0x102, 0x101, 7],
    [2 ** 20 + 0x100, 0x101, 7],
    [0x100, 2 ** 63, 7],
    [0x100, 0x101, 8],
  ] as const) {
    expect(other.connect(tx, rx, port)).toBe(NETIF_BE_STATUS_MAPPING_ERROR);
  }
  expect(w.xen.mapped).toBe(2);
  expect(other.connect()).toBe(NETIF_BE_STATUS_OKAY);
  expect(w.back.devices).toBe(2);
});

test('VIF-25: what is not connected gets nothing, and what is destroyed is on no bridge', () => {
  const { w, front } = guest();
  front.post(1);
  expect(send(w, CMSG_NETIF_BE_DISCONNECT, netif_be_destroy, { domid: 5 })).toBe(0);
  w.peer.send({ bytes: packet(60, 1), checksum: 'none' });
  w.settle();
  expect(front.received()).toEqual([]);
  expect([w.xen.mapped, w.xen.handlers.size, w.back.counters.rxDropped]).toEqual([0, 0, 1]);
  expect(send(w, CMSG_NETIF_BE_DESTROY, netif_be_destroy, { domid: 5 })).toBe(0);
  w.peer.send({ bytes: packet(60, 1), checksum: 'none' });
  w.settle();
  expect([w.back.devices, w.back.counters.rxDropped]).toEqual([0, 1]);
});

const word = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: -300, max: -1 }),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const deed = fc.oneof(
  fc.record({
    kind: fc.constant('index' as const),
    ring: fc.constantFrom('tx' as const, 'rx' as const),
    at: fc.constantFrom(0, 4, 8, 12),
    word,
  }),
  fc.record({
    kind: fc.constant('slot' as const),
    ring: fc.constantFrom('tx' as const, 'rx' as const),
    at: fc.integer({ min: 12, max: 3000 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }),
  }),
  fc.record({ kind: fc.constant('send' as const), mfn: fc.integer({ min: 2, max: 5 }) }),
  fc.record({ kind: fc.constant('frame' as const) }),
  fc.record({ kind: fc.constant('reconnect' as const) }),
);

test('VIF-23: whatever a guest does to its rings, nothing throws or hangs, and nothing of another’s leaves', () => {
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), (deeds) => {
      const { w, front } = guest();
      front.frame(3).set(packet(64, 1));
      w.xen.frame(6, 4).set(packet(4096, 0x77));
      for (const d of deeds) {
        if (d.kind === 'index') front[d.ring].st32(d.at, d.word);
        if (d.kind === 'slot') front[d.ring].bytes.set(d.bytes, d.at);
        if (d.kind === 'send') front.send(1, d.mfn * 4096, 64);
        if (d.kind === 'frame') w.peer.send({ bytes: packet(60, 1), checksum: 'none' });
        if (d.kind === 'reconnect') {
          send(w, CMSG_NETIF_BE_DISCONNECT, netif_be_destroy, { domid: 5 });
          w.xen.unbound.add('5 7');
          front.connect();
        }
        front.kick();
        w.settle(100_000);
      }
      const { events } = w.sim;
      w.settle(1e9);
      expect(w.sim.events - events).toBeLessThan(50);
      expect(w.heard.every(({ bytes }) => !bytes.includes(0x77))).toBe(true);
      send(w, CMSG_NETIF_BE_DISCONNECT, netif_be_destroy, { domid: 5 });
      expect([w.xen.mapped, w.xen.handlers.size]).toEqual([0, 0]);
    }),
    { numRuns: 150 },
  );
});
