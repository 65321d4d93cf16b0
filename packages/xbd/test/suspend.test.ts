import { BLKIF_OP_WRITE_BARRIER } from '@port-xen/abi';
import { B_FLUSH, B_MEDIA_FUA, EINVAL, ENOMEM, ENXIO, EOPNOTSUPP, EROFS } from '@port-xen/kern';
import { MODES, USER_BASE } from '@tooling/guest-testbed';
import { createHost, memoryDisk } from '@tooling/testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DiskGuest, pattern } from './disk-guest.ts';
import { HandMadeBackEnd } from './hand-made-back-end.ts';
import { WORKERS } from './probe-text.ts';

const SECTOR = 512;
const SECTORS = 1024;
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe.each(MODES)('%s', (_, options) => {
  test('XBD-7: a suspend waits for what is out; then nothing has to be issued again', () => {
    const guest = new DiskGuest(options);
    guest.submit(0, 20);
    const file = guest.save();
    expect(guest.console).toContain('xbd0: suspended, port');
    expect(guest.console).toContain(' 0 requests unanswered');
    guest.restore(file);
    const requests = guest.traceRequests();
    guest.connected();
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(20));
    expect(requests).toEqual([]);
  });

  test('XBD-7: it waits five seconds at most', () => {
    const guest = new DiskGuest(options);
    guest.swallow(() => true);
    guest.submit(0, 1);
    const before = guest.host.sim.now_ns;
    guest.save();
    const took_s = (guest.host.sim.now_ns - before) / 1e9;
    expect(took_s).toBeGreaterThan(4.9);
    expect(took_s).toBeLessThan(5.2);
    expect(guest.console).toContain(' 1 requests unanswered');
  });

  test('XBD-8: what was not answered is issued again, once, in the order of its first issue, before anything else', () => {
    const guest = new DiskGuest(options);
    guest.call('probe_fill', USER_BASE, 20 * SECTOR, 3);
    guest.swallow((id) => id % 3 === 0);
    guest.submit(0, 20);
    const file = guest.save();
    const unanswered = [0, 3, 6, 9, 12, 15, 18];
    // The next host has the disk as it was before any of it.
    const disk = memoryDisk(SECTORS * SECTOR);
    guest.restore(file, { disks: { xvda: disk } });
    const requests = guest.traceRequests();
    guest.connected();
    guest.submit(20, 22);
    guest.host.runFor(50e6);
    expect(requests.map(({ sector }) => sector)).toEqual([...unanswered, 20, 21]);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(22));
    for (const n of unanswered) {
      expect(disk.bytes.subarray(n * SECTOR, (n + 1) * SECTOR)).toEqual(
        pattern(3, 20 * SECTOR).subarray(n * SECTOR, (n + 1) * SECTOR),
      );
    }
    expect(guest.console).toContain('xbd0: 7 requests issued again\n');
  });

  test('XBD-8: what is still unanswered after the second host is issued again by the third', () => {
    const guest = new DiskGuest(options);
    for (let host = 0; host < 3; host++) {
      guest.swallow((id) => id < 5 - host);
      if (host === 0) guest.submit(0, 8);
      else guest.connected();
      guest.move();
    }
    guest.host.runFor(100e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(8));
    expect(new Set(guest.ended).size).toBe(8);
  });

  test('XBD-8: where grants are short, what is issued again waits for them, still once and in order', () => {
    const guest = new DiskGuest({ ...options, config: { maxGrantFrames: 1 } });
    // The ring's, and two for requests.
    guest.call('probe_attach_greedy', 3);
    guest.swallow(() => true);
    guest.submit(0, 8);
    guest.restore(guest.save());
    const requests = guest.traceRequests();
    guest.connected();
    guest.submit(8, 10);
    guest.host.runFor(100e6);
    expect(requests.map(({ sector }) => sector)).toEqual(upTo(10));
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(10));
    expect(upTo(10).map((n) => guest.call('probe_error', n))).toEqual(Array(10).fill(0));
  });

  test('XBD-5, XBD-8: where there is none, it fails with ENOMEM', () => {
    const guest = new DiskGuest({ ...options, config: { maxGrantFrames: 1 } });
    guest.call('probe_attach_greedy', 1);
    guest.swallow(() => true);
    guest.submit(0, 3);
    guest.restore(guest.save());
    guest.connected();
    guest.host.runFor(100e6);
    expect(upTo(3).map((n) => guest.call('probe_error', n))).toEqual([ENOMEM, ENOMEM, ENOMEM]);
    expect(guest.call('probe_busy', 0)).toBe(0);
  });

  test('XBD-8: a flush that was not answered is issued again', () => {
    const guest = new DiskGuest(options);
    guest.write(0, USER_BASE, SECTOR);
    guest.swallow(() => true);
    guest.spawn('probe_sync', 0);
    guest.host.runFor(10e6);
    guest.move();
    const requests = guest.traceRequests();
    guest.connected();
    guest.host.runFor(10e6);
    expect(requests.map(({ operation }) => operation)).toEqual([3]);
    expect(guest.call('probe_busy', 0)).toBe(0);
  });

  test('XBD-8, XBD-19: a barrier that was not answered is issued again between the same neighbours', () => {
    const guest = new DiskGuest(options);
    guest.call('probe_fill', USER_BASE, 12 * SECTOR, 3);
    guest.swallow(() => true);
    guest.submit(0, 6);
    guest.submit(6, 7, B_MEDIA_FUA);
    guest.submit(7, 12);
    const file = guest.save();
    // The next host has the disk as it was before any of it.
    const disk = memoryDisk(SECTORS * SECTOR);
    guest.restore(file, { disks: { xvda: disk } });
    const requests = guest.traceRequests();
    guest.connected();
    guest.host.runFor(50e6);
    expect(requests.map(({ sector }) => sector)).toEqual(upTo(12));
    expect(requests.map(({ operation }) => operation).indexOf(BLKIF_OP_WRITE_BARRIER)).toBe(6);
    expect(guest.ended[6]).toBe(6);
    expect(disk.flushed().subarray(0, 7 * SECTOR)).toEqual(
      pattern(3, 12 * SECTOR).subarray(0, 7 * SECTOR),
    );
  });

  test.each([
    ['feature-barrier', B_MEDIA_FUA],
    ['feature-flush-cache', B_FLUSH],
  ])(
    'XBD-10: a host without %s is not asked for it: what was under way and what waits is EOPNOTSUPP, the rest is done',
    (feature, flags) => {
      const guest = new DiskGuest(options);
      guest.swallow(() => true);
      guest.submit(0, 1);
      guest.submit(1, 2, flags);
      guest.submit(2, 3);
      const file = guest.save();
      guest.restore(file);
      // The back end has said what it has, and is not connected yet.
      expect(guest.call('probe_status', 0)).toBe(0);
      guest.host.store.write(`/local/domain/0/backend/vbd/${guest.domid}/51712/${feature}`, '0');
      const requests = guest.traceRequests();
      guest.submit(3, 4, flags);
      guest.connected();
      guest.host.runFor(50e6);
      expect(requests.map(({ sector }) => sector)).toEqual([0, 2]);
      expect(upTo(4).map((n) => guest.call('probe_error', n))).toEqual([
        0,
        EOPNOTSUPP,
        0,
        EOPNOTSUPP,
      ]);
      expect(guest.call('probe_busy', 0)).toBe(0);
    },
  );

  test('XBD-8: a domain that is saved before its new back end is connected loses nothing', () => {
    const guest = new DiskGuest(options);
    guest.swallow(() => true);
    guest.submit(0, 5);
    for (let trip = 0; trip < 3; trip++) guest.move();
    guest.connected();
    guest.host.runFor(100e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(5));
  });

  test('XBD-9: a cancelled suspend leaves ring and grants as they were, and nothing is issued again', () => {
    const guest = new DiskGuest(options);
    guest.swallow((id) => id === 1);
    const held = guest.call('probe_grants');
    guest.submit(0, 6);
    guest.checkpoint();
    const requests = guest.traceRequests();
    guest.submit(6, 8);
    guest.host.runFor(50e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual([0, 2, 3, 4, 5, 6, 7]);
    expect(requests.map(({ sector }) => sector).toSorted((a, b) => a - b)).toEqual([6, 7]);
    expect(guest.call('probe_grants')).toBe(held + 1);
  });

  test('XBD-9: an answer that comes while other devices are being suspended is taken after the suspend was cancelled', () => {
    const guest = new DiskGuest({ ...options, disks: {} });
    const back = new HandMadeBackEnd(guest);
    guest.call('probe_attach_dozer', 100);
    guest.submit(0, 1);
    const { id } = back.take();
    // The disk waits for five seconds, then the other device sleeps for one.
    guest.host.sim.after(5.5e9, () => back.post(id));
    guest.checkpoint();
    guest.host.runFor(50e6);
    expect(guest.ended).toEqual([0]);
    back.letGo();
  });

  test('XBD-9: what the kernel asks for while a suspend is under way that is cancelled is done afterwards', () => {
    const guest = new DiskGuest(options);
    guest.call('probe_attach_asker');
    guest.checkpoint();
    guest.host.runFor(50e6);
    expect(guest.ended).toEqual([40]);
    expect(guest.call('probe_error', 40)).toBe(0);
  });

  test('XBD-10: a disk that the new host does not have fails with ENXIO all that was and will be asked', () => {
    const guest = new DiskGuest(options);
    guest.swallow((id) => id < 3);
    guest.submit(0, 6);
    const file = guest.save();
    const host = createHost({ mib: 32, slot: 5 });
    guest.restore(file, {
      host,
      // The toolstack made the device; it is taken away before the guest looks.
      beforeItRuns: () => {
        host.store.rm(`/local/domain/${guest.domid}/device/vbd/51712`);
        host.store.rm(`/local/domain/0/backend/vbd/${guest.domid}/51712`);
      },
    });
    expect(guest.console).toContain('xbd0: this host has no such disk\n');
    expect(upTo(6).map((n) => guest.call('probe_error', n))).toEqual([
      ENXIO,
      ENXIO,
      ENXIO,
      0,
      0,
      0,
    ]);
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
    expect(guest.call('probe_sync', 0)).toBe(-ENXIO);
    expect(guest.call('probe_rw', 0, 1, 0, USER_BASE, SECTOR)).toBe(-ENXIO);
    guest.move({
      beforeItRuns: () => guest.host.store.rm(`/local/domain/${guest.domid}/device/vbd/51712`),
    });
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
    // A later one has it again.
    guest.move();
    guest.connected();
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(SECTOR);
  });

  test('XBD-10: what was out at a back end that was closing fails, and nobody waits for it on the next host', () => {
    const guest = new DiskGuest(options);
    guest.swallow((id) => id < 3);
    guest.submit(0, 6);
    guest.host.store.write(`/local/domain/0/backend/vbd/${guest.domid}/51712/state`, '5');
    guest.host.runFor(10e6);
    guest.move();
    guest.host.runFor(10e6);
    expect(upTo(6).map((n) => guest.call('probe_error', n))).toEqual([
      ENXIO,
      ENXIO,
      ENXIO,
      0,
      0,
      0,
    ]);
    expect(guest.call('probe_busy', 0)).toBe(0);
  });

  test('XBD-10: what the new host says of the disk counts: its size', () => {
    const guest = new DiskGuest(options);
    const small = memoryDisk(10 * SECTOR);
    guest.move({ disks: { xvda: small } });
    guest.connected();
    expect(guest.call('probe_sectors', 0)).toBe(10);
    expect(guest.write(10, USER_BASE, SECTOR)).toBe(-EINVAL);
    expect(guest.write(9, USER_BASE, SECTOR)).toBe(SECTOR);
  });

  test('XBD-10: and whether it may be written', () => {
    const guest = new DiskGuest(options);
    const file = guest.save();
    guest.restore(file, {
      beforeItRuns: () => {
        guest.host.store.write(`/local/domain/0/backend/vbd/${guest.domid}/51712/mode`, 'r');
      },
    });
    guest.connected();
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-EROFS);
  });
});

test('XBD-7, XBD-8: saved at any moment, with any answers lost, every byte is where it belongs', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ delay_us: fc.nat(8000), lost: fc.nat(7) }), {
        minLength: 1,
        maxLength: 3,
      }),
      (trips) => {
        const guest = new DiskGuest({ amnesia: true });
        const used = guest.call('probe_grants');
        for (let id = 0; id < WORKERS; id++) guest.spawn('probe_worker', id);
        for (const { delay_us, lost } of trips) {
          guest.host.runFor(delay_us * 1000);
          guest.swallow((id) => id === lost);
          guest.move();
          guest.connected();
        }
        guest.host.runFor(400e6);
        expect(guest.call('probe_finished')).toBe(WORKERS);
        expect(guest.call('probe_grants')).toBe(used);
        expect(guest.host.audit()).toEqual([]);
      },
    ),
    { numRuns: 5 },
  );
});
