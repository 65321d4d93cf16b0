import { Sim } from '@port-xen/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bridge, type BridgeParts } from '../src/index.ts';
import { BROADCAST, Ear, frame, mac } from './frames.ts';

const SECOND_NS = 1e9;

/** A bridge with stations 0 to n - 1, whose ports are named after them. */
const bridgeOf = (n: number, parts: Partial<BridgeParts> = {}) => {
  const sim = new Sim(1);
  const bridge = new Bridge({ sim, name: 'xenbr0', ...parts });
  const ears = Array.from({ length: n }, () => new Ear());
  const ports = ears.map((ear, i) => bridge.attach(`port${i}`, ear));
  const send = (from: number, sent: ReturnType<typeof frame>) => {
    ports[from]?.send(sent);
    sim.runUntil(() => false);
  };
  const heard = () => {
    const counts = ears.map((ear) => ear.heard.length);
    for (const ear of ears) ear.heard.length = 0;
    return counts;
  };
  const later = (ns: number) => {
    sim.after(ns, () => {});
    sim.runUntil(() => false);
  };
  return { sim, bridge, ears, ports, send, heard, later };
};

test('BRIDGE-1: what is for nobody known goes everywhere else, what is for somebody heard goes there', () => {
  const { bridge, send, heard } = bridgeOf(3);
  send(0, frame(mac(2), mac(1)));
  expect(heard()).toEqual([0, 1, 1]);
  send(1, frame(mac(1), mac(2)));
  expect(heard()).toEqual([1, 0, 0]);
  send(0, frame(mac(2), mac(1)));
  expect(heard()).toEqual([0, 1, 0]);
  send(2, frame(BROADCAST, mac(3)));
  expect(heard()).toEqual([1, 1, 0]);
  send(0, frame(mac(1), mac(4)));
  expect(heard()).toEqual([0, 0, 0]);
  expect(bridge.counters).toMatchObject({ forwarded: 2, flooded: 2, filtered: 1 });
  expect(bridge.portOf(mac(2))).toBe('port1');
});

test('BRIDGE-2: an address heard on another port is there from that frame on', () => {
  const { send, heard, bridge } = bridgeOf(3);
  send(0, frame(BROADCAST, mac(1)));
  heard();
  send(1, frame(BROADCAST, mac(1)));
  expect(bridge.portOf(mac(1))).toBe('port1');
  heard();
  send(2, frame(mac(1), mac(3)));
  expect(heard()).toEqual([0, 1, 0]);
});

test('BRIDGE-2: what was heard on a port that is detached is forgotten, and nothing arrives there any more', () => {
  const { send, heard, bridge, ports, sim } = bridgeOf(3);
  send(0, frame(BROADCAST, mac(1)));
  heard();
  ports[1]?.send(frame(mac(1), mac(2)));
  ports[0]?.detach();
  sim.runUntil(() => false);
  expect(heard()).toEqual([0, 0, 1]);
  expect(bridge.portOf(mac(1))).toBeUndefined();
  expect(bridge.ports).toBe(2);
  expect(ports[0]?.send(frame(BROADCAST, mac(1)))).toBe(false);
});

test('BRIDGE-3: an address that was not heard for its time is forgotten; one that was is not', () => {
  const { send, heard, later, bridge } = bridgeOf(3);
  send(0, frame(BROADCAST, mac(1)));
  later(299 * SECOND_NS);
  expect(bridge.portOf(mac(1))).toBe('port0');
  send(0, frame(BROADCAST, mac(1)));
  later(299 * SECOND_NS);
  heard();
  send(1, frame(mac(1), mac(2)));
  expect(heard()).toEqual([1, 0, 0]);
  later(2 * SECOND_NS);
  send(1, frame(mac(1), mac(2)));
  expect(heard()).toEqual([1, 0, 1]);
});

