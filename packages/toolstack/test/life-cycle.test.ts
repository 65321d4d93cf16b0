import { MemoryImage } from '@port-xen/migration-stream';
import { describe, expect, test } from 'vitest';
import type { DomainConfig } from '../src/domain-config.ts';
import { GUEST_ELF, HandGuest } from './hand-guest.ts';
import { acknowledge, makeHost, sourceOf, testConfig } from './host.ts';

const MINUTE = 60e9;

/** A host whose guests are noted as they are made. */
const hostOfGuests = () => {
  const guests: HandGuest[] = [];
  const host = makeHost(0, () => {
    const guest = new HandGuest();
    guests.push(guest);
    return guest;
  });
  const exits: unknown[] = [];
  host.xl.onExit((domid, reason, action) => exits.push([domid, reason, action]));
  return { host, guests, exits };
};

const names = (host: ReturnType<typeof makeHost>): string[] =>
  host.xl.list().map(({ domid, name, state }) => `${domid} ${name} ${state.slice(3)}`);

const rebooted = (config: Partial<DomainConfig>) => {
  const { host, guests, exits } = hostOfGuests();
  const domid = host.xl.create({ ...testConfig('hand'), ...config }, GUEST_ELF);
  (guests[0] as HandGuest).wish = 'reboot';
  host.run(MINUTE);
  return { host, exits, domid };
};

describe('life cycle', () => {
  test('LIF-2: destroy, restart, preserve and rename-restart do what they say', () => {
    const destroyed = rebooted({ onReboot: 'destroy' });
    expect(names(destroyed.host)).toEqual([]);
    expect(destroyed.exits).toEqual([[1, 1, 'destroy']]);
    expect(destroyed.host.hv.accounting()).toEqual([]);

    expect(names(rebooted({ onReboot: 'restart' }).host)).toEqual(['2 hand ---']);
    expect(names(rebooted({ onReboot: 'preserve' }).host)).toEqual(['1 hand sr-']);
    expect(names(rebooted({ onReboot: 'restart_rename' }).host)).toEqual([
      '1 hand-1 sr-',
      '2 hand ---',
    ]);
  });

  test('LIF-2: a restored domain is started again from the kernel that kernelFor finds, or not at all', () => {
    const { host, guests } = hostOfGuests();
    const domid = host.xl.create(testConfig('hand'), GUEST_ELF);
    host.run(1e9);
    acknowledge(host, domid, () => {
      (guests[0] as HandGuest).wish = 'suspend';
    });
    const sink = new MemoryImage();
    host.xl.save(domid, sink, {}, () => {});
    host.run(MINUTE);
    const guest = HandGuest.restored(guests[0] as HandGuest);
    const other = makeHost(1, () => guest);
    const { domid: restored } = other.xl.restore(sourceOf(sink.bytes));
    other.xl.unpause(restored);
    guest.wish = 'reboot';
    other.run(1e9);
    // It came back from its suspend hypercall first, and asked for nothing then.
    guest.wish = 'reboot';
    other.run(MINUTE);
    expect(names(other)).toEqual([]);
    expect(other.story.at(-1)).toBe(
      `toolstack: domain ${restored}: cannot be started again: its kernel is not known`,
    );
  });

  test('LIF-3: only what was made here is destroyed', () => {
    const { host } = hostOfGuests();
    expect(() => host.xl.destroy(0)).toThrow('domain 0 is an invalid domain identifier');
    expect(host.store.read('/local/domain/0/name')).toBe('Domain-0');
  });
});

describe('suspend', () => {
  /** A save that is under way, and what came of it. */
  const saving = () => {
    const { host, guests } = hostOfGuests();
    const domid = host.xl.create(testConfig('hand'), GUEST_ELF);
    host.run(1e9);
    const state: { outcome: Error | null | undefined } = { outcome: undefined };
    const start = () =>
      host.xl.save(domid, new MemoryImage(), {}, (error) => {
        expect(state.outcome).toBeUndefined();
        state.outcome = error;
      });
    return { host, guest: guests[0] as HandGuest, domid, state, start };
  };

  test('SUS-1: an acknowledgement in the very moment of the timeout counts', () => {
    const { host, guest, domid, state, start } = saving();
    start();
    host.sim.after(MINUTE - 1, () => {
      host.store.write(`/local/domain/${domid}/control/shutdown`, '');
      guest.wish = 'suspend';
    });
    host.run(MINUTE + 1);
    expect(state.outcome).toBeUndefined();
    expect(host.story.at(-1)).toBe(`toolstack: domain ${domid}: wait for the guest to suspend`);
    host.run(MINUTE);
    expect(state.outcome).toBeNull();
  });

  test('SUS-4: a suspend event channel takes the place of the node', () => {
    const { host, guest, domid, state, start } = saving();
    const port = host.hv.dom0.allocUnbound(domid, 0);
    const directory = `/local/domain/${domid}`;
    host.store.write(`${directory}/device/suspend/event-channel`, String(port));
    const ports = host.hv.counts().dom0;
    start();
    expect(host.story).toContain(
      `toolstack: domain ${domid}: issuing PV suspend request via event channel`,
    );
    expect(host.store.read(`${directory}/control/shutdown`)).toBe('');
    guest.wish = 'suspend';
    host.run(MINUTE);
    expect(state.outcome).toBeNull();
    expect(host.hv.counts().dom0.ports).toBe(ports.ports - 1);
  });

  test('SUS-5: a domain that is destroyed meanwhile, and one that is being saved already', () => {
    const { host, domid, state, start } = saving();
    start();
    expect(start).toThrow(`domain ${domid} is being saved already`);
    host.xl.destroy(domid);
    expect(state.outcome?.message).toBe('guest we were suspending has been destroyed');
    host.run(3 * MINUTE);
    expect(host.xenstored.counters().watches).toBe(0);
  });
});
