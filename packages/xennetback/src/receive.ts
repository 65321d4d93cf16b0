/*
 * From the bridge to the guest:
 *
 *     frame ──▶ queue ──▶ as many pages as it needs? ──▶ fill them, or give them ──▶ a response for each ──▶ event
 *                            └─ no: an event is asked for when there are
 *
 * The pages are the guest's, granted by receive requests; a response says how many bytes of a page are used, and its slot is the
 * request's. A frame longer than a page takes several, if the front end offered to put them together again.
 *
 * A back end that flips pages gives the guest a page of its own for each request, whose reference says that one is taken.
 */
import {
  GNTST_okay,
  NETIF_RSP_ERROR,
  NETRXF_csum_blank,
  NETRXF_data_validated,
  NETRXF_more_data,
  netif_rx_request,
  netif_rx_response,
} from '@port-xen/abi';
import { completed, type Frame } from '@port-xen/bridge';
import type { ConnectionParts, MappedRing } from './connection-parts.ts';

const PAGE_BYTES = 4096;
/** Frames that may wait for pages. */
const QUEUE_FRAMES = 512;

/** What a page takes of a frame. */
interface Piece {
  readonly ref: number;
  readonly offset: number;
  readonly length: number;
}

/** Gives the guest what comes for it. */
export class Receive {
  readonly #parts: ConnectionParts;
  readonly #rx: MappedRing;
  readonly #notify: () => void;
  readonly #queue: Frame[] = [];
  #stopped = false;

  /** @param notify tells the guest that there are responses */
  constructor(parts: ConnectionParts, rx: MappedRing, notify: () => void) {
    this.#parts = parts;
    this.#rx = rx;
    this.#notify = notify;
  }

  /** What waits is dropped, and so is what comes. */
  stop(): void {
    this.#stopped = true;
    this.#parts.counting.rxDropped += this.#queue.length;
    this.#queue.length = 0;
  }

  /** A frame for the guest. */
  enqueue(frame: Frame): void {
    const { frontend, counting } = this.#parts;
    const tooLong = frame.bytes.length > PAGE_BYTES && !frontend.sg;
    if (this.#stopped || tooLong || this.#queue.length >= QUEUE_FRAMES) {
      counting.rxDropped++;
      return;
    }
    this.#queue.push(frame);
    this.pump();
  }

  /** Puts frames into the guest's pages until there is no frame, or no page. */
  pump(): void {
    const { ring } = this.#rx;
    if (this.#stopped || this.#parts.handle.draining) return;
    while (this.#queue.length > 0) {
      if (ring.overflown) {
        this.#parts.handle.giveUp(
          `expected at most ${ring.entries} requests in the receive ring, found producer ${ring.requestProducer} with ${ring.taken} taken`,
        );
        return;
      }
      const frame = this.#queue[0] as Frame;
      const pages = Math.ceil(frame.bytes.length / PAGE_BYTES);
      if (ring.available < pages && !ring.finalCheckForRequests(pages)) break;
      this.#queue.shift();
      this.#give(this.#parts.frontend.checksumOffload ? frame : completed(frame), pages);
    }
    if (ring.pushResponses()) this.#notify();
  }

  #give(frame: Frame, pages: number): void {
    const { sim, handle, counting, onFrame } = this.#parts;
    const { ring, mapping } = this.#rx;
    const { bytes } = frame;
    const ids: number[] = [];
    const pieces: Piece[] = [];
    for (let offset = 0; offset < bytes.length; offset += PAGE_BYTES) {
      const request = netif_rx_request.at(mapping.memory, ring.nextRequest() as number);
      ids.push(request.id);
      pieces.push({
        ref: request.gref,
        offset,
        length: Math.min(PAGE_BYTES, bytes.length - offset),
      });
    }
    const statuses = this.#hand(bytes, pieces);
    for (const [i, id] of ids.entries()) {
      const response = netif_rx_response.at(mapping.memory, ring.nextResponse());
      response.id = id;
      response.offset = 0;
      response.flags = (i === 0 ? flagsOf(frame) : 0) | (i < pages - 1 ? NETRXF_more_data : 0);
      response.status = statuses[i] === GNTST_okay ? (pieces[i]?.length ?? 0) : NETIF_RSP_ERROR;
    }
    if (sim.trace.on) {
      const flags = flagsOf(frame);
      sim.trace.emit('ring', handle.domid, 'net-rx', handle.devid, pages, bytes.length, flags);
    }
    if (statuses.some((status) => status !== GNTST_okay)) {
      counting.rxErrors++;
      return;
    }
    counting.rxFrames++;
    counting.rxBytes += bytes.length;
    onFrame('in', frame);
  }

  /** Puts pieces of a frame where their references say. @returns GNTST_* for each */
  #hand(bytes: Uint8Array, pieces: readonly Piece[]): Int16Array {
    const { dom0, features, handle } = this.#parts;
    const { domid } = handle;
    if (!features.rxCopy) {
      const pages = pieces.map(({ ref, offset, length }) => ({
        bytes: bytes.subarray(offset, offset + length),
        domid,
        ref,
      }));
      return dom0.grantTransfer(pages);
    }
    const copies = pieces.map(({ ref, offset, length }) => ({
      source: { bytes, offset },
      dest: { domid, ref, offset: 0 },
      length,
    }));
    return dom0.grantCopy(copies);
  }
}

const flagsOf = ({ checksum }: Frame): number =>
  checksum === 'blank'
    ? NETRXF_csum_blank | NETRXF_data_validated
    : checksum === 'validated'
      ? NETRXF_data_validated
      : 0;
