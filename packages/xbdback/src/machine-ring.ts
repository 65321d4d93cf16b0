/*
 * The ring of a front end on Xen 2's controller interface (io/blkif.h of Xen 2.0), a page known by its machine frame number:
 *
 *     req_prod u32 @0 · resp_prod u32 @4 · ring[64] of 60 bytes @8
 *     request     operation u8 @0 · nr_segments u8 @1 · device u16 @2 · id u32 @4 · sector_number u64 @8 · frame_and_sects[11] @16
 *     segment     machine address of the page | first_sect << 3 | last_sect
 *     response    id u32 @0 · operation u8 @4 · status i16 @5
 *
 * One ring serves every disk of its domain. Each side tells the other of everything it puts: there are no event indices.
 * Nothing was granted, so Xen is asked for each page whether it is the domain's, and one that can be written if it is to be filled.
 */
import {
  BLKIF_OP_PROBE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_RSP_ERROR,
  XEN2_BLKIF_MAX_SEGMENTS_PER_REQUEST,
  XEN2_BLKIF_RING_SIZE,
  xen2_blkif_request,
  xen2_blkif_response,
  xen2_blkif_ring,
} from '@port-xen/abi';
import { type Dom0, type FrameMapping, XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { BlockRing } from './block-ring.ts';
import type { Request } from './request.ts';
import { checkData, type Deed, type Extent, isRefusal, type Refusal, type Work } from './work.ts';

const { offset } = xen2_blkif_ring;
const DATA: Readonly<Record<number, Deed>> = {
  [BLKIF_OP_READ]: 'read',
  // There is no operation that asks for a flush: what is answered is on the medium.
  [BLKIF_OP_WRITE]: 'write-through',
};
const LIMITS = { segments: XEN2_BLKIF_MAX_SEGMENTS_PER_REQUEST, refused: BLKIF_RSP_ERROR };
const WHOLE_PAGE = 4096;

/** A ring that is a machine frame and carries machine addresses. */
export class MachineRing implements BlockRing {
  readonly #dom0: Pick<Dom0, 'mapFrame'>;
  readonly #domid: number;
  readonly #mapping: FrameMapping;
  #taken: number;
  #put: number;

  /**
   * Maps the ring, which is at rest: the next request is the one after the last response.
   * @throws XenError when the frame is not the domain's, or not to be written
   */
  constructor(dom0: Pick<Dom0, 'mapFrame'>, domid: number, mfn: number) {
    this.#dom0 = dom0;
    this.#domid = domid;
    this.#mapping = dom0.mapFrame(domid, mfn, false);
    this.#put = this.#mapping.memory.ld32(offset.resp_prod);
    this.#taken = this.#put;
  }

  get overflow(): string | undefined {
    const producer = this.#mapping.memory.ld32(offset.req_prod);
    if ((producer - this.#put) >>> 0 <= XEN2_BLKIF_RING_SIZE) return undefined;
    return `expected at most ${XEN2_BLKIF_RING_SIZE} requests in the ring, found producer ${producer >>> 0} with ${this.#taken >>> 0} taken`;
  }

  take(): Request | undefined {
    const { memory } = this.#mapping;
    if (memory.ld32(offset.req_prod) === this.#taken) return undefined;
    if ((this.#taken - this.#put) >>> 0 >= XEN2_BLKIF_RING_SIZE) return undefined;
    const slot = new Uint8Array(xen2_blkif_request.size);
    memory.read(slotAt(this.#taken), slot);
    this.#taken = (this.#taken + 1) | 0;
    const view = xen2_blkif_request.at(new BytesMemory(slot), 0);
    return {
      operation: view.operation,
      device: view.device,
      nr_segments: view.nr_segments,
      idLow: view.id | 0,
      idHigh: 0,
      sector: view.sector_number,
      slot,
    };
  }

  /** The front end tells of every request. */
  finalCheck(): boolean {
    return false;
  }

  check(request: Request, disk: Extent): Work | Refusal {
    const { operation, nr_segments, sector, slot } = request;
    const list = xen2_blkif_request.at(new BytesMemory(slot), 0).frame_and_sects;
    const segment = (i: number) => {
      const word = list.get(i);
      return { page: word >>> 12, first_sect: (word >>> 3) & 7, last_sect: word & 7 };
    };
    if (operation === BLKIF_OP_PROBE) return checkProbe(nr_segments, segment);
    const deed = DATA[operation];
    if (deed === undefined) {
      const reason = `expected operation 0, 1 or 2, found ${operation}`;
      return { status: BLKIF_RSP_ERROR, reason };
    }
    return checkData(deed, sector, nr_segments, segment, disk, LIMITS);
  }

  copy(work: Work, buffer: Uint8Array, toGuest: boolean): string | undefined {
    let at = 0;
    for (const segment of work.segments) {
      const part = buffer.subarray(at, at + segment.bytes);
      at += segment.bytes;
      const reason = this.#copyPage(segment.page, segment.offset, part, toGuest);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  #copyPage(mfn: number, at: number, part: Uint8Array, toGuest: boolean): string | undefined {
    let page: FrameMapping;
    try {
      page = this.#dom0.mapFrame(this.#domid, mfn, !toGuest);
    } catch (error) {
      if (error instanceof XenError) return error.message;
      throw error;
    }
    if (toGuest) {
      page.bytes.set(part, at);
      page.markDirty();
    } else part.set(page.bytes.subarray(at, at + part.length));
    page.unmap();
    return undefined;
  }

  answer(request: Request, status: number): boolean {
    const { memory } = this.#mapping;
    const response = xen2_blkif_response.at(memory, slotAt(this.#put));
    response.id = request.idLow;
    response.operation = request.operation;
    response.status = status;
    this.#put = (this.#put + 1) | 0;
    memory.st32(offset.resp_prod, this.#put);
    return true;
  }

  release(): void {
    this.#mapping.unmap();
  }
}

const slotAt = (index: number): number =>
  offset.ring + (index & (XEN2_BLKIF_RING_SIZE - 1)) * xen2_blkif_request.size;

/** The list of disks goes into one whole page. */
const checkProbe = (
  nr_segments: number,
  segment: (i: number) => { page: number; first_sect: number; last_sect: number },
): Work | Refusal => {
  const anything = { sectors: Number.MAX_SAFE_INTEGER, readonly: false };
  const work = checkData('probe', 0, nr_segments, segment, anything, { ...LIMITS, segments: 1 });
  if (isRefusal(work) || work.segments[0]?.bytes === WHOLE_PAGE) return work;
  return { status: BLKIF_RSP_ERROR, reason: 'expected a whole page for the list of disks' };
};
