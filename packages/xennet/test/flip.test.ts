/*
 * Back ends of Xen 3.0, which flip pages: what is received comes in pages that the guest is given, for pages that it gave away.
 */
import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { lan, NetGuest, sumOf } from './net-guest.ts';
import { Rings } from './rings.ts';

const FLIPS = { netFeatures: { rxCopy: false } } as const;
const IFF_RUNNING = 0x40;
/** A reference for each slot, and two rings. */
const GRANTS = 256 + 2;
const SLOTS = 256;

const expectRunning = (net: NetGuest, flips: boolean): void => {
  expect([net.call('flags'), net.call('mbufs'), net.call('grants')]).toEqual([
    IFF_RUNNING,
    0,
    GRANTS,
  ]);
  expect(net.missingPages).toBe(flips ? SLOTS : 0);
  expect(net.host.audit()).toEqual([]);
};

describe.each(MODES)('%s', (_, options) => {
  test('XENNET-17: what a back end that flips pages gives is received, in one page or several, and pages are given for it', () => {
    const net = new NetGuest({ ...options, mtu: 9000, on: FLIPS });
    expect(net.guest.console).toContain(', page flipping\n');
    const front = `/local/domain/${net.guest.domid}/device/vif/0`;
    expect(net.host.store.read(`${front}/request-rx-copy`)).toBe('0');
    const before = net.host.hv.counts();
    expectRunning(net, true);
    const frames = [net.tell(60), net.tell(1514, 'validated'), net.tell(9000, 'validated')];
    expect(net.received(3)).toEqual([
      [60, 0, sumOf(frames[0] as Uint8Array)],
      [1514, 2, sumOf(frames[1] as Uint8Array)],
      [9000, 2, sumOf(frames[2] as Uint8Array)],
    ]);
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 100; i++) net.tell(100 + i);
      net.settle();
    }
    expect(net.call('received')).toBe(603);
    expect(net.received(50).map(([length]) => length)).toEqual(
      Array.from({ length: 50 }, (__, i) => 150 + i),
    );
    expect(net.call('ierrors')).toBe(0);
    expect(net.host.hv.counts()).toEqual(before);
    expectRunning(net, true);
  });

  test('XENNET-18: saved with its pages out it goes on, whether the next back end flips or copies', () => {
    const net = new NetGuest({ ...options, on: FLIPS });
    let total = 0;
    for (const copies of [false, true, false, false, true, true]) {
      for (let i = 0; i < 40; i++) net.tell(200);
      net.move({ netFeatures: { rxCopy: copies } });
      total += 40;
      expectRunning(net, !copies);
      expect(net.call('received')).toBe(total);
      net.heard();
      expect(net.call('send', 700, 3)).toBe(3);
      expect(net.heard()).toEqual([700, 700, 700]);
      for (let i = 0; i < 300; i++) {
        net.tell(80 + (i % 50));
        if (i % 50 === 49) net.settle();
      }
      total += 300;
      expect(net.received(50).map(([length]) => length)).toEqual(
        Array.from({ length: 50 }, (__, i) => 80 + i),
      );
      expect(net.call('received')).toBe(total);
    }
    expect(net.call('ierrors')).toBe(0);
  });

  test('XENNET-18: a save that is cancelled loses no page and no frame', () => {
    const net = new NetGuest({ ...options, on: FLIPS });
    for (let i = 0; i < 30; i++) net.tell(200);
    net.guest.checkpoint();
    for (let i = 0; i < 30; i++) net.tell(201);
    expect(net.received(1)[0]?.[0]).toBe(201);
    expect(net.call('received')).toBe(60);
    expectRunning(net, true);
  });

  test('XENNET-18: woken where it was as if it were restored, it gives back what came meanwhile', () => {
    const net = new NetGuest({ ...options, on: FLIPS });
    const { dom0 } = net.host.hv;
    const rings = new Rings(net);
    const refs = Array.from({ length: 20 }, (__, i) => rings.refOf((rings.next + i) % SLOTS));
    rings.unmap();
    // The back end's own answer to these is missing.
    const bytes = new Uint8Array(100);
    const { domid } = net.guest;
    expect([...dom0.grantTransfer(refs.map((ref) => ({ bytes, domid, ref })))]).toEqual(
      refs.map(() => 0),
    );
    expect(net.missingPages).toBe(SLOTS - 20);
    net.guest.checkpoint('reset');
    net.settle();
    expectRunning(net, true);
    net.tell(300);
    expect(net.received(1)[0]?.[0]).toBe(300);
  });

  test('XENNET-13: an interface that is taken away has all of its pages again, whoever took it', () => {
    const net = new NetGuest({ ...options, on: FLIPS });
    const back = `/local/domain/0/backend/vif/${net.guest.domid}/0`;
    net.host.store.write(`${back}/online`, '0');
    net.host.store.write(`${back}/state`, '5');
    net.settle();
    expect(net.guest.console).toContain('xennet0: detached\n');
    expect([net.call('grants'), net.missingPages]).toEqual([0, 0]);
    expect(net.host.audit()).toEqual([]);
  });

  test('XENNET-13: on a host without its interface a restored domain has all of its pages again', () => {
    const net = new NetGuest({ ...options, on: FLIPS });
    const image = net.guest.save();
    net.lan = lan({ slot: 1 });
    const { store } = net.lan.host;
    net.guest.restore(image, {
      host: net.lan.host,
      beforeItRuns: () => {
        const [domid] = store.directory('/local/domain/0/backend/vif');
        store.rm(`/local/domain/0/backend/vif/${domid}`);
        store.rm(`/local/domain/${domid}/device/vif/0`);
      },
    });
    net.settle();
    expect(net.guest.console).toContain('xennet0: this host has no such interface\n');
    expect([net.call('grants'), net.missingPages]).toEqual([0, 0]);
  });
});

