import {
  CMSG_BLKIF_FE,
  CMSG_CONSOLE,
  CONTROL_IF_OFFSET,
  control_if,
  control_msg,
  SHUTDOWN_suspend,
} from '@port-xen/abi';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Guest, Host } from './scripted-guest.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const AFTER = CONTROL_IF_OFFSET + control_if.size;
const INDICES = ['tx_req_prod', 'tx_resp_prod', 'rx_req_prod', 'rx_resp_prod'] as const;

/** A host where one guest is hostile and another one is not; each has a disk. */
const twoGuests = () => {
  const host = new Host();
  host.disk('a');
  host.disk('b');
  const hostile = host.guest().connect({ xvda: 'a' });
  const good = host.guest().connect({ xvda: 'b' });
  return { host, hostile, good };
};

/** The other guest is heard and spoken to as if nothing had happened. */
const expectServed = (host: Host, good: Guest) => {
  const before = host.text(good.domid);
  good.print('still here');
  good.notify();
  host.controller.input(good.domid, bytes('and you?'));
  const typed = good.serve().filter(({ type }) => type === CMSG_CONSOLE);
  expect(host.text(good.domid)).toBe(`${before}still here`);
  expect(typed.map((m) => new TextDecoder().decode(m.bytes)).join('')).toBe('and you?');
};

const stopped = (host: Host) =>
  host.story.filter((line) => line.includes('control interface is stopped'));

test('DC-6: more requests than slots, or more responses than requests, stop a guest’s control interface, once', () => {
  for (const [name, sentence] of [
    ['tx_req_prod', 'at most 8 requests in the control interface, found producer 9 with 0 taken'],
    ['rx_resp_prod', 'at most 0 responses in the control interface, found producer 9 with 0 taken'],
  ] as const) {
    const { host, hostile, good } = twoGuests();
    hostile.driver(1);
    hostile.serve();
    hostile.connectRing(1);
    hostile.serve();
    const held = [...host.hv.dom0.holds].length;
    const taken = hostile.index(name);
    hostile.setIndex(name, taken + 9);
    hostile.notify();
    host.settle();
    hostile.notify();
    host.settle();
    const numbers = sentence.replace('9 with 0', `${taken + 9} with ${taken}`);
    expect(stopped(host)).toEqual([
      `domain ${hostile.domid}: expected ${numbers}; its control interface is stopped`,
    ]);
    // The page, and the ring of its disk.
    expect([...host.hv.dom0.holds].length).toBe(held - 2);
    expectServed(host, good);
  }
});

test('DC-6: an answer to nothing, or to another question, stops a guest’s control interface, and who asked is told', () => {
  for (const field of ['id', 'type', 'subtype'] as const) {
    const { host, hostile, good } = twoGuests();
    const ends: (string | undefined)[] = [];
    host.controller.sysrq(hostile.domid, 'b', (error) => ends.push(error?.message));
    host.settle();
    const [message] = hostile.requests();
    const view = control_msg.at(message?.memory as never, 0);
    view[field] ^= 1;
    hostile.answer(message as never);
    hostile.notify();
    host.settle();
    expect(stopped(host)).toHaveLength(1);
    expect(ends).toEqual([`domain ${hostile.domid} has lost its control interface`]);
    host.controller.sysrq(hostile.domid, 'b', (error) => ends.push(error?.message));
    expect(ends).toHaveLength(1);
    host.settle();
    expect(ends[1]).toBe(`domain ${hostile.domid} has no control interface`);
    expectServed(host, good);
  }
});

test('DC-4: a message that says it is longer than a message can be is answered with nothing, and told of once', () => {
  const { host, hostile, good } = twoGuests();
  hostile.put(CMSG_CONSOLE, 0, bytes('fits'), 60);
  for (const length of [61, 255]) hostile.put(CMSG_CONSOLE, 0, bytes('does not fit'), length);
  hostile.put(CMSG_BLKIF_FE, 32, new Uint8Array(8), 200);
  hostile.notify();
  host.settle();
  expect(hostile.answers().map(({ bytes: { length } }) => length)).toEqual([0, 0, 0, 0]);
  expect(host.printed.get(hostile.domid)).toHaveLength(60);
  expect(host.story.filter((line) => line.includes('expected at most 60 bytes'))).toHaveLength(1);
  expectServed(host, good);
});

test('DC-5: an answer that says it is longer than a message can be is an error to who asked, and to nobody else', () => {
  const { host, hostile, good } = twoGuests();
  const ends: (string | undefined)[] = [];
  host.controller.sysrq(hostile.domid, 'b', (error) => ends.push(error?.message));
  host.settle();
  const [message] = hostile.requests();
  message?.memory.st8(3, 61);
  hostile.answer(message as never);
  hostile.notify();
  host.settle();
  expect(ends).toEqual([`domain ${hostile.domid} answered with a length of 61`]);
  expect(stopped(host)).toEqual([]);
  expectServed(host, good);
});

