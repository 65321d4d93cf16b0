import { netif_extra_info, netif_rx_response, netif_tx_response } from '@port-xen/abi';
import type { GrantMapping } from '@port-xen/hypervisor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NetGuest } from './net-guest.ts';

const GRANTS = 256 + 2;
const ENTRIES = 256;
const FIRST = 64;
const TX_SLOT = 12;
const RX_SLOT = 8;
const RSP_PROD = 8;
const MORE_DATA = 4;
const EXTRA = 8;

/** The rings of a guest's interface as a back end that means harm has them, behind the real one's back. */
class Rings {
  readonly tx: GrantMapping;
  readonly rx: GrantMapping;

  constructor(net: NetGuest) {
    const { domid } = net.guest;
    const map = (name: string): GrantMapping => {
      const ref = net.host.store.read(`/local/domain/${domid}/device/vif/0/${name}`);
      return net.host.hv.dom0.grantMap(domid, Number(ref), false);
    };
    this.tx = map('tx-ring-ref');
    this.rx = map('rx-ring-ref');
  }

  /** Puts transmit responses in and publishes them. */
  answer(...responses: readonly (readonly [id: number, status: number])[]): void {
    const { memory } = this.tx;
    for (const [id, status] of responses) {
      const produced = memory.ld32(RSP_PROD);
      const at = FIRST + (produced & (ENTRIES - 1)) * TX_SLOT;
      const response = netif_tx_response.at(memory, at);
      response.id = id;
      response.status = status;
      memory.st32(RSP_PROD, produced + 1);
    }
  }

  /** Puts receive responses in and publishes them; an id that is not given is the slot's. */
  deliver(
    ...responses: readonly { id?: number; offset?: number; flags?: number; status: number }[]
  ): void {
    const { memory } = this.rx;
    for (const { id, offset = 0, flags = 0, status } of responses) {
      const produced = memory.ld32(RSP_PROD);
      const slot = produced & (ENTRIES - 1);
      const response = netif_rx_response.at(memory, FIRST + slot * RX_SLOT);
      response.id = id ?? slot;
      response.offset = offset;
      response.flags = flags;
      response.status = status;
      memory.st32(RSP_PROD, produced + 1);
    }
  }

  /** A slot of extra information. */
  extra(type: number, more = false): void {
    const { memory } = this.rx;
    const produced = memory.ld32(RSP_PROD);
    const info = netif_extra_info.at(memory, FIRST + (produced & (ENTRIES - 1)) * RX_SLOT);
    info.type = type;
    info.flags = more ? 1 : 0;
    memory.st32(RSP_PROD, produced + 1);
  }

  unmap(): void {
    this.tx.unmap();
    this.rx.unmap();
  }
}

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
    name: fc.constantFrom('state', 'feature-sg', 'feature-rx-copy', 'feature-no-csum-offload'),
    value: fc.oneof(
      fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '', '-1', 'yes'),
      fc.string({ unit: 'binary-ascii', maxLength: 12 }),
    ),
  }),
  fc.record({ kind: fc.constant('send' as const), count: fc.nat(60) }),
  fc.record({
    kind: fc.constant('arrival' as const),
    length: fc.integer({ min: 14, max: 0xffff }),
  }),
  fc.record({ kind: fc.constant('checkpoint' as const) }),
  fc.record({ kind: fc.constant('move' as const) }),
);

test('XENNET-15: whatever a back end does, before, during and after saves, the kernel lives and nothing is lost for good', () => {
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 25 }), (deeds) => {
      const net = new NetGuest();
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
        if (d.kind === 'node') {
          const path = `/local/domain/0/backend/vif/${net.guest.domid}/0/${d.name}`;
          net.host.store.write(path, d.value);
        }
        if (d.kind === 'send') net.call('send', 60, d.count);
        if (d.kind === 'arrival') net.tell(d.length);
        if (d.kind === 'checkpoint') net.guest.checkpoint();
        if (d.kind === 'move') {
          letGo();
          net.move();
          const front = `/local/domain/${net.guest.domid}/device/vif/0`;
          if (net.host.store.tryRead(`${front}/rx-ring-ref`) !== undefined) rings = new Rings(net);
        }
        net.call('event');
        net.host.runFor(1e6);
      }
      letGo();
      expectSound(net);
    }),
    { numRuns: 20 },
  );
});
