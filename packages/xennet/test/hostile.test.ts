import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NetGuest } from './net-guest.ts';
import { ENTRIES, FIRST, Rings, TX_SLOT } from './rings.ts';

const GRANTS = 256 + 2;
const RSP_PROD = 8;
const MORE_DATA = 4;
const EXTRA = 8;

/** On a sound host everything is as if nothing had happened. */
const expectSound = (net: NetGuest): void => {
  net.move();
  expect([net.call('mbufs'), net.call('grants'), net.call('flags')]).toEqual([0, GRANTS, 0x40]);
  net.heard();
  expect(net.call('send', 200, 20)).toBe(20);
  expect(net.heard()).toEqual(new Array(20).fill(200));
  const before = net.call('received');
  for (let i = 0; i < 20; i++) net.tell(300);
  net.settle();
  expect(net.call('received') - before).toBe(20);
  expect(net.host.audit()).toEqual([]);
  expect(net.missingPages).toBe(0);
};

const breached = (net: NetGuest, what: string): void => {
  net.call('event');
  net.settle();
  expect(net.guest.console).toContain(`xennet0: the back end sent ${what}`);
};

describe('what a back end must not send is told of once and passed over', () => {
  test.each<[string, string, (rings: Rings) => void]>([
    ['a number of no request', 'a response to transmit request 300', (r) => r.answer([300, 0])],
    [
      'a request that is not out',
      'a response to transmit request 7',
      (r) => r.answer([7, 0], [7, 0]),
    ],
    [
      'transmit responses nobody asked for',
      'more transmit responses than requests',
      (r) => r.tx.memory.st32(RSP_PROD, 1000),
    ],
    [
      'receive responses nobody asked for',
      'more receive responses than requests',
      (r) => r.rx.memory.st32(RSP_PROD, 1000),
    ],
    ['a page that was not its turn', 'a response of id 9', (r) => r.deliver({ id: 9, status: 60 })],
    [
      'more than a page',
      'a response of id 0, 4000 bytes',
      (r) => r.deliver({ offset: 97, status: 4000 }),
    ],
    [
      'a place beyond the page',
      'a response of id 0, 0 bytes',
      (r) => r.deliver({ offset: 5000, status: 0 }),
    ],
    [
      'a packet without an end',
      'a packet that does not end',
      (r) => r.deliver({ flags: MORE_DATA, status: 60 }),
    ],
    [
      'extra information without an end',
      'extra information that does not end',
      (r) => {
        r.deliver({ flags: EXTRA, status: 60 });
        r.extra(4, true);
      },
    ],
    [
      'extra information that was not asked for',
      'extra information of type 1',
      (r) => {
        r.deliver({ flags: EXTRA, status: 60 });
        r.extra(1);
      },
    ],
  ])('XENNET-15: %s', (_, sentence, deed) => {
    const net = new NetGuest();
    // A request to be answered, so that what is wrong is not the producer.
    net.host.sim.faults.arm('xennetback.answer', () => true);
    net.call('send', 60, 2);
    net.settle();
    net.host.sim.faults.disarm('xennetback.answer');
    const rings = new Rings(net);
    deed(rings);
    breached(net, sentence);
    expect(net.call('received')).toBe(0);
    rings.unmap();
    expectSound(net);
  });
});

test('XENNET-15: a hash as extra information is passed over, and its packet received', () => {
  const net = new NetGuest();
  const rings = new Rings(net);
  rings.deliver({ flags: EXTRA | MORE_DATA, status: 60 });
  rings.extra(4, true);
  rings.extra(4);
  rings.deliver({ status: 100 });
  net.call('event');
  // The pages are empty: a frame for nobody's address, which is passed over without an error.
  expect(net.call('ierrors')).toBe(0);
  rings.deliver({ status: -1 }, { status: 13 });
  net.call('event');
  expect(net.call('ierrors')).toBe(2);
  expect(net.guest.console).not.toContain('the back end sent');
  rings.unmap();
});

test('XENNET-15: mbufs that the back end still reads when it answers are not used for anything else', () => {
  const net = new NetGuest();
  net.host.sim.faults.arm('xennetback.answer', () => true);
  net.call('send', 60, 1);
  net.settle();
  const rings = new Rings(net);
  const { memory } = rings.tx;
  const slot = (memory.ld32(0) - 1) & (ENTRIES - 1);
  const held = net.host.hv.dom0.grantMap(
    net.guest.domid,
    memory.ld32(FIRST + slot * TX_SLOT),
    true,
  );
  const id = memory.ld16(FIRST + slot * TX_SLOT + 8);
  rings.answer([id, 0]);
  breached(net, 'a response while reference');
  expect(net.call('mbufs')).toBe(1);
  held.unmap();
  rings.unmap();
  expectSound(net);
});