test('BRIDGE-3: made-up addresses fill the table and push nobody out; old ones make room', () => {
  const { send, later, bridge } = bridgeOf(2, { addresses: 4 });
  for (let i = 1; i <= 10; i++) send(0, frame(BROADCAST, mac(i)));
  expect(bridge.addresses).toBe(4);
  expect(bridge.counters.unlearnt).toBe(6);
  expect(bridge.portOf(mac(1))).toBe('port0');
  later(301 * SECOND_NS);
  send(1, frame(BROADCAST, mac(20)));
  expect(bridge.portOf(mac(20))).toBe('port1');
  expect(bridge.addresses).toBe(1);
});

test('BRIDGE-4: a port floods no more than its allowance; others and known destinations do not suffer', () => {
  const { send, heard, later, bridge } = bridgeOf(3, { floodBurst: 5, floodRate: 10 });
  send(1, frame(BROADCAST, mac(2)));
  heard();
  for (let i = 0; i < 20; i++) send(0, frame(BROADCAST, mac(1)));
  expect(heard()).toEqual([0, 5, 5]);
  expect(bridge.counters.suppressed).toBe(15);
  send(0, frame(mac(2), mac(1)));
  send(2, frame(BROADCAST, mac(3)));
  expect(heard()).toEqual([1, 2, 0]);
  later(SECOND_NS / 5);
  for (let i = 0; i < 20; i++) send(0, frame(BROADCAST, mac(1)));
  expect(heard()).toEqual([0, 2, 2]);
});

test('BRIDGE-5: runts, giants, frames from groups or for bridges are refused', () => {
  const { send, heard, bridge } = bridgeOf(2);
  const refused = [
    { bytes: new Uint8Array(0), checksum: 'none' } as const,
    { bytes: frame(BROADCAST, mac(1)).bytes.slice(0, 13), checksum: 'none' } as const,
    frame(BROADCAST, mac(1), 65_536),
    frame(mac(2), BROADCAST),
    frame(mac(2), Uint8Array.of(1, 0, 0, 0, 0, 0)),
    frame(mac(2), new Uint8Array(6)),
    frame(Uint8Array.of(1, 0x80, 0xc2, 0, 0, 0), mac(1)),
    frame(Uint8Array.of(1, 0x80, 0xc2, 0, 0, 15), mac(1)),
  ];
  for (const sent of refused) send(0, sent);
  expect(heard()).toEqual([0, 0]);
  expect(bridge.counters.refused).toBe(refused.length);
  expect(bridge.addresses).toBe(0);
  send(0, frame(Uint8Array.of(1, 0x80, 0xc2, 0, 0, 16), mac(1)));
  expect(heard()).toEqual([0, 1]);
});

test('BRIDGE-1, BRIDGE-5: of any bytes from any port none arrives twice, changed, or where it came from', () => {
  const address = fc.oneof(
    fc.constantFrom(mac(1), mac(2), mac(3), BROADCAST),
    fc.uint8Array({ minLength: 6, maxLength: 6 }),
  );
  const sent = fc.record({
    from: fc.nat(3),
    to: address,
    source: address,
    length: fc.oneof(fc.nat(100), fc.integer({ min: 65_530, max: 65_540 })),
  });
  fc.assert(
    fc.property(fc.array(sent, { maxLength: 40 }), (frames) => {
      const { send, ears, bridge } = bridgeOf(4, { addresses: 3 });
      for (const { from, to, source, length } of frames) {
        const { bytes } = frame(to, source, Math.max(14, length));
        const cut = { bytes: bytes.slice(0, length), checksum: 'none' } as const;
        const before = cut.bytes.slice();
        send(from, cut);
        for (const [i, ear] of ears.entries()) {
          expect(ear.heard.length).toBeLessThanOrEqual(i === from ? 0 : 1);
          for (const heard of ear.heard) expect(heard).toBe(cut);
          ear.heard.length = 0;
        }
        expect(cut.bytes).toEqual(before);
      }
      const { forwarded, flooded, filtered, refused, suppressed } = bridge.counters;
      expect(forwarded + flooded + filtered + refused + suppressed).toBe(frames.length);
      expect(bridge.addresses).toBeLessThanOrEqual(3);
    }),
  );
});