test('XENNET-18: where Xen has no memory for its pages it says so, and on a host that has it is up again', () => {
  const net = new NetGuest({ on: FLIPS });
  const image = net.guest.save();
  net.lan = lan({ slot: 1 });
  const { hv } = net.lan.host;
  const taken: number[] = [];
  net.guest.restore(image, {
    host: net.lan.host,
    beforeItRuns: () => {
      // All but a few: what the toolstack reserved for the domain is somebody else's.
      while (hv.host.allocator.free > 60) taken.push(hv.host.allocator.allocate(0));
    },
  });
  net.settle();
  expect(net.guest.console).toContain('xennet0: Xen has no memory for its receive pages\n');
  for (const mfn of taken) hv.host.allocator.release(mfn);
  net.move();
  expectRunning(net, false);
});

test('XENNET-15: a page that comes without its response, and a response without its page', () => {
  const net = new NetGuest({ on: FLIPS });
  const rings = new Rings(net);
  const { domid } = net.guest;
  const give = (slot: number, length: number) => {
    const bytes = new Uint8Array(length);
    bytes.set([0, 0x16, 0x3e, 0, 0, 1]);
    const op = { bytes, domid, ref: rings.refOf(slot) };
    return net.host.hv.dom0.grantTransfer([op])[0];
  };
  rings.deliver({ status: 60 });
  net.call('event');
  net.settle();
  expect(net.guest.console).toContain(
    'the back end sent a response of 60 bytes in slot 0, and no page',
  );
  expect(net.call('received')).toBe(0);
  // An error, but the page is there: it is the guest's.
  expect(give(1, 100)).toBe(0);
  rings.deliver({ status: -1 });
  net.call('event');
  expect(net.missingPages).toBe(SLOTS);
  // A second page for the same reference is none.
  expect([give(2, 100), give(2, 100)]).toEqual([0, -1]);
  rings.deliver({ status: 100 });
  net.call('event');
  expect(net.received(1)[0]?.[0]).toBe(100);
  // Pages of whoever is not the back end's domain are not taken, nor what is granted.
  expect(net.call('ierrors')).toBe(2);
  rings.unmap();
  net.move();
  expectRunning(net, false);
});

test('XENNET-14: over a hundred moves between back ends that flip and copy no page, grant, port or node is lost', () => {
  const net = new NetGuest({ on: FLIPS });
  const count = () => {
    const { frames, ports, maptrack, xenstore, interfaces, bridgePorts } = net.host.conservation();
    return { frames, ports, maptrack, xenstore, interfaces, bridgePorts };
  };
  const books: unknown[] = [[], []];
  for (let cycle = 0; cycle < 100; cycle++) {
    const flips = cycle % 3 !== 2;
    for (let i = 0; i < 10; i++) net.tell(300);
    net.call('send', 300, 5);
    if (cycle % 10 === 9) net.guest.checkpoint();
    net.move({ slot: 1 + (cycle % 2), netFeatures: { rxCopy: !flips } });
    expectRunning(net, flips);
    const kind = flips ? 1 : 0;
    if (cycle < 3) books[kind] = count();
    expect(count()).toEqual(books[kind]);
  }
  expect(net.call('received')).toBe(1000);
});