const word = fc.oneof(
  fc.integer({ min: 0, max: 600 }),
  fc.integer({ min: -300, max: -1 }),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const ring = fc.constantFrom('tx' as const, 'rx' as const);
const deed = fc.oneof(
  fc.record({ kind: fc.constant('index' as const), ring, at: fc.constantFrom(0, 4, 8, 12), word }),
  fc.record({
    kind: fc.constant('slot' as const),
    ring,
    at: fc.integer({ min: 64, max: 3960 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 120 }),
  }),
  fc.record({
    kind: fc.constant('answer' as const),
    id: fc.nat(300),
    status: fc.integer({ min: -4, max: 4 }),
  }),
  fc.record({
    kind: fc.constant('deliver' as const),
    responses: fc.array(
      fc.record({
        offset: fc.oneof(fc.constant(0), fc.nat(0xffff)),
        flags: fc.nat(31),
        status: fc.oneof(fc.nat(4096), fc.integer({ min: -0x8000, max: 0x7fff })),
      }),
      { maxLength: 20 },
    ),
  }),
  fc.record({
    kind: fc.constant('node' as const),
    name: fc.constantFrom(
      'state',
      'feature-sg',
      'feature-rx-copy',
      'feature-rx-flip',
      'feature-no-csum-offload',
    ),
    value: fc.oneof(
      fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '', '-1', 'yes'),
      fc.string({ unit: 'binary-ascii', maxLength: 12 }),
    ),
  }),
  fc.record({
    kind: fc.constant('give' as const),
    /** Of a slot from the next one on, or any. */
    ref: fc.oneof(
      fc.record({ ahead: fc.nat(3) }),
      fc.record({ any: fc.integer({ min: 0, max: 1100 }) }),
    ),
    length: fc.nat(4096),
  }),
  fc.record({ kind: fc.constant('send' as const), count: fc.nat(60) }),
  fc.record({
    kind: fc.constant('arrival' as const),
    length: fc.integer({ min: 14, max: 0xffff }),
  }),
  fc.record({ kind: fc.constant('checkpoint' as const) }),
  fc.record({ kind: fc.constant('move' as const) }),
);

/** Back ends that copy, that flip pages, and each kind after the other. */
const kinds: readonly (readonly [string, readonly boolean[], number])[] = [
  ['copies', [true], 20],
  ['flips pages', [false], 12],
  ['copies here and flips pages there', [true, false], 12],
];

test.each(kinds)(
  'XENNET-15: whatever a back end that %s does, before, during and after saves, the kernel lives and nothing is lost for good',
  (_, copies, numRuns) => {
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 25 }), (deeds) => {
        let life = 0;
        const on = () => ({ netFeatures: { rxCopy: copies[life++ % copies.length] as boolean } });
        const net = new NetGuest({ on: on() });
        let rings: Rings | undefined = new Rings(net);
        const letGo = (): void => {
          rings?.unmap();
          rings = undefined;
        };
        for (const d of deeds) {
          if (d.kind === 'index') rings?.[d.ring].memory.st32(d.at, d.word);
          if (d.kind === 'slot') rings?.[d.ring].memory.write(d.at, d.bytes);
          if (d.kind === 'answer') rings?.answer([d.id, d.status]);
          if (d.kind === 'deliver') rings?.deliver(...d.responses);
          if (d.kind === 'give') {
            const ref =
              'any' in d.ref ? d.ref.any : rings?.refOf((rings.next + d.ref.ahead) % ENTRIES);
            const bytes = new Uint8Array(d.length).fill(0xee);
            net.host.hv.dom0.grantTransfer([{ bytes, domid: net.guest.domid, ref: ref ?? 9 }]);
          }
          if (d.kind === 'node') {
            const path = `/local/domain/0/backend/vif/${net.guest.domid}/0/${d.name}`;
            net.host.store.write(path, d.value);
          }
          if (d.kind === 'send') net.call('send', 60, d.count);
          if (d.kind === 'arrival') net.tell(d.length);
          if (d.kind === 'checkpoint') net.guest.checkpoint();
          if (d.kind === 'move') {
            letGo();
            net.move(on());
            const front = `/local/domain/${net.guest.domid}/device/vif/0`;
            if (net.host.store.tryRead(`${front}/rx-ring-ref`) !== undefined)
              rings = new Rings(net);
          }
          net.call('event');
          net.host.runFor(1e6);
        }
        letGo();
        expectSound(net);
      }),
      { numRuns },
    );
  },
);
