import { VIRQ_DEBUG } from '@port-xen/abi';
import { IPL_SCHED, IPL_SOFTBIO, IPL_SOFTCLOCK, IPL_VM } from '@port-xen/kern';
import { MODES } from '@tooling/guest-testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProbeGuest } from './probe.ts';

const US = 1000;
const HANDLED_US = 200;

describe.each(MODES)('%s', (_, options) => {
  test('EVT-1: ports are taken lowest first, each once, masked and cleared while its handler runs, unmasked after', () => {
    const guest = new ProbeGuest(options);
    const ports = Array.from({ length: 40 }, () => guest.open(IPL_VM));
    const before = guest.log.length;
    // All are pending before the guest runs again.
    for (const port of ports.toReversed()) port.fire();
    guest.host.runFor(HANDLED_US * US);
    expect(guest.log.slice(before)).toEqual(ports.map(({ port }) => port));
    expect(new Set(guest.column('probe_bits').slice(before))).toEqual(new Set([1]));
    expect(new Set(guest.column('probe_level').slice(before))).toEqual(new Set([IPL_VM]));
    expect(ports.filter(({ port }) => guest.call('probe_masked', port) !== 0)).toEqual([]);
  });

  test('EVT-2: what is not above the level waits, masked, and runs when the level falls, the highest first', () => {
    const guest = new ProbeGuest(options);
    const low = guest.open(IPL_SOFTCLOCK);
    const middle = guest.open(IPL_SOFTBIO);
    const high = guest.open(IPL_SCHED);
    const before = guest.log.length;
    guest.host.sim.after(100 * US, () => {
      for (const port of [low, middle, high]) port.fire();
    });
    guest.host.sim.after(200 * US, () => low.fire());
    guest.call('probe_hold', IPL_VM, 400);
    expect(guest.log.slice(before)).toEqual([high, middle, low, low].map(({ port }) => port));
    expect(guest.column('probe_level').slice(before)).toEqual([
      IPL_SCHED,
      IPL_SOFTBIO,
      IPL_SOFTCLOCK,
      IPL_SOFTCLOCK,
    ]);
  });

  test('EVT-3: an event that came while its port was masked is not lost when the port is unmasked', () => {
    const guest = new ProbeGuest(options);
    const port = guest.open(IPL_VM);
    const before = guest.log.length;
    guest.call('probe_mask', port.port);
    port.fire();
    guest.host.runFor(HANDLED_US * US);
    expect(guest.log.length).toBe(before);
    guest.call('probe_enable', port.port);
    expect(guest.log.slice(before)).toEqual([port.port]);
  });

  test('EVT-3: an event that comes while its handler runs is handled after it', () => {
    const guest = new ProbeGuest(options);
    const port = guest.open(IPL_VM);
    const before = guest.log.length;
    guest.call('probe_again', 3);
    port.fire();
    guest.host.runFor(HANDLED_US * US);
    expect(guest.log.slice(before)).toEqual(Array(4).fill(port.port));
  });

  test('EVT-4: a port without a handler stays masked', () => {
    const guest = new ProbeGuest(options);
    const port = guest.open(IPL_VM);
    const before = guest.log.length;
    guest.call('probe_remove', port.port);
    port.fire();
    guest.host.runFor(HANDLED_US * US);
    expect(guest.log.length).toBe(before);
    expect(guest.call('probe_masked', port.port)).toBe(1);
  });

  test('EVT-4: a second handler for a port is a panic', () => {
    const guest = new ProbeGuest(options);
    const { port } = guest.open(IPL_VM);
    expect(() => guest.call('probe_handle', port)).toThrow(
      `panic: evtchn: port ${port} has a handler already`,
    );
  });

  test('EVT-4: a port out of range is a panic', () => {
    const guest = new ProbeGuest(options);
    expect(() => guest.call('probe_handle', 4096)).toThrow(
      'panic: evtchn: expected a port within [1, 4096), found 4096',
    );
  });

  test('EVT-5: VIRQ_DEBUG is bound, once, and bound again after a restore', () => {
    const guest = new ProbeGuest(options);
    const port = guest.call('probe_virq', VIRQ_DEBUG);
    expect(guest.call('probe_virq', VIRQ_DEBUG)).toBe(port);
    const held = guest.host.hv.counts().domains[0]?.ports;
    guest.move();
    const again = guest.call('probe_virq', VIRQ_DEBUG);
    expect(again).not.toBe(port);
    expect(guest.host.hv.counts().domains[0]?.ports).toBe(held);
  });

  test('EVT-6: a restored domain remembers no port of the old one, and new ports work', () => {
    const guest = new ProbeGuest(options);
    const old = Array.from({ length: 12 }, () => guest.open(IPL_VM).port);
    const named = () => old.filter((port) => guest.call('probe_is_named', port) !== 0);
    expect(named()).toEqual(old);
    const log = guest.log;
    guest.move();
    expect(guest.log).toEqual(log);
    expect(named()).toEqual([]);
    expect(guest.call('probe_masked', old.at(-1) as number)).toBe(1);
    const port = guest.open(IPL_VM);
    const before = guest.log.length;
    port.fire();
    guest.host.runFor(HANDLED_US * US);
    expect(guest.log.slice(before)).toEqual([port.port]);
  });

  test('EVT-6: a cancelled suspend keeps the ports, and loses no event that came meanwhile', () => {
    const guest = new ProbeGuest(options);
    const port = guest.open(IPL_VM);
    const before = guest.log.length;
    const { ports } = guest.host.hv.counts().domains[0] ?? {};
    guest.host.hv.onDomainShutdown(() => port.fire());
    guest.checkpoint();
    expect(guest.log.slice(before)).toEqual([port.port]);
    expect(guest.host.hv.counts().domains[0]?.ports).toBe(ports);
  });

  test('EVT-7: a kernel lwp that was interrupted goes on first, whoever was woken', () => {
    const guest = new ProbeGuest(options);
    const waker = guest.bind(guest.call('probe_open_waker'));
    const before = guest.log.length;
    guest.spawn('probe_work', 300);
    guest.host.runFor(100 * US);
    waker.fire();
    guest.host.runFor(1000 * US);
    expect(guest.log.slice(before)).toEqual([1000, 2000]);
  });
});

test('EVT-1, EVT-2: whatever fires at whatever level, each port is handled at its own level and in order', () => {
  const LEVELS = [IPL_SOFTCLOCK, IPL_SOFTBIO, IPL_VM, IPL_SCHED];
  const guest = new ProbeGuest({ amnesia: false });
  const ports = LEVELS.flatMap((level) => [guest.open(level), guest.open(level)]);
  const levelOf = new Map(ports.map(({ port }, i) => [port, LEVELS[i >> 1] as number]));
  fc.assert(
    fc.property(
      fc.subarray(ports, { minLength: 1 }),
      fc.integer({ min: IPL_SOFTCLOCK, max: IPL_SCHED }),
      (fired, level) => {
        const before = guest.call('probe_length');
        if (before > 50) return;
        guest.host.sim.after(50 * US, () => {
          for (const port of fired) port.fire();
        });
        guest.call('probe_hold', level, 100);
        const above = (port: number): boolean => (levelOf.get(port) as number) > level;
        const numbers = fired.map(({ port }) => port).sort((a, b) => a - b);
        const expected = [
          ...numbers.filter(above),
          ...numbers
            .filter((port) => !above(port))
            .sort((a, b) => (levelOf.get(b) as number) - (levelOf.get(a) as number) || a - b),
        ];
        expect(guest.log.slice(before)).toEqual(expected);
      },
    ),
    { numRuns: 12 },
  );
});
