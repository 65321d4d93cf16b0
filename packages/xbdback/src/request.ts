/*
 * A request lies in a page that its sender can write at any time, so it is copied out of its slot once and only
 * the copy is looked at. Everything in it is hostile:
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

/** A sector of the ring's protocol, whatever the disk's own are. */
export const SECTOR_BYTES = 512;

const LAST_SECTOR_OF_PAGE = 7;

/** A run of sectors within one granted page. */
interface Segment {
  readonly gref: number;
  /** Where in the page it starts. */
  readonly offset: number;
  readonly bytes: number;
}

/** A request as it was found in its slot, unchecked. */
export interface Request {
  readonly operation: number;
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

/** What a request asks of the disk, found sound. */
export interface Work {
  readonly segments: readonly Segment[];
  readonly sectors: number;
}

/** Why a request is not done, and the BLKIF_RSP_* that says so. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** Copies the request out of its slot. */
export const takeRequest = (memory: Memory, address: number): Request => {
  const slot = new Uint8Array(blkif_request.size);
  memory.read(address, slot);
  const copied = new BytesMemory(slot);
  const view = blkif_request.at(copied, 0);
  return {
    operation: view.operation,
    nr_segments: view.nr_segments,
    idLow: copied.ld32(blkif_request.offset.id),
    idHigh: copied.ld32(blkif_request.offset.id + 4),
    sector: view.sector_number,
    slot,
  };
};

/** The disk that a request is checked against. */
export interface Extent {
  readonly sectors: number;
  readonly readonly: boolean;
}

const refuse = (reason: string, status = BLKIF_RSP_ERROR): Refusal => ({ status, reason });

/** Whether a check ended in a refusal. */
export const isRefusal = (result: Work | Refusal): result is Refusal => 'status' in result;

/** Checks all that a request says. Grant references are checked by Xen when they are used. */
export const checkRequest = (request: Request, disk: Extent): Work | Refusal => {
  const { operation, nr_segments, sector } = request;
  switch (operation) {
    case BLKIF_OP_FLUSH_DISKCACHE:
      return { segments: [], sectors: 0 };
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
    case BLKIF_OP_WRITE_BARRIER:
      break;
    default:
      return refuse(`expected operation 0, 1, 2 or 3, found ${operation}`, BLKIF_RSP_EOPNOTSUPP);
  }
  // A barrier of no data is one that orders only.
  if (nr_segments === 0 && operation === BLKIF_OP_WRITE_BARRIER)
    return { segments: [], sectors: 0 };
  if (nr_segments < 1 || nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
    return refuse(`expected 1 to ${BLKIF_MAX_SEGMENTS_PER_REQUEST} segments, found ${nr_segments}`);
  }
  if (operation !== BLKIF_OP_READ && disk.readonly) {
    return refuse(`expected reads of a read-only disk, found operation ${operation}`);
  }
  const segments: Segment[] = [];
  let sectors = 0;
  const list = blkif_request.at(new BytesMemory(request.slot), 0).seg;
  for (let i = 0; i < nr_segments; i++) {
    const { gref, first_sect, last_sect } = list.at(i);
    if (first_sect > last_sect || last_sect > LAST_SECTOR_OF_PAGE) {
      return refuse(
        `expected sectors within 0 to 7 in segment ${i}, found ${first_sect} to ${last_sect}`,
      );
    }
    const count = last_sect - first_sect + 1;
    segments.push({ gref, offset: first_sect * SECTOR_BYTES, bytes: count * SECTOR_BYTES });
    sectors += count;
  }
  if (sector > disk.sectors - sectors) {
    return refuse(`expected sectors below ${disk.sectors}, found ${sectors} from ${sector} on`);
  }
  return { segments, sectors };
};