test('DC-5: a guest that answers nothing has others wait, not fail, until there are a thousand of them', () => {
  const { host, hostile, good } = twoGuests();
  const ends: (string | undefined)[] = [];
  for (let i = 0; i < 1200; i++) {
    host.controller.sysrq(hostile.domid, 's', (error) => ends.push(error?.message));
  }
  host.settle();
  expect(hostile.requests()).toHaveLength(8);
  const tooMany = `domain ${hostile.domid} answers too little`;
  expect(ends).toEqual(Array(1200 - 1024).fill(tooMany));
  host.settle(61e9);
  expect(ends).toHaveLength(1200);
  expectServed(host, good);
});

test('DC-20: a front end that goes up and down a thousand times leaves one port and one message', () => {
  const { host, hostile, good } = twoGuests();
  const ports = () => hostile.domain.evtchn.count;
  const before = ports();
  for (let i = 0; i < 1000; i++) {
    hostile.driver(1);
    hostile.connectRing(1 + (i % 3));
    hostile.answers();
  }
  expect(ports()).toBe(before + 1);
  expect(hostile.requests()).toHaveLength(1);
  expectServed(host, good);
});

const word = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: -20, max: -1 }),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);
const deed = fc.oneof(
  fc.record({ kind: fc.constant('index' as const), name: fc.constantFrom(...INDICES), word }),
  fc.record({
    kind: fc.constant('step' as const),
    name: fc.constantFrom('tx_req_prod' as const, 'rx_resp_prod' as const),
  }),
  fc.record({
    kind: fc.constant('scribble' as const),
    at: fc.integer({ min: CONTROL_IF_OFFSET, max: AFTER - 1 }),
    some: fc.uint8Array({ minLength: 1, maxLength: 70 }),
  }),
  fc.record({
    kind: fc.constant('put' as const),
    type: fc.integer({ min: 0, max: 8 }),
    subtype: fc.constantFrom(0, 1, 2, 32, 33, 34, 35),
    payload: fc.uint8Array({ maxLength: 60 }),
    length: fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('connect' as const), pfn: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ kind: fc.constant('serve' as const) }),
  fc.record({ kind: fc.constant('ask' as const) }),
  fc.record({ kind: fc.constant('suspend' as const) }),
  fc.record({ kind: fc.constant('resume' as const) }),
  fc.record({ kind: fc.constant('close' as const), port: fc.integer({ min: 1, max: 5 }) }),
);

test('DC-6: whatever one guest does, nothing throws or hangs, nothing but its rings is written, and the other is served', () => {
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), (deeds) => {
      const { host, hostile, good } = twoGuests();
      const before = host.held();
      hostile.page.bytes.fill(0x77, AFTER);
      let asked = 0;
      let told = 0;
      for (const d of deeds) {
        if (d.kind === 'index') hostile.setIndex(d.name, d.word);
        if (d.kind === 'step') hostile.setIndex(d.name, hostile.index(d.name) + 1);
        if (d.kind === 'scribble') {
          hostile.page.bytes.set(d.some.subarray(0, AFTER - d.at), d.at);
        }
        if (d.kind === 'put') hostile.put(d.type, d.subtype, d.payload, d.length);
        if (d.kind === 'connect') {
          hostile.driver(1);
          hostile.connectRing(d.pfn);
        }
        // Only as many as there can be: the indices may be anything.
        if (
          d.kind === 'serve' &&
          (hostile.index('rx_req_prod') - hostile.requestsTaken) >>> 0 <= 8
        ) {
          for (const message of hostile.requests()) hostile.answer(message);
        }
        if (d.kind === 'ask') {
          host.controller.input(hostile.domid, bytes('typed'));
          host.controller.shutdown(hostile.domid, 'suspend', () => told++);
          host.controller.sysrq(hostile.domid, 'h', () => told++);
          asked += 2;
        }
        if (d.kind === 'suspend') hostile.domain.shutdown(SHUTDOWN_suspend);
        if (d.kind === 'resume' && hostile.domain.isShutDown)
          host.hv.domctl.resumeDomain(hostile.domid);
        if (d.kind === 'close') hostile.domain.evtchn.close(d.port);
        hostile.notify();
        host.settle(300_000);
      }
      const { events } = host.sim;
      host.settle(1e9);
      // A look each millisecond at a domain that is shut down, and a word typed every ten.
      expect(host.sim.events - events).toBeLessThan(2500);
      expect(hostile.page.bytes.subarray(AFTER).every((byte) => byte === 0x77)).toBe(true);
      expectServed(host, good);
      if (told < asked) host.settle(62e9);
      expect(told).toBe(asked);
      hostile.destroy();
      host.settle();
      expect(host.hv.dom0.evtchn.count).toBe(1);
      expect(host.xbdback.loop.count).toBe(1);
      expect([...host.hv.dom0.holds].length).toBe(1);
      expect(before).toMatchObject({ controlled: 2, loop: 2 });
    }),
    { numRuns: 150 },
  );
});
