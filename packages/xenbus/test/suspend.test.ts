import { XS_WATCH } from '@port-xen/abi';
import { MODES } from '@tooling/guest-testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BusGuest } from './bus-guest.ts';

const features = (guest: BusGuest): (string | undefined)[] =>
  ['suspend', 'poweroff', 'reboot'].map((name) =>
    guest.host.store.tryRead(`${guest.home}/control/feature-${name}`),
  );

const ask = (guest: BusGuest, request: string): void => {
  guest.host.store.write(`${guest.home}/control/shutdown`, request);
};

const answer = (guest: BusGuest): string => guest.host.store.read(`${guest.home}/control/shutdown`);

describe.each(MODES)('%s', (_, options) => {
  test('XB-7: a suspend waits for the requests under way, wherever they are', () => {
    // The guest is asked at another moment each time: the request is unsent, half in the ring, with xenstored, half read.
    for (const delay_us of [0, 10, 20, 35, 60, 100, 150, 220]) {
      const guest = new BusGuest(options);
      for (let id = 0; id < 3; id++) guest.spawn('probe_worker', id);
      guest.host.runFor(delay_us * 1000);
      guest.move({ beforeItRuns: () => guest.makeData() });
      guest.host.runFor(200e6);
      expect(guest.call('probe_finished')).toBe(3);
    }
  });

  test('XB-7: a watch that is in the middle of a transaction ends it before the domain leaves', () => {
    const guest = new BusGuest(options);
    guest.call('probe_watch_transacting', 'data/trigger');
    guest.host.runFor(200e6);
    expect(guest.log).toEqual([1, 2]);
    guest.host.store.write(`${guest.home}/data/trigger`, 'x');
    guest.host.runFor(10e6);
    guest.move({ beforeItRuns: () => guest.makeData() });
    guest.host.runFor(200e6);
    // Once more for the trigger, once for the registration after the restore.
    expect(guest.log).toEqual([1, 2, 1, 2, 1, 2]);
  });

  test('XB-7: no watch is served once a suspend is asked for; it is served after', () => {
    const guest = new BusGuest(options);
    const { sim, store } = guest.host;
    guest.call('probe_watch_transacting', 'data/trigger');
    guest.host.runFor(200e6);
    let asked = false;
    sim.after(0, function look() {
      asked ||= answer(guest) === 'suspend';
      if (asked && answer(guest) === '') store.write(`${guest.home}/data/trigger`, 'x');
      else sim.after(1000, look);
    });
    guest.move({ beforeItRuns: () => guest.makeData() });
    guest.host.runFor(200e6);
    expect(guest.log).toEqual([1, 2, 1, 2]);
  });

  test('XB-7: a suspend that a device refuses leaves the bus at work, and can be asked for again', () => {
    const guest = new BusGuest(options);
    guest.call('probe_attach_stubborn');
    guest.call('probe_set_refuse', 1);
    guest.call('probe_watch', 'data/watched');
    ask(guest, 'suspend');
    guest.until('test: suspend refused\n');
    guest.settle();
    const before = guest.log.length;
    guest.host.store.write(`${guest.home}/data/watched/4`, '');
    guest.settle();
    expect(guest.log.slice(before)).toEqual([4]);
    guest.call('probe_set_refuse', 0);
    guest.move({ beforeItRuns: () => guest.makeData() });
    expect(guest.read('data')).toBe('');
  });

  test('XB-8: every watch is registered again, and none twice', () => {
    const guest = new BusGuest(options);
    guest.call('probe_watch', 'data/watched');
    guest.settle();
    const watchesOf = () => guest.host.conservation().xenstore.watches;
    const held = watchesOf();
    for (let trip = 0; trip < 3; trip++) {
      guest.move({ beforeItRuns: () => guest.makeData() });
      guest.settle();
      expect(watchesOf()).toBe(held);
      const before = guest.log.length;
      guest.host.store.write(`${guest.home}/data/watched/4`, '');
      guest.settle();
      expect(guest.log.slice(before)).toEqual([4]);
    }
  });

  test('XB-8: half a message of the old connection is not taken for the start of one of the new', () => {
    const guest = new BusGuest(options);
    guest.call('probe_attach_half');
    guest.move({ beforeItRuns: () => guest.makeData() });
    expect(guest.read('data')).toBe('');
  });

  test('XB-9: a cancelled suspend keeps the connection: watches fire, once', () => {
    const guest = new BusGuest(options);
    guest.call('probe_watch', 'data/watched');
    guest.settle();
    const held = guest.host.conservation();
    const before = guest.log.length;
    let registered = 0;
    guest.host.sim.trace.listen((kind, domid, [, type]) => {
      if (kind === 'xenstore' && domid === guest.domid && type === XS_WATCH) registered++;
    });
    guest.checkpoint();
    expect(guest.host.conservation()).toEqual(held);
    expect(registered).toBe(0);
    guest.host.store.write(`${guest.home}/data/watched/4`, '');
    guest.settle();
    expect(guest.log.slice(before)).toEqual([4]);
  });

  test('XB-9: what xenstored says while the domain is away is heard when the suspend is cancelled', () => {
    const guest = new BusGuest(options);
    guest.call('probe_watch', 'data/watched');
    guest.settle();
    const before = guest.log.length;
    guest.host.hv.onDomainShutdown(() => {
      guest.host.store.write(`${guest.home}/data/watched/4`, '');
    });
    guest.checkpoint();
    guest.settle();
    expect(guest.log.slice(before)).toEqual([4]);
  });

  test('XB-10: a request of control/shutdown is answered with the empty string, and done', () => {
    const guest = new BusGuest(options);
    for (const [request, done] of [
      ['poweroff', 'poweroff'],
      ['halt', 'poweroff'],
      ['reboot', 'reboot'],
    ] as const) {
      ask(guest, request);
      guest.until(`test: ${done} asked for\n`);
      expect(answer(guest)).toBe('');
    }
  });

  test('XB-10: what nobody knows is answered and passed over', () => {
    const guest = new BusGuest(options);
    ask(guest, 'crash');
    guest.until('xenbus0: ignoring shutdown request "crash"\n');
    expect(answer(guest)).toBe('');
    ask(guest, 'x'.repeat(1000));
    guest.until('xenbus0: ignoring shutdown request "xxx');
    ask(guest, 'poweroff');
    guest.until('test: poweroff asked for\n');
  });

  test('XB-10: a request that is withdrawn before the answer is not done', () => {
    const guest = new BusGuest(options);
    const { host } = guest;
    ask(guest, 'poweroff');
    host.runUntil('the guest to begin', () => host.xenstored.counters().transactions > 0);
    ask(guest, '');
    guest.settle();
    expect(guest.console).not.toContain('poweroff');
    ask(guest, 'reboot');
    guest.until('test: reboot asked for\n');
  });

  test('XB-13: the kernel says which key it was given, once for each, on every host', () => {
    const guest = new BusGuest(options);
    const node = (): string => `${guest.home}/control/sysrq`;
    guest.host.store.write(node(), 'h');
    guest.until("xenbus_sysrq_handler: unknown letter 'h'\n");
    guest.settle();
    expect(guest.console.match(/xenbus_sysrq_handler/g)).toHaveLength(1);
    expect(guest.host.store.read(node())).toBe('');
    guest.move();
    guest.host.store.write(node(), 's');
    guest.until("xenbus_sysrq_handler: letter 's' not implemented\n");
    guest.settle();
    expect(guest.console.match(/xenbus_sysrq_handler/g)).toHaveLength(1);
  });

  test('XB-10: the kernel says what it can be asked for, on every host', () => {
    const guest = new BusGuest(options);
    expect(features(guest)).toEqual(['1', '1', '1']);
    guest.move();
    expect(features(guest)).toEqual(['1', '1', '1']);
  });
});

test('XB-7, XB-8: saved at any moment, every request is answered once', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1500), { minLength: 1, maxLength: 3 }), (delays_us) => {
      const guest = new BusGuest({ amnesia: true });
      for (let id = 0; id < 4; id++) guest.spawn('probe_worker', id);
      for (const delay_us of delays_us) {
        guest.host.runFor(delay_us * 1000);
        guest.move({ beforeItRuns: () => guest.makeData() });
      }
      guest.host.runFor(300e6);
      expect(guest.call('probe_finished')).toBe(4);
      expect(guest.host.audit()).toEqual([]);
    }),
    { numRuns: 8 },
  );
});
