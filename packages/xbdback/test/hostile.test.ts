import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Front } from './front.ts';
import { PlainDisk, world } from './world.ts';

const FLUSH = 3;

/** A host where domain 5 is hostile and domain 6 is not; each has a disk. */
const twoGuests = () => {
  const w = world();
  for (const domid of [5, 6]) {
    w.disks.set(`disk${domid}`, new PlainDisk(1000));
    w.addDevice(domid, `disk${domid}`);
  }
  w.settle();
  const hostile = new Front(w, 5);
  const good = new Front(w, 6);
  good.state(3);
  return { w, hostile, good };
};

/** The other guest is served as if nothing had happened. */
const expectServed = ({ w, good }: ReturnType<typeof twoGuests>) => {
  good.answers();
  good.ask({ operation: FLUSH, id: 77 });
  w.settle();
  expect(good.answers()).toEqual([{ id: 77, operation: FLUSH, status: 0 }]);
  expect(w.backState(6)).toBe('4');
};

test('XBDBACK-10: more requests than slots close the device, once, and no other', () => {
  const guests = twoGuests();
  const { w, hostile } = guests;
  hostile.state(3);
  hostile.page.st32(0, 33);
  hostile.kick();
  hostile.kick();
  w.settle();
  expect(w.backState(5)).toBe('5');
  expect(w.xen.mapped).toBe(1);
  expect(w.story.filter((line) => line.includes('the device is closed'))).toEqual([
    'domain 5, device 51712: expected at most 32 requests in the ring, found producer 33 with 0 taken; the device is closed',
  ]);
  expectServed(guests);
});

test('XBDBACK-10: nodes that are no numbers, dead grants, dead ports and foreign protocols close the device', () => {
  const bad: [string, string][] = [
    ['ring-ref', '-1'],
    ['ring-ref', '9'],
    ['ring-ref', ''],
    ['ring-ref', '99999999999999999999'],
    ['event-channel', '8'],
    ['event-channel', '0x7'],
    ['protocol', 'x86_32-abi'],
  ];
  for (const [name, value] of bad) {
    const guests = twoGuests();
    guests.hostile.write(name, value);
    guests.hostile.state(3);
    expect([name, value, guests.w.backState(5)]).toEqual([name, value, '5']);
    expect(guests.w.xen.mapped).toBe(1);
    expectServed(guests);
  }
});

const word = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: -40, max: -1 }),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const deed = fc.oneof(
  fc.record({ kind: fc.constant('index' as const), at: fc.constantFrom(0, 4, 8, 12), word }),
  fc.record({
    kind: fc.constant('slot' as const),
    at: fc.integer({ min: 64, max: 3960 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 120 }),
  }),
  fc.record({
    kind: fc.constant('node' as const),
    name: fc.constantFrom('state', 'ring-ref', 'event-channel', 'protocol'),
    value: fc.oneof(
      fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '', '-1', 'x86_64-abi'),
      fc.string({ unit: 'binary-ascii', maxLength: 20 }),
    ),
  }),
  fc.record({ kind: fc.constant('remove' as const) }),
  fc.record({ kind: fc.constant('rebind' as const) }),
  fc.record({ kind: fc.constant('kick' as const) }),
);

test('XBDBACK-10: whatever one guest does, in any order, nothing throws or hangs and the other is served', () => {
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), fc.boolean(), (deeds, connect) => {
      const guests = twoGuests();
      const { w, hostile } = guests;
      for (let gref = 0; gref < 6; gref++) hostile.grant(gref, gref > 3);
      if (connect) hostile.state(3);
      for (const d of deeds) {
        if (d.kind === 'index') hostile.page.st32(d.at, d.word);
        if (d.kind === 'slot') hostile.page.bytes.set(d.bytes, d.at);
        if (d.kind === 'node') hostile.write(d.name, d.value);
        if (d.kind === 'remove') w.store.rm(w.frontPath(5));
        if (d.kind === 'rebind') w.xen.unbound.add('5 7');
        hostile.kick();
        w.settle(300_000);
      }
      const events = w.sim.events;
      w.settle(100_000_000);
      expect(w.sim.events - events).toBeLessThan(200);
      expectServed(guests);
      w.store.rm('/local/domain/0/backend/vbd/5');
      w.settle();
      expect(w.back.devices).toBe(1);
      expect(w.xen.mapped).toBe(1);
      expect(w.xen.handlers.size).toBe(1);
      expect(w.xenstored.counters().watches).toBe(2);
    }),
    { numRuns: 300 },
  );
});

test('XBDBACK-10: a producer that goes back while every slot is taken neither hangs nor is believed', () => {
  const guests = twoGuests();
  const { w, hostile } = guests;
  hostile.state(3);
  hostile.ask(...Array.from({ length: 32 }, (_, id) => ({ operation: FLUSH, id })));
  hostile.page.st32(0, 5);
  hostile.kick();
  w.settle(20_000_000);
  expect(hostile.answers().length).toBe(32);
  expectServed(guests);
});
