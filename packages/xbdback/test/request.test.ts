import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
  blkif_request,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkRequest, idOf, takeRequest } from '../src/request.ts';
import { isRefusal } from '../src/work.ts';

const disk = { sectors: 100, readonly: false };

/** A slot holding the request described. */
const slot = (
  operation: number,
  sector: number,
  segments: readonly [gref: number, first: number, last: number][],
) => {
  const memory = new BytesMemory(new Uint8Array(blkif_request.size));
  const request = blkif_request.at(memory, 0);
  request.operation = operation;
  request.nr_segments = segments.length;
  request.sector_number = sector;
  for (const [i, [gref, first, last]] of segments.entries()) {
    if (i > 10) break;
    const seg = request.seg.at(i);
    seg.gref = gref;
    seg.first_sect = first;
    seg.last_sect = last;
  }
  return memory;
};

const check = (
  operation: number,
  sector: number,
  segments: readonly [number, number, number][],
  on = disk,
) => checkRequest(takeRequest(slot(operation, sector, segments), 0), on);

test('XBDBACK-4: sectors are taken from each page from the first to the last, both included', () => {
  expect(
    check(BLKIF_OP_READ, 10, [
      [7, 0, 7],
      [8, 3, 3],
    ]),
  ).toEqual({
    deed: 'read',
    segments: [
      { page: 7, offset: 0, bytes: 4096 },
      { page: 8, offset: 1536, bytes: 512 },
    ],
    sectors: 9,
  });
});

test('XBDBACK-4: the last sector can be reached and the one after it cannot', () => {
  expect(check(BLKIF_OP_WRITE, 92, [[1, 0, 7]])).toMatchObject({ sectors: 8 });
  expect(check(BLKIF_OP_WRITE, 93, [[1, 0, 7]])).toMatchObject({ status: BLKIF_RSP_ERROR });
  expect(check(BLKIF_OP_WRITE, 2 ** 64 - 4096, [[1, 0, 7]])).toMatchObject({
    status: BLKIF_RSP_ERROR,
  });
});

test('XBDBACK-4: segments are 1 to 11, their sectors in order and within the page', () => {
  expect(check(BLKIF_OP_READ, 0, [])).toMatchObject({ status: BLKIF_RSP_ERROR });
  expect(check(BLKIF_OP_READ, 0, Array(11).fill([1, 0, 0]))).toMatchObject({ sectors: 11 });
  expect(check(BLKIF_OP_READ, 0, Array(12).fill([1, 0, 0]))).toMatchObject({
    reason: 'expected 1 to 11 segments, found 12',
  });
  expect(check(BLKIF_OP_READ, 0, [[1, 4, 3]])).toMatchObject({ status: BLKIF_RSP_ERROR });
  expect(check(BLKIF_OP_READ, 0, [[1, 0, 8]])).toMatchObject({ status: BLKIF_RSP_ERROR });
});

test('XBDBACK-4: a read-only disk is read and flushed, never written', () => {
  const readonly = { sectors: 100, readonly: true };
  expect(check(BLKIF_OP_READ, 0, [[1, 0, 7]], readonly)).toMatchObject({ sectors: 8 });
  expect(check(BLKIF_OP_FLUSH_DISKCACHE, 0, [], readonly)).toMatchObject({ sectors: 0 });
  expect(check(BLKIF_OP_WRITE, 0, [[1, 0, 7]], readonly)).toMatchObject({
    status: BLKIF_RSP_ERROR,
  });
  expect(check(BLKIF_OP_WRITE_BARRIER, 0, [[1, 0, 7]], readonly)).toMatchObject({
    status: BLKIF_RSP_ERROR,
  });
});

test('XBDBACK-5: an operation that was not advertised is answered EOPNOTSUPP', () => {
  for (const operation of [4, 5, 6, 7, 255]) {
    expect(check(operation, 0, [[1, 0, 7]])).toMatchObject({ status: BLKIF_RSP_EOPNOTSUPP });
  }
});

test('XBDBACK-4: a barrier without data orders and writes nothing', () => {
  expect(check(BLKIF_OP_WRITE_BARRIER, 0, [])).toEqual({
    deed: 'barrier',
    segments: [],
    sectors: 0,
  });
});

test('XBDBACK-4: whatever a slot holds, it is refused or all of it lies within the disk and its pages', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 112, maxLength: 112 }),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 200 }),
      fc.boolean(),
      (bytes, operation, nr_segments, sector, tame) => {
        if (tame) {
          // Mostly sound requests, so that the other side of the check is seen as well.
          bytes[0] = operation;
          bytes[1] = nr_segments;
          bytes.fill(0, 16, 24);
          bytes[16] = sector;
          for (let i = 24; i < 112; i += 8) {
            bytes[i + 4] = (bytes[i + 4] as number) & 7;
            bytes[i + 5] = (bytes[i + 5] as number) & 7;
          }
        }
        const request = takeRequest(new BytesMemory(bytes), 0);
        const result = checkRequest(request, { sectors: 150, readonly: false });
        if (isRefusal(result)) {
          expect([BLKIF_RSP_ERROR, BLKIF_RSP_EOPNOTSUPP]).toContain(result.status);
          return;
        }
        if (result.sectors > 0) expect(request.sector + result.sectors).toBeLessThanOrEqual(150);
        expect(result.segments.reduce((sum, s) => sum + s.bytes, 0)).toBe(result.sectors * 512);
        for (const segment of result.segments) {
          expect(segment.bytes).toBeGreaterThan(0);
          expect(segment.offset + segment.bytes).toBeLessThanOrEqual(4096);
        }
      },
    ),
  );
});

test('XBDBACK-3: what the guest does to the slot afterwards changes nothing', () => {
  const memory = slot(BLKIF_OP_READ, 10, [[7, 0, 7]]);
  const request = takeRequest(memory, 0);
  memory.bytes.fill(0xff);
  expect(checkRequest(request, disk)).toMatchObject({ sectors: 8 });
  expect(request.operation).toBe(BLKIF_OP_READ);
});

test('XBDBACK-7: an id of all 64 bits is carried whole', () => {
  const memory = slot(BLKIF_OP_READ, 0, []);
  memory.st32(8, 0x89abcdef);
  memory.st32(12, 0xfedcba98);
  const request = takeRequest(memory, 0);
  expect([request.idLow >>> 0, request.idHigh >>> 0]).toEqual([0x89abcdef, 0xfedcba98]);
  memory.st32(12, 5);
  expect(idOf(takeRequest(memory, 0))).toBe(5 * 2 ** 32 + 0x89abcdef);
});
