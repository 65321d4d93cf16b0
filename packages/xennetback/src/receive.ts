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
import { NETRXF_csum_blank, NETRXF_data_validated } from '@port-xen/abi';
import { completed, type Frame } from '@port-xen/bridge';
import type { ConnectionParts } from './connection-parts.ts';
import type { RxRing } from './net-rings.ts';

const PAGE_BYTES = 4096;
/** Frames that may wait for pages. */
const QUEUE_FRAMES = 512;

/** Gives the guest what comes for it. */
export class Receive {
  readonly #parts: ConnectionParts;
  readonly #ring: RxRing;
  readonly #notify: () => void;
  readonly #queue: Frame[] = [];
  #stopped = false;

  /** @param notify tells the guest that there are responses */
  constructor(parts: ConnectionParts, ring: RxRing, notify: () => void) {
    this.#parts = parts;
    this.#ring = ring;
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
    const ring = this.#ring;
    if (this.#stopped || this.#parts.handle.draining) return;
    while (this.#queue.length > 0) {
      const { overflow } = ring;
      if (overflow !== undefined) {
        this.#parts.handle.giveUp(overflow);
        return;
      }
      const frame = this.#queue[0] as Frame;
      const pages = Math.ceil(frame.bytes.length / PAGE_BYTES);
      if (!ring.has(pages)) break;
      this.#queue.shift();
      this.#give(this.#parts.frontend.checksumOffload ? frame : completed(frame), pages);
    }
    if (ring.push()) this.#notify();
  }

  #give(frame: Frame, pages: number): void {
    const { sim, handle, counting, onFrame } = this.#parts;
    const { bytes } = frame;
    const given = this.#ring.give(bytes, flagsOf(frame));
    if (sim.trace.on) {
      const flags = flagsOf(frame);
      sim.trace.emit('ring', handle.domid, 'net-rx', handle.devid, pages, bytes.length, flags);
    }
    if (!given) {
      counting.rxErrors++;
      return;
    }
    counting.rxFrames++;
    counting.rxBytes += bytes.length;
    onFrame('in', frame);
  }
}

const flagsOf = ({ checksum }: Frame): number =>
  checksum === 'blank'
    ? NETRXF_csum_blank | NETRXF_data_validated
    : checksum === 'validated'
      ? NETRXF_data_validated
      : 0;
