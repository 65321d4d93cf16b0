import { XS_DIRECTORY, XS_ERROR, XS_READ, XS_WATCH_EVENT } from '@port-xen/abi';
import { MODES } from '@tooling/guest-testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BusGuest, latin1, message } from './bus-guest.ts';
import { LARGE } from './probe.ts';

const ENOENT = 2;
const EIO = 5;
const EACCES = 13;

describe.each(MODES)('%s', (_, options) => {
  test('XB-1, XB-3: reads, writes, lists and removes nodes, and says why it cannot', () => {
    const guest = new BusGuest(options);
    expect(guest.write('data/a', 'hello')).toBeGreaterThan(0);
    expect(guest.host.store.read(`${guest.home}/data/a`)).toBe('hello');
    guest.host.store.write(`${guest.home}/data/b`, 'x'.repeat(255));
    expect(guest.read('data/b')).toBe('x'.repeat(255));
    expect(guest.call('xs_directory', 0, 'data', guest.replyAddress, 2048)).toBe('a\0b\0'.length);
    expect(guest.reply.subarray(0, 4)).toEqual(latin1('a\0b\0'));
    expect(guest.call('xs_rm', 0, 'data/a', 0, 0)).toBeGreaterThan(0);
    expect(guest.read('data/a')).toBe(-ENOENT);
    expect(guest.write('/local/domain/0/name', 'x')).toBe(-EACCES);
  });

  test('XB-2: a request that does not fit the ring goes in pieces, and so does the reply', () => {
    const guest = new BusGuest(options);
    expect(guest.call('probe_write_large')).toBeGreaterThan(0);
    expect(guest.host.store.readBytes(`${guest.home}/data/large/0`).length).toBe(LARGE);
    expect(guest.call('xs_read', 0, 'data/large/0', guest.replyAddress, 2048)).toBe(LARGE);
    expect(guest.reply.subarray(0, LARGE)).toEqual(
      guest.host.store.readBytes(`${guest.home}/data/large/0`),
    );
    // A caller with less room gets the start, and a NUL.
    expect(guest.call('xs_read', 0, 'data/large/0', guest.replyAddress, 101)).toBe(LARGE);
    expect(guest.reply[100]).toBe(0);
  });

  test('XB-1: one request at a time, whoever makes them', () => {
    const guest = new BusGuest(options);
    for (let id = 0; id < 4; id++) guest.spawn('probe_worker', id);
    guest.host.runFor(100e6);
    expect(guest.call('probe_finished')).toBe(4);
  });

  test('XB-3: an error that nobody knows is EIO', () => {
    for (const name of ['EWHAT', 'constructor', '', 'ENOENT and more']) {
      const guest = new BusGuest(options);
      // Whatever number the next request has.
      const lies = Array.from({ length: 30 }, (_, id) => message(XS_ERROR, id, latin1(name)));
      guest.inject(...lies);
      expect(guest.read('data')).toBe(-EIO);
    }
  });

  test('XB-4: what answers no request is passed over', () => {
    const guest = new BusGuest(options);
    guest.inject(message(XS_READ, 12345, latin1('lie')), message(99, 0, new Uint8Array(0)));
    guest.host.store.write(`${guest.home}/data/c`, 'truth');
    expect(guest.read('data/c')).toBe('truth');
  });

  test('XB-4: an event for a watch that there is not is passed over', () => {
    const guest = new BusGuest(options);
    const before = guest.log;
    const payloads = [
      '',
      'a',
      'a\0',
      'a\0zz\0',
      'a\x00999\0',
      'a\x0023\0',
      'a\0-1\0',
      'a\x001e1\0',
    ];
    guest.inject(...payloads.map((payload) => message(XS_WATCH_EVENT, 0, latin1(payload))));
    expect(guest.read('data')).toBe('');
    expect(guest.log).toEqual(before);
  });

  test('XB-4: a reply of another type than the request is EIO', () => {
    const guest = new BusGuest(options);
    // Whatever number the next request has.
    guest.inject(...Array.from({ length: 40 }, (_, id) => message(XS_DIRECTORY, id, latin1('x'))));
    expect(guest.read('data')).toBe(-EIO);
    expect(guest.write('data/d', 'y')).toBeGreaterThan(0);
  });

  test('XB-4: a message that is too long is a panic', () => {
    const guest = new BusGuest(options);
    guest.inject(message(XS_READ, 0, new Uint8Array(0)).fill(0xff, 12));
    expect(() => guest.read('data')).toThrow(
      "panic: xenbus: expected at most 4096 bytes in a message of xenstored's, found 4294967295",
    );
  });

  test('XB-4: a reply ring whose indices make no sense is a panic', () => {
    const guest = new BusGuest(options);
    const { ring, unmap } = guest.storePage;
    ring.rsp_cons = (ring.rsp_cons - 2000) >>> 0;
    unmap();
    expect(() => guest.read('data')).toThrow(/panic: xenbus: expected at most 1024 bytes .* found/);
  });

  test('XB-4: a request ring whose indices make no sense is EIO', () => {
    const guest = new BusGuest(options);
    const { ring, unmap } = guest.storePage;
    ring.req_cons = (ring.req_cons + 1) >>> 0;
    expect(guest.read('data')).toBe(-EIO);
    unmap();
  });
});

test('XB-4: whatever whole messages xenstored sends, a request is answered', () => {
  const guest = new BusGuest({ amnesia: false });
  const junk = fc.record({
    type: fc.oneof(fc.nat(25), fc.nat()),
    id: fc.integer({ min: 100_000, max: 2 ** 32 - 1 }),
    payload: fc.uint8Array({ maxLength: 200 }),
  });
  fc.assert(
    fc.property(fc.array(junk, { maxLength: 4 }), (all) => {
      guest.inject(...all.map(({ type, id, payload }) => message(type, id, payload)));
      expect(guest.read('data')).toBe('');
    }),
    { numRuns: 60 },
  );
});
