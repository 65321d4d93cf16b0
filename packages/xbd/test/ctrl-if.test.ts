/*
 * Disks over the controller interface: the driver between a controller that the test plays and the host's own back end.
 */
import {
  BLKIF_INTERFACE_STATUS_CHANGED,
  BLKIF_INTERFACE_STATUS_CLOSED,
  BLKIF_INTERFACE_STATUS_CONNECTED,
  CMSG_BLKIF_FE_DRIVER_STATUS,
  XEN2_BLKIF_RING_SIZE,
} from '@port-xen/abi';
import { ENXIO, EROFS } from '@port-xen/kern';
import { MODES, USER_BASE } from '@tooling/guest-testbed';
import { type MemoryDisk, memoryDisk } from '@tooling/testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ControlledGuest } from './controlled-guest.ts';
import { pattern } from './disk-guest.ts';
import { WORKERS } from './probe-text.ts';

const SECTOR = 512;
const SECTORS = 1024;
const XVDA = 51712;
const XVDB = 51728;
const XVDC = 51744;
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const disk = () => memoryDisk(SECTORS * SECTOR);
const twoDisks = (): Record<number, MemoryDisk> => ({ [XVDA]: disk(), [XVDB]: disk() });

describe.each(MODES)('%s', (_, options) => {
  test('XBD-13: what is written lands on its own disk, and is read back', () => {
    const disks = twoDisks();
    const guest = new ControlledGuest(options, disks);
    guest.connected(1);
    const length = 11 * SECTOR;
    for (const unit of [0, 1]) {
      guest.call('probe_fill', USER_BASE + SECTOR, length, unit + 5);
      expect(guest.write(7 + unit, USER_BASE + SECTOR, length, unit)).toBe(length);
    }
    expect(disks[XVDA]?.bytes.subarray(7 * SECTOR, 18 * SECTOR)).toEqual(pattern(5, length));
    expect(disks[XVDB]?.bytes.subarray(8 * SECTOR, 19 * SECTOR)).toEqual(pattern(6, length));
    expect(guest.read(7, USER_BASE + 4096, length, 0)).toBe(length);
    expect(guest.call('probe_differs', USER_BASE + 4096, length, 5)).toBe(-1);
  });

  test('XBD-13: after a restore what was unanswered is issued again, once, each to its own sector of its own disk', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.call('probe_fill', USER_BASE, 20 * SECTOR, 3);
    guest.swallow((id) => id % 3 === 0);
    guest.submit(0, 10, 0, 0);
    guest.submit(10, 20, 0, 1);
    // The next host has the disks as they were before any of it.
    const disks = twoDisks();
    guest.moveTo(disks);
    const requests = guest.traceRequests();
    guest.join();
    guest.host.runFor(50e6);
    const written = requests.filter(({ operation }) => operation === 1);
    expect(written.map(({ device, sector }) => [device, sector])).toEqual([
      ...[0, 3, 6, 9].map((n) => [XVDA, n]),
      ...[11, 14, 17].map((n) => [XVDB, n]),
    ]);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(20));
    for (const { device, sector } of written) {
      const bytes = disks[device]?.bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      expect(bytes).toEqual(
        pattern(3, 20 * SECTOR).subarray(sector * SECTOR, (sector + 1) * SECTOR),
      );
    }
    expect(guest.console).toContain('xbd0: 4 requests issued again\n');
  });

  test('XBD-14: no disk is attached a second time, and what the new host says of it counts', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.moveTo({ [XVDA]: memoryDisk(10 * SECTOR), [XVDB]: disk() }, [XVDB]);
    guest.join();
    guest.connected(1);
    expect(guest.call('probe_is_used', 2)).toBe(0);
    expect(guest.call('probe_sectors', 0)).toBe(10);
    expect(guest.write(0, USER_BASE, SECTOR, 1)).toBe(-EROFS);
    expect(guest.console.match(/xbd0: 0.00 MB, 512 bytes\/sect x 10 sectors/g)).toHaveLength(1);
    expect(guest.console).not.toContain('xbd1: 0.50 MB');
  });

  test('XBD-14: a disk that the new host lacks is ENXIO, what it was asked for too; the other goes on', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.swallow(() => true);
    guest.submit(0, 3, 0, 0);
    guest.submit(3, 5, 0, 1);
    guest.moveTo({ [XVDB]: disk() });
    guest.join();
    guest.connected(1);
    guest.host.runFor(50e6);
    expect(guest.console).toContain('xbd0: this host has no such disk\n');
    expect(upTo(5).map((n) => guest.call('probe_error', n))).toEqual([ENXIO, ENXIO, ENXIO, 0, 0]);
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
  });

  test('XBD-14: a disk that is given to a running domain is there, one that is taken is ENXIO, and may come back', () => {
    const guest = new ControlledGuest(options, { [XVDA]: disk() });
    guest.disks = twoDisks();
    guest.plug(XVDB);
    guest.tell(BLKIF_INTERFACE_STATUS_CHANGED);
    guest.connected(1);
    guest.unplug(XVDA);
    guest.tell(BLKIF_INTERFACE_STATUS_CHANGED);
    guest.host.runFor(5e6);
    expect(guest.write(0, USER_BASE, SECTOR, 0)).toBe(-ENXIO);
    expect(guest.write(0, USER_BASE, SECTOR, 1)).toBe(SECTOR);
    guest.plug(XVDA);
    guest.tell(BLKIF_INTERFACE_STATUS_CHANGED);
    guest.connected(0);
    expect(guest.write(0, USER_BASE, SECTOR, 0)).toBe(SECTOR);
    expect(guest.call('probe_is_used', 2)).toBe(0);
  });

  test('XBD-15: a back end that lets go in mid-work is joined again, and nothing is lost', () => {
    const disks = twoDisks();
    const guest = new ControlledGuest(options, disks);
    guest.call('probe_fill', USER_BASE, 8 * SECTOR, 9);
    guest.swallow(() => true);
    guest.submit(0, 8);
    guest.host.runFor(20e6);
    guest.swallow(() => false);
    guest.letRingGo();
    const frame = guest.disconnect();
    guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, guest.connectRing(frame));
    guest.host.runFor(50e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(8));
    expect(disks[XVDA]?.bytes.subarray(0, 8 * SECTOR)).toEqual(pattern(9, 8 * SECTOR));
  });

  test('XBD-15: what a controller says out of turn is not believed', () => {
    const guest = new ControlledGuest(options, twoDisks());
    const port = guest.call('probe_port');
    guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, port);
    guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, 700);
    guest.tell(99);
    guest.tell(BLKIF_INTERFACE_STATUS_CLOSED, 0, 1);
    guest.tell(BLKIF_INTERFACE_STATUS_CLOSED, 0, 0, 3);
    expect(guest.call('probe_port')).toBe(port);
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(SECTOR);
    guest.letRingGo();
    guest.connectRing(guest.disconnect());
    for (const bad of [0, 1024, 65535]) guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, bad);
    expect(guest.call('probe_port')).toBe(0);
  });

  test('XBD-15: what a new controller says of the old interface means nothing: nothing is put into a ring that nobody has', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.moveTo();
    guest.tell(BLKIF_INTERFACE_STATUS_CHANGED);
    expect(guest.answer()).toBe(CMSG_BLKIF_FE_DRIVER_STATUS);
    guest.host.runFor(1e6);
    expect(guest.call('probe_ring_room')).toBe(XEN2_BLKIF_RING_SIZE);
    const frame = guest.disconnect();
    guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, guest.connectRing(frame));
    guest.connected();
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(SECTOR);
  });

  test('XBD-15: a probe that was out when the domain left is not waited for', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.letRingGo();
    guest.disconnect();
    // There is nobody behind this port.
    guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, guest.host.hv.dom0.allocUnbound(guest.domid, 0));
    guest.host.runFor(1e6);
    expect(guest.call('probe_ring_room')).toBe(XEN2_BLKIF_RING_SIZE - 1);
    guest.moveTo();
    guest.join();
    guest.connected(1);
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(SECTOR);
  });

  test('XBD-9: a suspend that is cancelled before the new back end is there connects nothing', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.swallow(() => true);
    guest.submit(0, 3);
    guest.moveTo();
    guest.checkpoint();
    expect(guest.call('probe_status', 0)).toBe(0);
    const room = guest.call('probe_ring_room');
    guest.submit(3, 5);
    expect(guest.call('probe_ring_room')).toBe(room);
    guest.join();
    guest.host.runFor(50e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(5));
  });

  test('XBD-15: CLOSED is the end of all disks', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.swallow(() => true);
    guest.submit(0, 2);
    guest.tell(BLKIF_INTERFACE_STATUS_CLOSED);
    expect(upTo(2).map((n) => guest.call('probe_error', n))).toEqual([ENXIO, ENXIO]);
    expect(guest.write(0, USER_BASE, SECTOR, 1)).toBe(-ENXIO);
  });

  test('XBD-15: a controller that does not answer is asked again, and boot does not wait for it', () => {
    const guest = new ControlledGuest(options, { [XVDA]: disk() });
    guest.moveTo();
    expect(guest.answer(60)).toBe(CMSG_BLKIF_FE_DRIVER_STATUS);
    expect(guest.call('probe_pending')).toBe(0);
    guest.join();
    guest.connected();
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(SECTOR);
  });

  test('XBD-16: with more asked than the ring holds each disk has its turn; a restore issues all of it again', () => {
    const disks = { ...twoDisks(), [XVDC]: disk() };
    const guest = new ControlledGuest(options, disks);
    guest.swallow(() => true);
    for (const unit of [0, 1, 2]) guest.submit(32 * unit, 32 * unit + 32, 0, unit);
    expect(guest.call('probe_ring_room')).toBe(0);
    guest.host.runFor(1e6);
    guest.moveTo();
    const requests = guest.traceRequests();
    guest.join();
    guest.host.runFor(200e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(96));
    const sectors = requests.filter(({ operation }) => operation === 1).map(({ sector }) => sector);
    expect(sectors.toSorted((a, b) => a - b)).toEqual(upTo(96));
    expect(guest.call('probe_ring_room')).toBe(XEN2_BLKIF_RING_SIZE);
  });

  test('XBD-9: after a cancelled suspend the answers that came meanwhile are taken, nothing is issued again', () => {
    const guest = new ControlledGuest(options, twoDisks());
    const requests = guest.traceRequests();
    guest.submit(0, 20);
    guest.checkpoint();
    guest.host.runFor(50e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(upTo(20));
    expect(requests.filter(({ operation }) => operation === 1)).toHaveLength(20);
    expect(guest.write(40, USER_BASE, SECTOR, 1)).toBe(SECTOR);
  });

  test('XBD-9: what the kernel asks for while a suspend is under way that is cancelled is done afterwards', () => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.call('probe_attach_asker');
    guest.checkpoint();
    guest.host.runFor(50e6);
    expect(guest.ended).toEqual([40]);
    expect(guest.call('probe_error', 40)).toBe(0);
  });

  test('XBD-14: a disk that comes while a suspend is under way that is cancelled is there afterwards', () => {
    const guest = new ControlledGuest(options, { [XVDA]: disk() });
    guest.disks = twoDisks();
    guest.plug(XVDB);
    guest.call('probe_attach_teller');
    guest.checkpoint();
    guest.connected(1);
    expect(guest.write(0, USER_BASE, SECTOR, 1)).toBe(SECTOR);
  });

  test.each([
    ['an answer to what is not out', 5, 1],
    ['an answer to no disk', 4_000_000_000, 1],
    ['more answers than requests', 0, 2],
    ['indices that make no sense', 0, 2 ** 31],
  ])('XBD-17: %s ends the interface, and nothing else', (_what, id, count) => {
    const guest = new ControlledGuest(options, twoDisks());
    guest.letRingGo();
    const frame = guest.disconnect();
    const port = guest.host.hv.dom0.allocUnbound(guest.domid, 0);
    const local = guest.host.hv.dom0.bindInterdomain(guest.domid, port, () => {});
    const ring = guest.host.hv.dom0.mapForeign(guest.domid, frame);
    guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, port);
    guest.host.runFor(1e6);
    // The probe is out.
    ring.memory.st32(8, id | 0);
    ring.memory.st32(4, count | 0);
    ring.markDirty();
    guest.host.hv.dom0.notify(local);
    guest.host.runFor(1e6);
    expect(guest.console).toContain('it is not talked to any more');
    expect(guest.call('probe_interface')).toBe(0);
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
    ring.unmap();
  });

  test('XBD-17: a probe that is answered by more disks than a page holds ends the interface', () => {
    const guest = new ControlledGuest(options, { [XVDA]: disk() });
    guest.submit(0, 0);
    guest.letRingGo();
    const frame = guest.disconnect();
    const port = guest.host.hv.dom0.allocUnbound(guest.domid, 0);
    const local = guest.host.hv.dom0.bindInterdomain(guest.domid, port, () => {});
    const ring = guest.host.hv.dom0.mapForeign(guest.domid, frame);
    guest.tell(BLKIF_INTERFACE_STATUS_CONNECTED, port);
    guest.host.runFor(1e6);
    ring.memory.st32(8, 256);
    ring.memory.write(12, Uint8Array.of(2, 0xff, 0x7f));
    ring.memory.st32(4, 1);
    ring.markDirty();
    guest.host.hv.dom0.notify(local);
    guest.host.runFor(1e6);
    expect(guest.console).toContain('the back end answered 32767 to a probe');
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-ENXIO);
    ring.unmap();
  });
});

test('XBD-13: saved at any moment, with any answers lost, every byte is where it belongs', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ delay_us: fc.nat(8000), lost: fc.nat(7) }), {
        minLength: 1,
        maxLength: 3,
      }),
      (trips) => {
        const guest = new ControlledGuest({ amnesia: true }, twoDisks());
        for (let id = 0; id < WORKERS; id++) guest.spawn('probe_worker', id);
        for (const { delay_us, lost } of trips) {
          guest.host.runFor(delay_us * 1000);
          guest.swallow((id) => id === lost);
          guest.moveTo();
          guest.join();
        }
        guest.host.runFor(400e6);
        expect(guest.call('probe_finished')).toBe(WORKERS);
        expect(guest.host.audit()).toEqual([]);
      },
    ),
    { numRuns: 5 },
  );
});
