import { blkif_request, netif_rx_request, netif_tx_request } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BackRing, FrontRing, front_ring, ringSize } from '../src/index.ts';

const PAGE = 4096;
const PRIVATE = PAGE;
const SLOT = 112;
const ENTRIES = 32;

/** A page and the front end's own struct after it. */
const makeRing = (start = 0) => {
  const memory = new BytesMemory(new Uint8Array(PAGE + 64));
  const front = new FrontRing(memory, PRIVATE);
  front.init(0, ENTRIES, SLOT);
  front.ring.req_prod_pvt = start;
  front.ring.rsp_cons = start;
  for (const at of [0, 8]) memory.st32(at, start);
  for (const at of [4, 12]) memory.st32(at, start + 1);
  return { memory, front, back: new BackRing(memory, ENTRIES, SLOT) };
};

test('RING-1: a page holds 32 block requests, 256 transmit and 256 receive requests', () => {
  expect(ringSize(PAGE, blkif_request.size)).toBe(32);
  expect(ringSize(PAGE, netif_tx_request.size)).toBe(256);
  expect(ringSize(PAGE, netif_rx_request.size)).toBe(256);
});

test('RING-2, RING-3: nothing is lost or doubled and no wake-up is missed, in any order of steps, over the wrap', () => {
  const step = fc.constantFrom(
    'ask',
    'push',
    'take',
    'answer',
    'reply',
    'collect',
    'check',
    'recheck',
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 400 }),
      fc.constantFrom(0, 5, 0xffff_fff0),
      (steps, start) => {
        const { memory, front, back } = makeRing(start);
        let asked = 0;
        const taken: number[] = [];
        const answered: number[] = [];
        const collected: number[] = [];
        // Whether each side has been told, or has looked, since the other produced.
        let backAwake = true;
        let frontAwake = true;
        for (const what of steps) {
          if (what === 'ask' && front.free > 0) memory.st32(front.nextRequest(), ++asked);
          else if (what === 'push') backAwake = front.pushRequests() || backAwake;
          else if (what === 'take') {
            const at = back.nextRequest();
            if (at !== undefined) taken.push(memory.ld32(at));
          } else if (what === 'answer') {
            const id = taken.find((candidate) => !answered.includes(candidate));
            if (id !== undefined) {
              memory.st32(back.nextResponse(), id);
              answered.push(id);
            }
          } else if (what === 'reply') frontAwake = back.pushResponses() || frontAwake;
          else if (what === 'collect') {
            const at = front.nextResponse();
            if (at !== undefined) collected.push(memory.ld32(at));
          } else if (what === 'check') backAwake = back.finalCheckForRequests();
          else frontAwake = front.finalCheckForResponses();
          expect(backAwake || back.requestProducer === back.taken).toBe(true);
          expect(frontAwake || memory.ld32(8) >>> 0 === front.ring.rsp_cons).toBe(true);
        }
        const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
        expect(taken).toEqual(upTo(taken.length));
        expect(collected).toEqual(answered.slice(0, collected.length));
        expect(front.free).toBe(ENTRIES - (asked - collected.length));
      },
    ),
  );
});

test('RING-4: a hostile other end is seen and never followed', () => {
  fc.assert(
    fc.property(
      fc.nat(0xffff_ffff),
      fc.nat(0xffff_ffff),
      fc.nat(ENTRIES),
      (reqProd, rspProd, out) => {
        const { memory, front, back } = makeRing();
        for (let i = 0; i < out; i++) front.nextRequest();
        front.pushRequests();
        memory.st32(8, rspProd);
        expect(front.overflown).toBe(rspProd > out);
        let responses = 0;
        while (front.nextResponse() !== undefined) responses++;
        expect(responses).toBe(rspProd > out ? 0 : rspProd);
        memory.st32(0, reqProd);
        expect(back.overflown).toBe(reqProd > ENTRIES);
        let requests = 0;
        while (back.nextRequest() !== undefined) requests++;
        expect(requests).toBeLessThanOrEqual(ENTRIES);
      },
    ),
  );
});

test('RING-5: the front end keeps nothing outside its struct', () => {
  const { memory, front } = makeRing();
  front.nextRequest();
  const again = new FrontRing(memory, PRIVATE);
  Object.freeze(again);
  again.nextRequest();
  expect(front.ring.req_prod_pvt).toBe(2);
  expect(front_ring.size).toBe(24);
});

test('RING-3: whoever waits for several requests is told when the last of them is there, and not before', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: ENTRIES }),
      fc.integer({ min: 0, max: ENTRIES }),
      fc.constantFrom(0, 0xffff_fffe),
      (count, before, start) => {
        const { front, back } = makeRing(start);
        for (let i = 0; i < before; i++) front.nextRequest();
        front.pushRequests();
        expect(back.available).toBe(before);
        expect(back.finalCheckForRequests(count)).toBe(before >= count);
        for (let there = before + 1; there <= ENTRIES; there++) {
          front.nextRequest();
          expect(front.pushRequests()).toBe(there === count);
        }
      },
    ),
  );
});
