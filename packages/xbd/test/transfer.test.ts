import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
} from '@port-xen/abi';
import {
  B_MEDIA_FUA,
  B_READ,
  EINVAL,
  EIO,
  ENOMEM,
  ENOSPC,
  EOPNOTSUPP,
  EROFS,
  MAXPHYS,
  O_DSYNC,
} from '@port-xen/kern';
import { MODES, USER_BASE } from '@tooling/guest-testbed';
import { memoryDisk } from '@tooling/testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DiskGuest, pattern } from './disk-guest.ts';
import { HandMadeBackEnd } from './hand-made-back-end.ts';
import { BUFS, WORKERS } from './probe-text.ts';

const SECTOR = 512;
const PAGE = 4096;
const SECTORS = 1024;
const GRANTS = 64 * 512 - 9;
const USER_PAGES = 16;

describe.each(MODES)('%s', (_, options) => {
  test('XBD-1: a buf is a request with a segment a page, in 512-byte sectors, first and last included', () => {
    const guest = new DiskGuest(options);
    const requests = guest.traceRequests();
    guest.call('probe_fill', USER_BASE, 12 * PAGE, 5);
    // From the middle of a page, over ten whole ones, a part of the last.
    const start = USER_BASE + 3 * SECTOR;
    const length = MAXPHYS - 5 * SECTOR;
    expect(guest.write(100, start, length)).toBe(length);
    expect(requests).toEqual([
      { device: 51712, operation: BLKIF_OP_WRITE, id: 0, sector: 100, segments: 11, sectors: 83 },
    ]);
    expect(guest.disk.bytes.subarray(100 * SECTOR, 100 * SECTOR + length)).toEqual(
      pattern(5, 12 * PAGE).subarray(3 * SECTOR, 3 * SECTOR + length),
    );
    expect(guest.read(100, USER_BASE + 13 * PAGE, SECTOR)).toBe(SECTOR);
    expect(requests.at(-1)).toEqual({
      device: 51712,
      operation: BLKIF_OP_READ,
      id: 0,
      sector: 100,
      segments: 1,
      sectors: 1,
    });
  });

  test('XBD-2: what cannot be asked of a disk is refused before it is asked', () => {
    const guest = new DiskGuest(options);
    const requests = guest.traceRequests();
    const refused: [number, number, number][] = [
      [SECTORS, USER_BASE, SECTOR],
      [SECTORS - 1, USER_BASE, 2 * SECTOR],
      [0, USER_BASE + 1, SECTOR],
      [0, USER_BASE, SECTOR + 1],
      [0, USER_BASE, 0],
      [0, USER_BASE, MAXPHYS + SECTOR],
      [0, USER_BASE + SECTOR, MAXPHYS],
      [0, USER_BASE + USER_PAGES * PAGE, SECTOR],
      [0, 8192, SECTOR],
    ];
    for (const [blkno, address, length] of refused) {
      expect(guest.read(blkno, address, length)).toBe(-EINVAL);
      expect(guest.write(blkno, address, length)).toBe(-EINVAL);
    }
    expect(requests).toEqual([]);
    expect(guest.write(SECTORS - 1, USER_BASE, SECTOR)).toBe(SECTOR);
  });

  test('XBD-2: programs read up to the end of the disk, and do not write beyond it', () => {
    const guest = new DiskGuest(options);
    const rw = (flags: number, offset: number, length: number) =>
      guest.call('probe_rw', 0, flags, offset, USER_BASE, length);
    const end = SECTORS * SECTOR;
    expect(rw(B_READ, end - 2 * SECTOR, 10 * PAGE)).toBe(2 * SECTOR);
    expect(rw(B_READ, end, SECTOR)).toBe(0);
    expect(rw(0, end, SECTOR)).toBe(-ENOSPC);
    expect(rw(0, end - SECTOR, PAGE)).toBe(SECTOR);
    expect(rw(B_READ, 100, SECTOR)).toBe(-EINVAL);
    expect(rw(B_READ, 0, 100)).toBe(-EINVAL);
    expect(rw(B_READ, 0, 14 * PAGE)).toBe(14 * PAGE);
  });

  test('XBD-2: a read-only disk is not written', () => {
    const guest = new DiskGuest({ ...options, readonlyDisks: ['xvda'] });
    expect(guest.write(0, USER_BASE, SECTOR)).toBe(-EROFS);
    expect(guest.read(0, USER_BASE, SECTOR)).toBe(SECTOR);
  });

  test('XBD-3: a flush makes durable what was written', () => {
    const guest = new DiskGuest(options);
    const requests = guest.traceRequests();
    guest.call('probe_fill', USER_BASE, SECTOR, 9);
    guest.write(7, USER_BASE, SECTOR);
    expect(guest.disk.flushed()[7 * SECTOR]).toBe(0);
    expect(guest.call('probe_sync', 0)).toBe(0);
    expect(guest.disk.flushed().subarray(7 * SECTOR, 8 * SECTOR)).toEqual(pattern(9, SECTOR));
    expect(requests.at(-1)).toMatchObject({ operation: BLKIF_OP_FLUSH_DISKCACHE, segments: 0 });
  });

  test('XBD-3: a back end without flushes is not asked for one', () => {
    const guest = new DiskGuest({ ...options, disks: {} });
    new HandMadeBackEnd(guest);
    expect(guest.call('probe_sync', 0)).toBe(-EOPNOTSUPP);
  });

  test('XBD-19: what is written through a descriptor with O_DSYNC is on the medium when the write returns', () => {
    const guest = new DiskGuest(options);
    const requests = guest.traceRequests();
    const length = 14 * PAGE;
    guest.call('probe_fill', USER_BASE, length, 9);
    const written = (flags: number): number =>
      guest.call('probe_rw', 0, 0, SECTOR, USER_BASE, length, flags);
    expect(written(0)).toBe(length);
    expect(guest.disk.flushed().every((byte) => byte === 0)).toBe(true);
    expect(written(O_DSYNC)).toBe(length);
    expect(guest.disk.flushed().subarray(SECTOR, SECTOR + length)).toEqual(pattern(9, length));
    const [plain, durable] = [BLKIF_OP_WRITE, BLKIF_OP_WRITE_BARRIER];
    expect(requests.map(({ operation }) => operation)).toEqual([plain, plain, durable, durable]);
  });

  test('XBD-19: a barrier is done after all that was asked for before it, and before all that is asked later', () => {
    const guest = new DiskGuest(options);
    const barriers = [3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47];
    for (const n of barriers) {
      guest.submit(n - 3, n);
      guest.submit(n, n + 1, B_MEDIA_FUA);
    }
    guest.host.runFor(100e6);
    expect(guest.ended.length).toBe(BUFS);
    expect(barriers.map((n) => guest.ended[n])).toEqual(barriers);
  });

  test('XBD-19: a back end without barriers is not asked for one', () => {
    const guest = new DiskGuest({ ...options, disks: {} });
    const back = new HandMadeBackEnd(guest, { 'feature-flush-cache': 1 });
    const before = guest.call('probe_grants');
    expect(guest.call('probe_rw', 0, 0, 0, USER_BASE, SECTOR, O_DSYNC)).toBe(-EOPNOTSUPP);
    expect(guest.call('probe_grants')).toBe(before);
    guest.submit(0, 1);
    expect(back.take().operation).toBe(BLKIF_OP_WRITE);
  });

  test('XBD-4: more than the ring holds waits, and all of it is done once and in order of asking', () => {
    const guest = new DiskGuest({ ...options, disks: {} });
    const back = new HandMadeBackEnd(guest);
    guest.submit(0, BUFS);
    expect(guest.call('probe_busy', 0)).toBe(32);
    for (let n = 0; n < BUFS; n++) {
      back.answer(back.take().id);
      expect(guest.call('probe_nended')).toBe(n + 1);
    }
    expect(guest.ended).toEqual(Array.from({ length: BUFS }, (_, i) => i));
    expect(guest.call('probe_busy', 0)).toBe(0);
  });

  test('XBD-5: every grant comes back', () => {
    const guest = new DiskGuest(options);
    const used = guest.call('probe_grants');
    guest.submit(0, 20);
    guest.host.runFor(50e6);
    expect(guest.ended.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(guest.call('probe_grants')).toBe(used);
  });

  test('XBD-5: without enough grants a request waits for those that are out; when none is out it fails with ENOMEM', () => {
    const guest = new DiskGuest(options);
    const free = GRANTS - guest.call('probe_grants');
    expect(guest.call('probe_take', free - 11)).toBe(free - 11);
    // Each buf of eleven pages needs all that is left.
    for (const id of [0, 1, 2, 3]) guest.spawn('probe_worker', id);
    expect(guest.write(900, USER_BASE, MAXPHYS)).toBe(MAXPHYS);
    guest.host.runFor(200e6);
    expect(guest.call('probe_finished')).toBe(WORKERS);
    expect(guest.call('probe_take', 1)).toBe(1);
    expect(guest.write(900, USER_BASE, MAXPHYS)).toBe(-ENOMEM);
    expect(guest.write(900, USER_BASE, PAGE)).toBe(PAGE);
    expect(guest.call('probe_take', 11)).toBe(10);
  });

  test('XBD-6: a status other than OKAY is EIO, EOPNOTSUPP is EOPNOTSUPP; the disk goes on', () => {
    const guest = new DiskGuest({ ...options, disks: {} });
    const back = new HandMadeBackEnd(guest);
    guest.submit(0, 4);
    for (const status of [BLKIF_RSP_ERROR, BLKIF_RSP_EOPNOTSUPP, 77, 0]) {
      back.answer(back.take().id, status);
    }
    const errors = [0, 1, 2, 3].map((n) => guest.call('probe_error', n));
    expect(errors).toEqual([EIO, EOPNOTSUPP, EIO, 0]);
  });
});

test('XBD-1: whatever is written wherever from, it is on the disk, and read again wherever to', () => {
  const guest = new DiskGuest({ amnesia: true });
  const sectorsIn = (pages: number) => (pages * PAGE) / SECTOR;
  fc.assert(
    fc.property(
      fc.nat(SECTORS - 1),
      fc.nat(sectorsIn(USER_PAGES) - 1),
      fc.nat(sectorsIn(USER_PAGES) - 1),
      fc.integer({ min: 1, max: sectorsIn(10) }),
      fc.nat(1000),
      (blkno, from, to, wanted, seed) => {
        const room = Math.min(SECTORS - blkno, sectorsIn(USER_PAGES) - Math.max(from, to));
        const length = Math.min(wanted, room) * SECTOR;
        const source = USER_BASE + from * SECTOR;
        const target = USER_BASE + to * SECTOR;
        guest.call('probe_fill', source, length, seed);
        expect(guest.write(blkno, source, length)).toBe(length);
        expect(guest.disk.bytes.subarray(blkno * SECTOR, blkno * SECTOR + length)).toEqual(
          pattern(seed, length),
        );
        guest.call('probe_fill', target, length, seed + 1);
        expect(guest.read(blkno, target, length)).toBe(length);
        expect(guest.call('probe_differs', target, length, seed)).toBe(-1);
      },
    ),
    { numRuns: 20 },
  );
});

test('a domain with eight disks uses each', () => {
  const vdevs = ['xvda', 'xvdb', 'xvdc', 'xvdd', 'xvde', 'xvdf', 'xvdg', 'xvdh'];
  const disks = Object.fromEntries(vdevs.map((vdev, i) => [vdev, memoryDisk((i + 1) * SECTOR)]));
  const guest = new DiskGuest({ amnesia: true, disks });
  vdevs.forEach((_, unit) => {
    guest.connected(unit);
    expect(guest.call('probe_sectors', unit)).toBe(unit + 1);
    expect(guest.write(unit, USER_BASE, SECTOR, unit)).toBe(SECTOR);
  });
  guest.move();
  vdevs.forEach((_, unit) => {
    guest.connected(unit);
    expect(guest.read(unit, USER_BASE, SECTOR, unit)).toBe(SECTOR);
  });
});
