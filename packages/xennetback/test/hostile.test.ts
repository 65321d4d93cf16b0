import fc from 'fast-check';
import { expect, test } from 'vitest';
import { etherFrame, Front, type Slot } from './front.ts';
import { world } from './world.ts';

const MORE_DATA = 4;
const EXTRA = 8;

/** A host where domain 5 is hostile and domain 6 is not; both are on the bridge. */
const twoGuests = () => {
  const w = world();
  for (const domid of [5, 6]) w.addDevice(domid);
  const hostile = new Front(w, 5);
  const good = new Front(w, 6);
  good.grant(20).set(etherFrame(9, 6));
  good.grant(21);
  good.state(4);
  return { w, hostile, good };
};

/** The other guest is served as if nothing had happened. */
const expectServed = ({ w, good }: ReturnType<typeof twoGuests>) => {
  good.transmitted();
  good.received();
  w.heard.length = 0;
  good.transmit({ gref: 20, size: 60, id: 77 });
  expect(good.transmitted()).toEqual([[77, 0]]);
  expect(w.heard.map(({ bytes }) => bytes.length)).toEqual([60]);
  w.peer.send({ bytes: etherFrame(6, 9, 80), checksum: 'none' });
  w.settle();
  // What the bridge flooded, because nobody had been heard of under that address, comes first.
  const sizes: number[] = [];
  while (!sizes.includes(80) && sizes.length < 1000) {
    good.post(...new Array(20).fill(21));
    sizes.push(...good.received().map(({ status }) => status));
  }
  expect(sizes).toContain(80);
  expect(w.backState(6)).toBe('4');
};

test('VIF-14: more requests than slots, in either ring, close the device, once, and no other', () => {
  for (const ring of ['tx', 'rx'] as const) {
    const guests = twoGuests();
    const { w, hostile } = guests;
    hostile.state(4);
    hostile[ring].st32(0, 257);
    w.peer.send({ bytes: etherFrame(5, 9), checksum: 'none' });
    w.settle();
    hostile.kick();
    hostile.kick();
    expect([ring, w.backState(5), w.xen.mapped]).toEqual([ring, '5', 2]);
    expect(w.story.filter((line) => line.includes('the device is closed')).length).toBe(1);
    expectServed(guests);
  }
});

test('VIF-14: chains that cannot be followed close the device', () => {
  const page = { gref: 20, size: 60 };
  const chain = (slots: number): Slot[] =>
    Array.from({ length: slots }, (_, i) => ({
      gref: 20,
      size: i === 0 ? 1000 : 10,
      flags: i < slots - 1 ? MORE_DATA : 0,
    }));
  const fatal: [string, Slot[]][] = [
    ['expected another request after one that says so', [{ ...page, flags: MORE_DATA }]],
    ['expected extra information after a request', [{ ...page, flags: EXTRA }]],
    ['of a type within [1, 5), found 0', [{ ...page, flags: EXTRA }, { type: 0 }]],
    ['of a type within [1, 5), found 5', [{ ...page, flags: EXTRA }, { type: 5 }]],
    [
      'expected pieces of a packet of 60 bytes',
      [
        { ...page, flags: MORE_DATA },
        { gref: 20, size: 61 },
      ],
    ],
    ['expected a piece within its page', [{ ...page, offset: 4037 }]],
    ['expected a piece within its page', [{ ...page, offset: 65_535 }]],
    ['expected a packet of at most 20 slots', chain(21)],
    ['expected a packet of at most 20 slots', chain(200)],
    [
      'expected a packet of at most 20 slots',
      [{ ...page, flags: EXTRA }, ...Array.from({ length: 30 }, () => ({ type: 4, more: true }))],
    ],
  ];
  for (const [sentence, slots] of fatal) {
    const guests = twoGuests();
    const { w, hostile } = guests;
    hostile.grant(20);
    hostile.state(4);
    hostile.transmit(...slots);
    expect([sentence, w.backState(5)]).toEqual([sentence, '5']);
    expect(w.story.at(-1)).toContain(sentence);
    expect(w.heard).toEqual([]);
    expectServed(guests);
  }
});

test('VIF-15: packets that are merely wrong are answered, every slot of them, and the next goes out', () => {
  const chain = (slots: number): Slot[] =>
    Array.from({ length: slots }, (_, i) => ({
      gref: 20,
      size: i === 0 ? 1000 : 10,
      id: i,
      flags: i < slots - 1 ? MORE_DATA : 0,
    }));
  const wrong: Slot[][] = [
    [{ gref: 20, size: 13 }],
    [{ gref: 20, size: 0 }],
    [{ gref: 99, size: 60 }],
    [{ gref: 20, size: 60, flags: EXTRA }, { type: 1 }],
    chain(19),
    chain(20),
  ];
  for (const slots of wrong) {
    const guests = twoGuests();
    const { w, hostile } = guests;
    hostile.grant(20).set(etherFrame(9, 5));
    hostile.state(4);
    hostile.transmit(...slots);
    const answers = hostile.transmitted();
    expect(answers.length).toBe(slots.length);
    expect(answers.filter(([, status]) => status === 0)).toEqual([]);
    hostile.transmit({ gref: 20, size: 60, id: 5 }, ...chain(18));
    expect(hostile.transmitted().filter(([, status]) => status === 0).length).toBe(19);
    expect(w.heard.length).toBe(2);
    expectServed(guests);
  }
});

