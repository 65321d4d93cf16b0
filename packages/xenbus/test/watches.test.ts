import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { BusGuest } from './bus-guest.ts';

describe.each(MODES)('%s', (_, options) => {
  test('XB-5: a watch fires once when it is registered, then for each change, in order', () => {
    const guest = new BusGuest(options);
    const { store } = guest.host;
    guest.call('probe_watch', 'data/one');
    guest.call('probe_watch', 'data/two');
    guest.settle();
    const before = guest.log.length;
    expect(before).toBe(2);
    store.write(`${guest.home}/data/two/2`, '');
    store.write(`${guest.home}/data/one/1`, '');
    guest.settle();
    expect(guest.log.slice(before)).toEqual([2, 1]);
  });

  test('XB-5: events behind one another hold up no reply; those of one watch are merged, the last path counts', () => {
    const guest = new BusGuest(options);
    guest.call('probe_watch', 'data/many');
    guest.settle();
    guest.call('probe_slow', 100);
    const before = guest.log.length;
    for (let i = 1; i <= 300; i++) guest.host.store.write(`${guest.home}/data/many/${i}`, '');
    expect(guest.read('data/many/300')).toBe('');
    guest.host.runFor(5e9);
    const fired = guest.log.slice(before);
    expect(fired.at(-1)).toBe(300);
    expect(fired.length).toBeLessThan(20);
  });

  test('XB-5: an event of a watch that is gone is passed over, even when another has its place', () => {
    const guest = new BusGuest(options);
    guest.call('probe_slow', 10);
    const one = guest.call('probe_watch', 'data/one');
    guest.call('probe_watch', 'data/busy');
    guest.host.runFor(1e9);
    const before = guest.log.length;
    // xenwatch is busy with the one while the other fires.
    guest.host.store.write(`${guest.home}/data/busy/7`, '');
    guest.settle();
    guest.host.store.write(`${guest.home}/data/one/8`, '');
    guest.settle();
    guest.call('xs_unwatch', one);
    guest.call('probe_free_watch', one);
    guest.host.store.write(`${guest.home}/data/busy/6`, '');
    guest.host.runFor(1e9);
    expect(guest.log.slice(before)).toEqual([7, 6]);
    // And again, with another watch at its place in the table.
    const two = guest.call('probe_watch', 'data/two');
    expect(two).toBe(one);
    guest.host.runFor(1e9);
    const again = guest.log.length;
    guest.host.store.write(`${guest.home}/data/busy/5`, '');
    guest.settle();
    guest.host.store.write(`${guest.home}/data/two/4`, '');
    guest.settle();
    guest.call('xs_unwatch', two);
    guest.call('probe_free_watch', two);
    guest.call('probe_watch', 'data/other');
    guest.host.store.write(`${guest.home}/data/other/9`, '');
    guest.host.runFor(1e9);
    expect(guest.log.slice(again)).toEqual([5, 9]);
  });

  test('XB-5: more watches than there is room for are a panic', () => {
    const guest = new BusGuest(options);
    const watchAll = () => {
      for (let i = 0; i < 30; i++) guest.call('probe_watch', `data/${i}`);
    };
    expect(watchAll).toThrow('panic: xenbus: expected at most 24 watches');
  });

  test('XB-6: a transaction that somebody came in between is done again', () => {
    const guest = new BusGuest(options);
    const { host } = guest;
    guest.makeToy(3);
    guest.settle();
    const node = `${guest.home}/device/toy/3/ring-ref`;
    let meddled = 0;
    let wasOpen = false;
    host.sim.after(0, function meddle() {
      const open = host.xenstored.counters().transactions > 0;
      if (open && !wasOpen) {
        meddled++;
        host.store.write(node, 'meddled');
      }
      wasOpen = open;
      if (meddled < 2) host.sim.after(2_000, meddle);
    });
    expect(guest.call('probe_write_nodes', 3)).toBe(0);
    expect(meddled).toBe(2);
    expect(host.store.read(node)).toBe('17');
    expect(host.store.read(`${guest.home}/device/toy/3/event-channel`)).toBe('18');
    expect(host.xenstored.counters().transactions).toBe(0);
  });

  test('XB-6: a transaction in which a write is refused is ended, and nothing is left', () => {
    const guest = new BusGuest(options);
    const { store } = guest.host;
    guest.makeToy(3);
    guest.settle();
    const node = `${guest.home}/device/toy/3/event-channel`;
    store.write(node, 'mine');
    store.setPermissions(node, [
      { domid: 0, access: 'n' },
      { domid: guest.domid, access: 'r' },
    ]);
    expect(guest.call('probe_write_nodes', 3)).toBe(-13);
    expect(store.tryRead(`${guest.home}/device/toy/3/ring-ref`)).toBeUndefined();
    expect(guest.host.xenstored.counters().transactions).toBe(0);
  });
});
