/*
 * An interface over the controller interface while its domain is suspended, on a whole machine.
 */
import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { NetifGuest } from './netif-guest.ts';

/** How long a suspend that is cancelled took. */
const suspendTime_ns = (net: NetifGuest): number => {
  const { sim } = net.lan.host;
  const before = sim.now_ns;
  net.guest.checkpoint();
  return sim.now_ns - before;
};

describe.each(MODES)('%s', (_, options) => {
  test('XENNET-21: nothing is sent while a suspend waits for what is in flight, or it would wait for ever', () => {
    const net = new NetifGuest(options);
    net.call('in_flight', 1);
    net.guest.spawn('test_chatter', 60);
    expect(net.heard().length).toBeGreaterThan(3);
    net.guest.checkpoint();
    expect(net.lan.heard.splice(0).length).toBeLessThan(2);
    net.letGo();
    net.join();
    expect(net.heard().length).toBeGreaterThan(3);
  });

  test('XENNET-21: a suspend waits a tenth of a second for what is in flight, and no longer', () => {
    const net = new NetifGuest(options);
    net.call('in_flight', 1);
    const took_ns = suspendTime_ns(net);
    net.letGo();
    net.join();
    net.call('in_flight', 0);
    const brief_ns = suspendTime_ns(net);
    expect(took_ns - brief_ns).toBeGreaterThan(85e6);
    expect(took_ns - brief_ns).toBeLessThan(120e6);
    net.letGo();
    net.join();
    net.heard();
    expect(net.call('send', 60, 3)).toBe(3);
    expect(net.heard()).toEqual([60, 60, 60]);
  });

  test('XENNET-21: a controller that speaks of the interface while the domain leaves is not heeded: no back end is given rings', () => {
    const net = new NetifGuest(options);
    const connects = net.call('connects');
    net.call('interrupts', 1);
    net.guest.checkpoint();
    expect(net.call('connects')).toBe(connects);
    net.letGo();
    net.join();
    expect(net.call('send', 60, 3)).toBe(3);
  });

  test('XENNET-21: each interface is let go of, the one that is not connected yet as well: it may be, and not have been heard of', () => {
    const net = new NetifGuest(options);
    net.guest.checkpoint();
    expect(net.call('disconnected')).toBe(0b11);
  });

  test('XENNET-21: what is in the ring when the back end lets go is taken in before the domain leaves, event or not', () => {
    const net = new NetifGuest(options);
    const before = net.call('ierrors');
    net.call('last_word', 1);
    net.move();
    expect(net.call('ierrors')).toBe(before + 1);
    expect(net.call('send', 60, 2)).toBe(2);
  });

  test('XENNET-21: whoever the controller is afterwards, the driver makes itself known to it, or it would connect nothing', () => {
    const net = new NetifGuest(options);
    expect(net.call('announced')).toBe(1);
    net.guest.checkpoint();
    net.run(50e6);
    expect(net.call('announced')).toBe(2);
    net.guest.move();
    net.guest.host.runFor(50e6);
    expect(net.call('announced')).toBe(3);
  });
});
