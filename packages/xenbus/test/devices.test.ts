import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { BusGuest } from './bus-guest.ts';

const INIT_WAIT = 2;
const CONNECTED = 4;
const CLOSED = 6;
/** What the driver writes down: the toy's number, then number and state. */
const told = (id: number, state: number): number => 1000 * id + state;

describe.each(MODES)('%s', (_, options) => {
  test('XB-11: devices are attached by number, those that are Initialising and not known yet', () => {
    const guest = new BusGuest(options);
    guest.host.store.transaction((tx) => {
      guest.host.store.mkdir(`${guest.home}/device/toy`, tx);
      guest.host.store.setPermissions(
        `${guest.home}/device/toy`,
        [{ domid: guest.domid, access: 'n' }],
        tx,
      );
    });
    guest.makeToy(12, { state: '4' });
    guest.settle();
    guest.makeToy(10);
    guest.makeToy(2);
    guest.settle();
    const first = guest.log;
    expect(first.filter((n) => n < 1000)).toEqual([2, 10]);
    guest.makeToy(1);
    guest.settle();
    expect(guest.log.filter((n) => n < 1000)).toEqual([2, 10, 1]);
  });

  test("XB-11: a driver is told of its back end's states; a back end whose state is gone is Closed", () => {
    const guest = new BusGuest(options);
    guest.makeToy(5);
    guest.settle();
    guest.setBackend(5, INIT_WAIT);
    guest.setBackend(5, CONNECTED);
    guest.host.store.rm(guest.backendOf(5));
    guest.settle();
    expect(guest.log).toEqual([
      5,
      told(5, 1),
      told(5, INIT_WAIT),
      told(5, CONNECTED),
      told(5, CLOSED),
    ]);
  });

  test('XB-12: a back end that cannot be is no back end, and others are not held up by it', () => {
    const guest = new BusGuest(options);
    guest.makeToy(1, { backend: `/local/domain/0/backend/${'x'.repeat(240)}` });
    guest.makeToy(2, { 'backend-id': '40000' });
    guest.makeToy(3, { 'backend-id': 'zero' });
    guest.makeToy(4, { backend: '' });
    guest.makeToy(5);
    guest.settle();
    expect(guest.log).toEqual([5, told(5, 1)]);
  });

  test('XB-11: more devices than there is room for are left alone', () => {
    const guest = new BusGuest(options);
    for (let id = 1; id <= 20; id++) guest.makeToy(id);
    guest.settle();
    expect(guest.log.filter((n) => n < 1000).length).toBe(16);
    expect(guest.read('data')).toBe('');
  });

  test('XB-8: after a restore the driver hears of the new back end, and not of the old one', () => {
    const guest = new BusGuest(options);
    guest.makeToy(5);
    guest.settle();
    const watches = guest.call('probe_watches');
    for (let trip = 0; trip < 2; trip++) {
      const { backendOf } = guest;
      const old = backendOf.call(guest, 5);
      guest.move({
        beforeItRuns: () => {
          guest.makeData();
          guest.makeToy(5);
        },
      });
      guest.settle();
      const before = guest.log.length;
      guest.host.store.write(`${old}/state`, '4');
      guest.settle();
      expect(guest.log.length).toBe(before);
      guest.setBackend(5, INIT_WAIT);
      expect(guest.log.slice(before)).toEqual([told(5, INIT_WAIT)]);
      expect(guest.call('toy_is_present', 5)).toBe(1);
      expect(guest.call('probe_watches')).toBe(watches);
    }
  });

  test('XB-8: a device that the new host does not have is not present, and the others are', () => {
    const guest = new BusGuest(options);
    guest.makeToy(5);
    guest.makeToy(6);
    guest.settle();
    guest.move({ beforeItRuns: () => guest.makeToy(6) });
    guest.settle();
    expect([5, 6].map((id) => guest.call('toy_is_present', id))).toEqual([0, 1]);
    guest.move({ beforeItRuns: () => guest.makeToy(5) });
    guest.settle();
    expect([5, 6].map((id) => guest.call('toy_is_present', id))).toEqual([1, 0]);
  });
});
