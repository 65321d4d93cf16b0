/*
 * A request lies in a page that its sender can write at any time, so it is copied out of its slot once and only
 * the copy is looked at. Everything in it is hostile. One of a front end on xenbus:
 *
 *     blkif_request     operation u8 @0 · nr_segments u8 @1 · id u64 @8 · sector_number u64 @16 · seg[11] @24
 *     seg               gref u32 @0 · first_sect u8 @4 · last_sect u8 @5        (inclusive, 0 … 7)
 *
 * The id means something to its sender only; it is carried in halves because all 64 bits must come back.
 */
import {
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
  blkif_request,
} from '@port-xen/abi';
import { BytesMemory, type Memory } from '@port-xen/layout';
import { checkData, type Deed, type Extent, type Refusal, type Work } from './work.ts';

/** A request as it was found in its slot, unchecked. */
export interface Request {
  readonly operation: number;
  /** Which disk of several, where a ring serves several; else what the slot has there. */
  readonly device: number;
  readonly nr_segments: number;
  readonly idLow: number;
  readonly idHigh: number;
  /** As a Number: above 2^53 it is inexact, and out of any disk's range. */
  readonly sector: number;
  /** The slot's own copy. */
  readonly slot: Uint8Array;
}

/** The id as one number, for people and traces; exact below 2^53. */
export const idOf = (request: Request): number =>
  (request.idHigh >>> 0) * 0x1_0000_0000 + (request.idLow >>> 0);

/** Copies the request out of its slot. */
export const takeRequest = (memory: Memory, address: number): Request => {
  const slot = new Uint8Array(blkif_request.size);
  memory.read(address, slot);
  const copied = new BytesMemory(slot);
  const view = blkif_request.at(copied, 0);
  return {
    operation: view.operation,
    device: view.handle,
    nr_segments: view.nr_segments,
    idLow: copied.ld32(blkif_request.offset.id),
    idHigh: copied.ld32(blkif_request.offset.id + 4),
    sector: view.sector_number,
    slot,
  };
};

const DATA: Readonly<Record<number, Deed>> = {
  [BLKIF_OP_READ]: 'read',
  [BLKIF_OP_WRITE]: 'write',
  [BLKIF_OP_WRITE_BARRIER]: 'barrier',
};
const LIMITS = { segments: BLKIF_MAX_SEGMENTS_PER_REQUEST, refused: BLKIF_RSP_ERROR };

/** Checks all that a request says. Grant references are checked by Xen when they are used. */
export const checkRequest = (request: Request, disk: Extent): Work | Refusal => {
  const { operation, nr_segments, sector } = request;
  if (operation === BLKIF_OP_FLUSH_DISKCACHE) return { deed: 'flush', segments: [], sectors: 0 };
  const deed = DATA[operation];
  if (deed === undefined) {
    const reason = `expected operation 0, 1, 2 or 3, found ${operation}`;
    return { status: BLKIF_RSP_EOPNOTSUPP, reason };
  }
  // A barrier of no data is one that orders only.
  if (nr_segments === 0 && deed === 'barrier') return { deed, segments: [], sectors: 0 };
  const list = blkif_request.at(new BytesMemory(request.slot), 0).seg;
  const segment = (i: number) => {
    const { gref, first_sect, last_sect } = list.at(i);
    return { page: gref, first_sect, last_sect };
  };
  return checkData(deed, sector, nr_segments, segment, disk, LIMITS);
};
