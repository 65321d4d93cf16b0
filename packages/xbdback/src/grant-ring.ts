/*
 * The ring of a front end on xenbus: a page that was granted, requests of 112 bytes whose segments are grants (io/blkif.h, io/ring.h).
 */
import { blkif_request, blkif_response, GNTST_okay } from '@port-xen/abi';
import type { GrantMapping } from '@port-xen/hypervisor';
import { BackRing, ringSize } from '@port-xen/ring';
import type { BackendXen } from '@port-xen/xenbus-backend';
import type { BlockRing } from './block-ring.ts';
import { checkRequest, type Request, takeRequest } from './request.ts';
import type { Extent, Refusal, Work } from './work.ts';

const RING_BYTES = 4096;

type GrantXen = Pick<BackendXen, 'grantMap' | 'grantCopy'>;

/** A ring that is a grant and carries grants. */
export class GrantRing implements BlockRing {
  readonly #dom0: GrantXen;
  readonly #domid: number;
  readonly #mapping: GrantMapping;
  readonly #ring: BackRing;

  /**
   * Maps the ring; the guest may have put requests there already.
   * @throws XenError when the reference is no good
   */
  constructor(dom0: GrantXen, domid: number, ringRef: number) {
    this.#dom0 = dom0;
    this.#domid = domid;
    this.#mapping = dom0.grantMap(domid, ringRef, false);
    this.#ring = new BackRing(
      this.#mapping.memory,
      ringSize(RING_BYTES, blkif_request.size),
      blkif_request.size,
    );
  }

  get overflow(): string | undefined {
    const { overflown, entries, requestProducer, taken } = this.#ring;
    if (!overflown) return undefined;
    return `expected at most ${entries} requests in the ring, found producer ${requestProducer} with ${taken} taken`;
  }

  take(): Request | undefined {
    const slot = this.#ring.nextRequest();
    return slot === undefined ? undefined : takeRequest(this.#mapping.memory, slot);
  }

  /** As RING_FINAL_CHECK_FOR_REQUESTS does. An event is asked for also when the ring is full: it will be full again. */
  finalCheck(): boolean {
    return this.#ring.finalCheckForRequests() && !this.#ring.full;
  }

  check(request: Request, disk: Extent): Work | Refusal {
    return checkRequest(request, disk);
  }

  copy(work: Work, buffer: Uint8Array, toGuest: boolean): string | undefined {
    const domid = this.#domid;
    let at = 0;
    const statuses = this.#dom0.grantCopy(
      work.segments.map(({ page: ref, offset, bytes }) => {
        const page = { domid, ref, offset };
        const part = { bytes: buffer, offset: at };
        at += bytes;
        return toGuest
          ? { source: part, dest: page, length: bytes }
          : { source: page, dest: part, length: bytes };
      }),
    );
    const bad = statuses.findIndex((status) => status !== GNTST_okay);
    if (bad < 0) return undefined;
    return `the copy ${toGuest ? 'to' : 'from'} grant ${work.segments[bad]?.page} of domain ${domid} ended with status ${statuses[bad]}`;
  }

  answer(request: Request, status: number): boolean {
    const { memory } = this.#mapping;
    const at = this.#ring.nextResponse();
    const response = blkif_response.at(memory, at);
    memory.st32(at + blkif_response.offset.id, request.idLow);
    memory.st32(at + blkif_response.offset.id + 4, request.idHigh);
    response.operation = request.operation;
    response.status = status;
    return this.#ring.pushResponses();
  }

  release(): void {
    this.#mapping.unmap();
  }
}
