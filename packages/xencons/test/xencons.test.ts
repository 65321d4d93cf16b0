import { xencons_interface } from '@port-xen/abi';
import { EFAULT } from '@port-xen/kern';
import { MODES, TestGuest, type TestGuestOptions, USER_BASE } from '@tooling/guest-testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OUTQ_HIWAT } from '../src/console-queues.ts';
import { image, piece } from './probe.ts';

const IN_RING = 1024;
const INQ = 4096;

const boot = (options: TestGuestOptions) => new TestGuest(image, options);

/** The numbered pieces in what was printed, in their order. */
const piecesOf = (text: string): number[] =>
  [...text.matchAll(/<(\d+)>/g)].map(([, n]) => Number(n));

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The console daemon lets go of the domain's console: what it prints stays where it is. */
const unplug = (guest: TestGuest): void => {
  guest.host.store.write(`/local/domain/${guest.domid}/console/port`, '999');
  guest.host.runFor(1e6);
};

const type = (guest: TestGuest, from: number, bytes: number): void => {
  const input = Uint8Array.from({ length: bytes }, (_, i) => (from + i) % 251);
  expect(guest.host.consoled.input(guest.domid, input)).toBe(bytes);
};

/** Reads as a program does, `bytes` at a time. */
const read = (guest: TestGuest, bytes: number): number[] => {
  const got = guest.call('xencons_read', 0, 0, USER_BASE, bytes);
  return Array.from({ length: got }, (_, i) => guest.call('probe_byte', i));
};

const consolePage = (guest: TestGuest) => {
  const mfn = Number(guest.host.store.read(`/local/domain/${guest.domid}/console/ring-ref`));
  const mapping = guest.host.hv.dom0.mapForeign(guest.domid, mfn);
  return { page: xencons_interface.at(mapping.memory, 0), unmap: () => mapping.unmap() };
};

