import { XS_READ, XS_TYPE_COUNT } from '@port-xen/abi';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeMessage } from '../src/index.ts';
import { Guest, makeWorld } from './world.ts';

/** Steps a daemon until it rests; a test that does not end is a daemon that hangs. */
const rest = (step: () => boolean): void => {
  let steps = 0;
  while (step()) if (++steps > 10_000) throw new Error('expected the daemon to come to rest');
};

test('RING-6: whatever stands on the page, the daemon answers or drops that one connection', () => {
  const chaos = fc.record({
    at: fc.constantFrom(2048, 2052, 2056, 2060),
    index: fc.oneof(fc.constantFrom(0, 1, 1023, 1024, 1025, -1, -1024), fc.integer()),
    bytes: fc.uint8Array({ maxLength: 64 }),
    offset: fc.nat(1023),
  });
  fc.assert(
    fc.property(fc.array(chaos, { maxLength: 30 }), (steps) => {
      const { sim, daemon, dom0 } = makeWorld();
      const bad = new Guest(daemon, 1);
      const good = new Guest(daemon, 2);
      for (const { at, index, bytes, offset } of steps) {
        bad.page.set(bytes.subarray(0, 1024 - offset), offset);
        bad.memory.st32(at, index);
        daemon.kick(1);
        rest(() => sim.step());
      }
      good.send(XS_READ, '/tool\0', 5);
      rest(() => sim.step());
      expect(good.replies()).toEqual(['16 EACCES|']);
      expect(dom0.read('/tool')).toBe('');
      if (daemon.isBroken(1)) expect([2, 3]).toContain(bad.ring.error);
      daemon.domainDied(1);
      expect(daemon.counters().domains.map(([domid]) => domid)).toEqual([0]);
    }),
    { numRuns: 500 },
  );
});

test('RING-7: every whole message is answered once and in order, however it is cut and taken', () => {
  const message = fc.record({
    type: fc.nat(XS_TYPE_COUNT + 2),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .array(fc.constantFrom('x', '/local/domain/1/y', 'T', '0', 'r1', '@releaseDomain', ''), {
          maxLength: 4,
        })
        .map((words) => new TextEncoder().encode(words.map((word) => `${word}\0`).join(''))),
      fc.uint8Array({ minLength: 1000, maxLength: 4096 }),
    ),
    transaction: fc.nat(2),
  });
  const cut = fc.tuple(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 0, max: 1024 }));
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 40 }),
      fc.array(cut, { minLength: 1, maxLength: 20 }),
      (messages, cuts) => {
        const { sim, daemon, dom0 } = makeWorld();
        dom0.mkdir('/local/domain/1');
        dom0.setPermissions('/local/domain/1', [{ domid: 1, access: 'n' }]);
        const guest = new Guest(daemon, 1);
        const stream = Buffer.concat(
          messages.map((m, i) => encodeMessage(m.type, i + 1, m.transaction, m.payload)),
        );
        let at = 0;
        for (let turn = 0; turn < 20_000; turn++) {
          const [size, taken] = cuts[turn % cuts.length] as [number, number];
          at += guest.put(stream.subarray(at, at + size));
          rest(() => sim.step());
          guest.take(turn % 7 === 6 ? 1024 : taken);
          rest(() => sim.step());
          if (at === stream.length && guest.ring.rsp_prod === guest.ring.rsp_cons) break;
        }
        expect(at).toBe(stream.length);
        expect(daemon.isBroken(1)).toBe(false);
        const answered = guest.received.filter((m) => m.type !== 15).map((m) => m.requestId);
        expect(answered).toEqual(messages.map((_, i) => i + 1));
      },
    ),
    { numRuns: 150 },
  );
});

test('RING-8: a header that announces too much drops the connection, with the reason', () => {
  const { daemon, settle } = makeWorld();
  const guest = new Guest(daemon, 1);
  guest.put(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0));
  settle();
  expect(daemon.isBroken(1)).toBe(true);
  expect(guest.ring.error).toBe(3);
});
