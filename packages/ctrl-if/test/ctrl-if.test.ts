import {
  CMSG_SHUTDOWN,
  CMSG_SHUTDOWN_POWEROFF,
  CMSG_SHUTDOWN_REBOOT,
  CMSG_SHUTDOWN_SUSPEND,
  CMSG_SHUTDOWN_SYSRQ,
  CONTROL_RING_SIZE,
} from '@port-xen/abi';
import { EAGAIN, EINVAL } from '@port-xen/kern';
import { MODES } from '@tooling/guest-testbed';
import { describe, expect, test } from 'vitest';
import { ControlledGuest } from './controller.ts';
import { probeImage } from './probe.ts';
import { TYPE_ECHO, TYPE_HELD, TYPE_SLOW } from './probe-kernel.ts';

const image = probeImage();

describe.each(MODES)('%s', (_, options) => {
  const boot = () => new ControlledGuest(image, options);

  test('CTRL-1: eight messages fit, the ninth is told so and hears of room', () => {
    const g = boot();
    for (let owner = 0; owner < CONTROL_RING_SIZE; owner++) expect(g.send(owner)).toBe(0);
    expect(g.send(8)).toBe(EAGAIN);
    expect(g.state.probe.spaces).toBe(0);
    g.controller.answerAll();
    g.run();
    const { probe, ids } = g.state;
    expect([...Array(8).keys()].map((n) => [probe.answered.get(n), probe.byte.get(n)])).toEqual(
      [...Array(8).keys()].map((n) => [1, n]),
    );
    expect([probe.spaces, ids]).toEqual([1, 0]);
    expect(g.send(8)).toBe(0);
  });

  test('CTRL-2: responses in another order find their owners', () => {
    const g = boot();
    for (let owner = 0; owner < 4; owner++) g.send(owner);
    const all = g.controller.take();
    for (const message of all.reverse()) g.controller.answer(message);
    g.run();
    const { probe } = g.state;
    expect([0, 1, 2, 3].map((n) => [probe.answered.get(n), probe.byte.get(n)])).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
      [1, 3],
    ]);
  });

  test('CTRL-3: a message of more than sixty bytes is not sent, and not taken', () => {
    const g = boot();
    expect(g.guest.call('probe_send', 1, 61, 0, 0, 0)).toBe(EINVAL);
    expect(g.controller.take()).toEqual([]);
    g.controller.ask(TYPE_ECHO, 7, 61);
    g.run();
    expect(g.controller.answers()).toMatchObject([{ type: TYPE_ECHO, id: 0, length: 0 }]);
    expect(g.state.probe.handled.get(TYPE_ECHO % 10)).toBe(0);
  });

  test('CTRL-4: answers come in the order in which handlers are done, and one by one', () => {
    const g = boot();
    g.controller.ask(TYPE_SLOW, 1);
    g.controller.ask(TYPE_HELD, 2);
    g.controller.ask(TYPE_ECHO, 3);
    g.controller.ask(200, 4);
    g.run();
    expect(g.controller.answers()).toMatchObject([
      { id: 2, length: 1, byte: 3 },
      { id: 3, length: 0 },
    ]);
    g.run(50e6);
    expect(g.controller.answers()).toMatchObject([{ id: 0, length: 1, byte: 1 }]);
    expect(g.guest.call('probe_release', 0)).toBe(1);
    expect(g.guest.call('probe_release', 0)).toBe(0);
    g.run();
    expect(g.controller.answers()).toMatchObject([{ id: 1, length: 1, byte: 2 }]);
  });

  test('CTRL-13: what the controller wants of the domain is answered at once, and noted once', () => {
    const g = boot();
    const key = Uint8Array.of(104, ...new Uint8Array(59));
    const say = (subtype: number, length = 0) =>
      g.controller.say(CMSG_SHUTDOWN, key, length, subtype);
    say(CMSG_SHUTDOWN_SUSPEND);
    say(CMSG_SHUTDOWN_SUSPEND);
    say(CMSG_SHUTDOWN_REBOOT);
    say(CMSG_SHUTDOWN_SYSRQ, 4);
    say(CMSG_SHUTDOWN_SYSRQ, 3);
    say(9, 7);
    say(CMSG_SHUTDOWN_POWEROFF);
    g.run();
    const lengths = g.controller.answers().map(({ length }) => length);
    expect(lengths).toEqual([0, 0, 0, 4, 0, 0, 0]);
    const asked = Array.from({ length: 4 }, () => g.guest.call('probe_asked'));
    expect(String.fromCharCode(...asked)).toBe('srp\0');
    expect(g.guest.console).toContain('ctrlif0: sysrq "h"');
  });

  test('CTRL-4: a receiver takes itself back, and nobody else', () => {
    const g = boot();
    expect(g.guest.call('probe_unregister', TYPE_HELD)).toBe(0);
    expect(g.guest.call('probe_unregister', TYPE_ECHO)).toBe(1);
    g.controller.ask(TYPE_ECHO, 1);
    g.run();
    expect(g.controller.answers()).toMatchObject([{ length: 0 }]);
  });

  test('CTRL-7: a suspend goes on as soon as everything is answered, also what no event told of', () => {
    const g = boot();
    const { sim } = g.guest.host;
    g.controller.ask(TYPE_SLOW, 1);
    g.send(3);
    const [message] = g.controller.take();
    if (message !== undefined) g.controller.answerSilently(message);
    const asked_ns = sim.now_ns;
    g.guest.checkpoint();
    expect(sim.now_ns - asked_ns).toBeLessThan(100e6);
    expect(g.told(3)).toEqual([1, 0, 0]);
    expect(g.controller.answers()).toMatchObject([{ length: 1, byte: 1 }]);
  });

  test('CTRL-4: a request for which there is no place stays in the ring until there is one', () => {
    const g = boot();
    for (let life = 0; life < 2; life++) {
      for (let i = 0; i < CONTROL_RING_SIZE; i++) g.controller.ask(TYPE_HELD);
      g.run();
      g.move();
    }
    // Sixteen requests of former lives have handlers still.
    g.controller.ask(TYPE_ECHO, 5);
    g.run();
    expect(g.controller.answers()).toEqual([]);
    expect(g.guest.call('probe_release', 3)).toBe(0);
    g.run();
    expect(g.controller.answers()).toMatchObject([{ length: 1, byte: 5 }]);
  });
});