describe.each(MODES)('%s', (_, options) => {
  test('CONS-1: what the kernel prints is shown once and in order, over a save with most of it queued', () => {
    const guest = boot(options);
    guest.call('probe_print', 0, 4000);
    const file = guest.save();
    const here = guest.console;
    expect(piecesOf(here).length).toBeLessThan(4000);
    guest.restore(file);
    guest.call('probe_print', 4000, 4010);
    guest.host.runFor(10e6);
    expect(piecesOf(here + guest.console)).toEqual(upTo(4010));
  });

  test('CONS-1: what stands in the ring when nobody takes it is shown by the next host', () => {
    const guest = boot(options);
    unplug(guest);
    guest.call('probe_print', 0, 1000);
    expect(guest.call('probe_drained')).toBe(0);
    const file = guest.save();
    expect(piecesOf(guest.console)).toEqual([]);
    guest.restore(file);
    guest.host.runFor(10e6);
    expect(piecesOf(guest.console)).toEqual(upTo(1000));
    expect(guest.call('probe_drained')).toBe(1);
  });

  test('CONS-1: what was typed is read once and in order, over a save with both queues full', () => {
    const guest = boot(options);
    const bytes = INQ + IN_RING - 100;
    type(guest, 0, bytes);
    guest.host.runFor(10e6);
    expect(guest.call('probe_waiting_input')).toBe(INQ);
    guest.move();
    type(guest, bytes, 50);
    guest.host.runFor(10e6);
    const all: number[] = [];
    while (all.length < bytes + 50) all.push(...read(guest, 700));
    expect(all).toEqual(Array.from({ length: bytes + 50 }, (_, i) => i % 251));
    expect(guest.call('probe_waiting_input')).toBe(0);
  });

  test('CONS-1: what was typed at the last moment is read without another event', () => {
    const guest = boot(options);
    guest.call('probe_attach_late', 1);
    guest.move();
    expect(guest.call('probe_waiting_input')).toBe(1);
    expect(read(guest, 10)).toEqual([33]);
  });

  test('CONS-1: a cancelled suspend shows nothing twice', () => {
    const guest = boot(options);
    guest.call('probe_print', 0, 2000);
    guest.checkpoint();
    guest.call('probe_print', 2000, 2010);
    guest.host.runFor(10e6);
    expect(piecesOf(guest.console)).toEqual(upTo(2010));
  });

  test('CONS-1: a reader waits for input, and a read into no memory takes none', () => {
    const guest = boot(options);
    guest.host.sim.after(5e6, () => type(guest, 7, 3));
    expect(read(guest, 100)).toEqual([7, 8, 9]);
    type(guest, 20, 2);
    expect(guest.call('xencons_read', 0, 0, 16, 100)).toBe(-EFAULT);
    expect(read(guest, 100)).toEqual([20, 21]);
    expect(guest.call('xencons_read', 0, 0, USER_BASE, 0)).toBe(0);
  });

  test('CONS-2: text printed while the console is suspended is shown when it is back', () => {
    const guest = boot(options);
    guest.call('probe_attach_late', 0);
    const file = guest.save();
    expect(guest.console).not.toContain('late0');
    guest.restore(file);
    guest.host.runFor(10e6);
    expect(guest.console.split('(late0 xx)').length - 1).toBe(1000);
  });

  test('CONS-3: a writer waits while the queue is full, the kernel does not, and both are shown', () => {
    const guest = boot(options);
    unplug(guest);
    const length = guest.call('probe_compose', 0, 3000);
    guest.spawn('probe_write', length);
    guest.host.runFor(100e6);
    expect(guest.call('probe_room')).toBe(0);
    guest.call('probe_print', 5000, 5010);
    guest.move();
    guest.until('wrote ');
    guest.host.runFor(10e6);
    // The kernel's text may stand within a piece of the program's.
    const programs = guest.console.replace(/test: .*\n|<5\d{3}>/g, '');
    expect(piecesOf(programs)).toEqual(upTo(3000));
    const kernels = piecesOf(guest.console).filter((n) => n >= 5000);
    expect(kernels).toEqual(upTo(10).map((n) => n + 5000));
    expect(guest.call('probe_room')).toBe(OUTQ_HIWAT);
  });

  test('CONS-3: a write from no memory is EFAULT, one that runs out of it says how much it wrote', () => {
    const guest = boot(options);
    const end = USER_BASE + 16 * 4096;
    expect(guest.call('xencons_write', 0, 0, 16, 100)).toBe(-EFAULT);
    expect(guest.call('xencons_write', 0, 0, end - 512, 1024)).toBe(512);
  });

  test('CONS-4: indices that make no sense are left alone until they do', () => {
    const guest = boot(options);
    const { page, unmap } = consolePage(guest);
    unplug(guest);
    const { out_cons, in_prod } = page;
    page.out_cons = (page.out_prod + 1) >>> 0;
    page.in_prod = (page.in_cons + IN_RING + 1) >>> 0;
    const { in_cons, out_prod } = page;
    guest.call('probe_print', 0, 10);
    guest.call('probe_poll');
    expect([page.in_cons, page.out_prod]).toEqual([in_cons, out_prod]);
    expect(guest.call('probe_room')).toBe(OUTQ_HIWAT - upTo(10).map(piece).join('').length);
    expect(guest.call('probe_waiting_input')).toBe(0);
    page.out_cons = out_cons;
    page.in_prod = in_prod;
    unmap();
    guest.move();
    guest.host.runFor(10e6);
    expect(piecesOf(guest.console)).toEqual(upTo(10));
  });

  test("CONS-5: the port is start_info's, at boot and after every restore", () => {
    const guest = boot(options);
    for (let life = 0; life < 3; life++) {
      if (life > 0) guest.move();
      const stated = guest.host.store.read(`/local/domain/${guest.domid}/console/port`);
      expect(guest.call('probe_port')).toBe(Number(stated));
    }
  });
});

test('CONS-1: whenever it is saved, every byte is shown once', () => {
  const steps = fc.array(
    fc.record({ pieces: fc.nat(600), wait_us: fc.nat(200), move: fc.boolean() }),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const guest = boot({ amnesia: true });
      let printed = 0;
      let shown = '';
      for (const { pieces, wait_us, move } of all) {
        guest.call('probe_print', printed, printed + pieces);
        printed += pieces;
        guest.host.runFor(wait_us * 1000);
        if (!move) continue;
        const file = guest.save();
        shown += guest.console;
        guest.restore(file);
      }
      guest.host.runFor(50e6);
      expect(piecesOf(shown + guest.console)).toEqual(upTo(printed));
    }),
    { numRuns: 8 },
  );
});
