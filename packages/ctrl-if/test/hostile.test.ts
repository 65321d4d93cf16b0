/*
 * A controller that means harm. It owns the ring's page, so it can put anything there; it must not get the guest to read or write anything else,
 * to go on for ever, or to die.
 */
import { CONTROL_IF_OFFSET, control_if } from '@port-xen/abi';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ControlledGuest } from './controller.ts';
import { probeImage } from './probe.ts';
import { TYPE_ECHO, TYPE_SLOW } from './probe-kernel.ts';

const image = probeImage();
const END = CONTROL_IF_OFFSET + control_if.size;
const { offset } = control_if;
const INDICES = [
  offset.tx_req_prod,
  offset.tx_resp_prod,
  offset.rx_req_prod,
  offset.rx_resp_prod,
] as const;

/** What a controller does: an index put somewhere, a message put anywhere, bytes anywhere; then an event. */
const deed = fc.oneof(
  fc.record({
    kind: fc.constant('index' as const),
    at: fc.constantFrom(...INDICES),
    value: fc.oneof(
      fc.integer({ min: 0, max: 16 }),
      fc.integer({ min: -9, max: -1 }),
      fc.integer(),
    ),
  }),
  fc.record({
    kind: fc.constant('message' as const),
    at: fc.nat(15),
    head: fc.tuple(
      fc.constantFrom(0, TYPE_ECHO, TYPE_SLOW, 6, 255),
      fc.nat(255),
      fc.nat(255),
      fc.constantFrom(0, 1, 60, 61, 255),
    ),
  }),
  fc.record({
    kind: fc.constant('ask' as const),
    length: fc.nat(255),
    type: fc.constantFrom(0, TYPE_ECHO, TYPE_SLOW, 6, 99),
  }),
  fc.record({ kind: fc.constant('answer' as const), id: fc.nat(255), length: fc.nat(255) }),
  fc.record({ kind: fc.constant('send' as const) }),
);

test('CTRL-2, CTRL-3, CTRL-6: whatever a controller puts into the rings, the guest stays within them, and serves the next one', () => {
  fc.assert(
    fc.property(fc.array(deed, { minLength: 1, maxLength: 30 }), (deeds) => {
      const g = new ControlledGuest(image, { amnesia: true });
      const { controller } = g;
      const { memory } = controller.ring;
      const around = (): Uint8Array => {
        const all = new Uint8Array(4096);
        memory.read(0, all);
        all.fill(0, CONTROL_IF_OFFSET, END);
        return all;
      };
      const before = around();
      let owner = 0;
      for (const d of deeds) {
        if (d.kind === 'index') memory.st32(CONTROL_IF_OFFSET + d.at, d.value);
        else if (d.kind === 'message') {
          memory.write(CONTROL_IF_OFFSET + 64 * d.at, Uint8Array.from(d.head));
        } else if (d.kind === 'ask') controller.ask(d.type, 1, d.length);
        else if (d.kind === 'send') g.send(owner++ % 60, 100);
        else {
          const bytes = new Uint8Array(60);
          controller.answer({ type: TYPE_ECHO, subtype: 0, id: d.id, length: d.length, bytes });
        }
        controller.notify();
        g.run(1e5);
      }
      expect(around()).toEqual(before);
      // An owner has heard, or will in its second.
      g.run(2e9);
      const { probe } = g.state;
      for (let i = 0; i < Math.min(owner, 60); i++) {
        expect(probe.answered.get(i) + probe.failed.get(i)).toBeLessThanOrEqual(
          Math.ceil(owner / 60),
        );
      }
      g.move();
      g.controller.answerAll();
      g.controller.ask(TYPE_ECHO, 9);
      g.send(63);
      g.run();
      expect(g.told(63)).toEqual([1, 0, 0]);
      expect(g.controller.answers()).toMatchObject([{ length: 1, byte: 9 }]);
    }),
    { numRuns: 12 },
  );
});

test('CTRL-5: a response that does not come in time is an error, and late it is for nobody', () => {
  const g = new ControlledGuest(image);
  g.guest.spawn('probe_ask', 3);
  g.send(4);
  g.run(11e9);
  expect(g.told(3)).toEqual([0, 1, 60]);
  expect(g.told(4)).toEqual([0, 0, 0]);
  expect(g.state.ids).toBe(2);
  g.controller.answerAll();
  g.run();
  expect([g.told(3), g.told(4)]).toEqual([
    [0, 1, 60],
    [1, 0, 0],
  ]);
  expect(g.state.ids).toBe(0);
});

test('CTRL-5: an answered question’s time does not run on for who has its id next', () => {
  const g = new ControlledGuest(image);
  g.send(3, 500);
  for (const message of g.controller.take()) g.controller.answer(message);
  g.run();
  g.send(4);
  g.run(11e9);
  expect([g.told(3), g.told(4)]).toEqual([
    [1, 0, 0],
    [0, 0, 0],
  ]);
});
