import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NetGuest } from './net-guest.ts';

test('XENNET-16: saved at whatever moment, and again while it comes back, the interface works and nothing has leaked', () => {
  const moment_ns = fc.oneof(fc.nat(20_000), fc.nat(3_000_000), fc.nat(30_000_000));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(moment_ns, fc.boolean(), fc.boolean()), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom(1, 2),
      (moves, amnesia, nics) => {
        const net = new NetGuest({ amnesia, nics });
        let copies = true;
        for (const [delay_ns, stays, there] of moves) {
          net.call('send', 100, 30);
          for (let i = 0; i < 30; i++) net.tell(100);
          net.host.runFor(delay_ns);
          if (stays) net.guest.checkpoint();
          else {
            net.moveAtOnce({ netFeatures: { rxCopy: there } });
            copies = there;
          }
        }
        net.settle();
        expect([net.call('mbufs'), net.call('grants')]).toEqual([0, 258 * nics]);
        net.heard();
        const before = net.call('received');
        expect(net.call('send', 200, 20)).toBe(20);
        expect(net.heard()).toEqual(new Array(20).fill(200));
        for (let i = 0; i < 20; i++) net.tell(300);
        net.settle();
        expect(net.call('received') - before).toBe(20);
        expect(net.missingPages).toBe(copies ? 0 : 256 * nics);
        expect(net.host.audit()).toEqual([]);
      },
    ),
    { numRuns: 25 },
  );
});