test('VIF-15: pages that cannot be filled lose their frame and are answered', () => {
  const guests = twoGuests();
  const { w, hostile } = guests;
  hostile.grant(20);
  hostile.grant(21, true);
  hostile.state(4);
  hostile.post(21, 22, 20);
  for (let i = 0; i < 3; i++) w.peer.send({ bytes: etherFrame(5, 9), checksum: 'none' });
  w.settle();
  expect(hostile.received().map(({ id, status }) => [id, status])).toEqual([
    [21, -1],
    [22, -1],
    [20, 60],
  ]);
  expect(w.back.counters).toMatchObject({ rxErrors: 2, rxFrames: 1 });
  expectServed(guests);
});

test('VIF-14: nodes that are no numbers, dead grants, dead ports, no request for copies close the device', () => {
  const bad: [string, string][] = [
    ['tx-ring-ref', '-1'],
    ['tx-ring-ref', '10'],
    ['rx-ring-ref', '99999999999999999999'],
    ['rx-ring-ref', '10'],
    ['event-channel', '8'],
    ['event-channel', '0x7'],
    ['request-rx-copy', '0'],
    ['request-rx-copy', 'yes'],
  ];
  for (const [name, value] of bad) {
    const guests = twoGuests();
    guests.hostile.write(name, value);
    guests.hostile.state(4);
    expect([name, value, guests.w.backState(5)]).toEqual([name, value, '5']);
    expect(guests.w.xen.mapped).toBe(2);
    expectServed(guests);
  }
});

const word = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: -300, max: -1 }),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const ring = fc.constantFrom('tx' as const, 'rx' as const);
const slot: fc.Arbitrary<Slot> = fc.oneof(
  fc.record({
    gref: fc.integer({ min: 18, max: 24 }),
    size: fc.oneof(fc.nat(100), fc.nat(0xffff)),
    offset: fc.oneof(fc.constant(0), fc.nat(0xffff)),
    flags: fc.nat(31),
    id: fc.nat(0xffff),
  }),
  fc.record({ type: fc.nat(255), more: fc.boolean() }),
);
const deed = fc.oneof(
  fc.record({ kind: fc.constant('index' as const), ring, at: fc.constantFrom(0, 4, 8, 12), word }),
  fc.record({
    kind: fc.constant('slot' as const),
    ring,
    at: fc.integer({ min: 64, max: 3960 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 120 }),
  }),
  fc.record({ kind: fc.constant('transmit' as const), slots: fc.array(slot, { maxLength: 30 }) }),
  fc.record({
    kind: fc.constant('post' as const),
    refs: fc.array(fc.integer({ min: 18, max: 24 })),
  }),
  fc.record({
    kind: fc.constant('node' as const),
    name: fc.constantFrom(
      'state',
      'tx-ring-ref',
      'rx-ring-ref',
      'event-channel',
      'request-rx-copy',
    ),
    value: fc.oneof(
      fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '', '-1'),
      fc.string({ unit: 'binary-ascii', maxLength: 20 }),
    ),
  }),
  fc.record({
    kind: fc.constant('arrival' as const),
    length: fc.integer({ min: 14, max: 0xffff }),
  }),
  fc.record({ kind: fc.constant('remove' as const) }),
  fc.record({ kind: fc.constant('rebind' as const) }),
  fc.record({ kind: fc.constant('kick' as const) }),
);

test('VIF-14, VIF-15: whatever one guest does, in any order, nothing throws or hangs and the other is served', () => {
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), fc.boolean(), (deeds, connect) => {
      const guests = twoGuests();
      const { w, hostile } = guests;
      for (let gref = 19; gref < 24; gref++) {
        hostile.grant(gref, gref > 22).set(etherFrame(gref === 19 ? 5 : 9, 5));
      }
      if (connect) hostile.state(4);
      for (const d of deeds) {
        if (d.kind === 'index') hostile[d.ring].st32(d.at, d.word);
        if (d.kind === 'slot') hostile[d.ring].bytes.set(d.bytes, d.at);
        if (d.kind === 'transmit') hostile.transmit(...d.slots);
        if (d.kind === 'post') hostile.post(...d.refs);
        if (d.kind === 'node') hostile.write(d.name, d.value);
        if (d.kind === 'arrival') {
          w.peer.send({ bytes: etherFrame(5, 9, d.length), checksum: 'none' });
        }
        if (d.kind === 'remove') w.store.rm(w.frontPath(5));
        if (d.kind === 'rebind') w.xen.unbound.add('5 7');
        hostile.kick();
      }
      const events = w.sim.events;
      w.settle(100_000_000);
      expect(w.sim.events - events).toBeLessThan(200);
      expectServed(guests);
      w.store.rm('/local/domain/0/backend/vif/5');
      w.settle();
      expect(w.back.devices).toBe(1);
      expect(w.bridge.ports).toBe(2);
      expect(w.xen.mapped).toBe(2);
      expect(w.xen.handlers.size).toBe(1);
      expect(w.xenstored.counters().watches).toBe(2);
    }),
    { numRuns: 300 },
  );
});
