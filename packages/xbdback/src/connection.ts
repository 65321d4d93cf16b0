/*
 * A connected ring: the shared page mapped, the event channel bound, requests on their way through the spindle.
 *
 *     guest's event ──▶ take every request ──▶ check ──┬─▶ refused: answer at once
 *                                                      └─▶ spindle ──▶ transfer ──▶ answer
 *
 * A request is answered once, when it has been done, whatever became of its neighbours. Producer indices that
 * cannot be (more requests than slots) end the connection: `onBroken` is called once and nothing is taken any more.
 * The fault point 'xbdback.answer' (domid, devid, id) swallows an answer: the request was done and nobody is told.
 */
import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_WRITE_BARRIER,
  blkif_request,
  blkif_response,
} from '@port-xen/abi';
import type { GrantMapping } from '@port-xen/hypervisor';
import { BackRing, ringSize } from '@port-xen/ring';
import type { Sim } from '@port-xen/sim';
import type { BackendXen } from '@port-xen/xenbus-backend';
import type { BlockStore } from './block-store.ts';
import {
  checkRequest,
  idOf,
  isRefusal,
  type Request,
  SECTOR_BYTES,
  takeRequest,
} from './request.ts';
import type { Spindle } from './spindle.ts';
import { transfer } from './transfer.ts';

/** What a connection is made of. */
export interface ConnectionParts {
  readonly sim: Sim;
  readonly dom0: BackendXen;
  readonly domid: number;
  readonly devid: number;
  readonly disk: BlockStore;
  readonly readonly: boolean;
  /** The disk's own stream. */
  readonly spindle: Spindle;
  /** Nothing more is to be taken. */
  readonly isDraining: () => boolean;
  /** A response was put into the ring. */
  readonly onAnswered: () => void;
  /** A request was done, whether or not its answer was put. */
  readonly onDone: () => void;
  /** The guest broke the ring's protocol; the sentence says how. */
  readonly onBroken: (sentence: string) => void;
}

const RING_BYTES = 4096;

/** One life of a ring between a front end and its disk. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #mapping: GrantMapping;
  readonly #ring: BackRing;
  readonly #port: number;
  #released = false;
  #told = false;

  /**
   * Maps the ring and binds the port; the guest may have put requests there already.
   * @throws XenError when the reference or the port is no good; nothing is held then
   */
  constructor(parts: ConnectionParts, ringRef: number, remotePort: number) {
    this.#parts = parts;
    this.#mapping = parts.dom0.grantMap(parts.domid, ringRef, false);
    try {
      this.#port = parts.dom0.bindInterdomain(parts.domid, remotePort, () => this.#takeAll());
    } catch (error) {
      this.#mapping.unmap();
      throw error;
    }
    this.#ring = new BackRing(
      this.#mapping.memory,
      ringSize(RING_BYTES, blkif_request.size),
      blkif_request.size,
    );
  }

  /** Forgets what has not been answered, and lets go of port and page. Nothing is called back afterwards. */
  release(): void {
    this.#released = true;
    this.#parts.spindle.abandon();
    this.#parts.dom0.close(this.#port);
    this.#mapping.unmap();
  }

  /** Takes requests until there is none, as RING_FINAL_CHECK_FOR_REQUESTS does. */
  #takeAll(): void {
    const ring = this.#ring;
    for (;;) {
      if (this.#released || this.#parts.isDraining()) return;
      if (ring.overflown) {
        this.#parts.onBroken(
          `expected at most ${ring.entries} requests in the ring, found producer ${ring.requestProducer} with ${ring.taken} taken`,
        );
        return;
      }
      const slot = ring.nextRequest();
      if (slot !== undefined) this.#take(takeRequest(this.#mapping.memory, slot));
      // An event is asked for also when the ring is full: it will be full again.
      else if (!ring.finalCheckForRequests() || ring.full) return;
    }
  }

  #take(request: Request): void {
    const { sim, domid, devid, disk, readonly, spindle, dom0 } = this.#parts;
    const work = checkRequest(request, { sectors: disk.sectors, readonly });
    if (sim.trace.on) {
      const { operation, sector, nr_segments } = request;
      const sectors = isRefusal(work) ? 0 : work.sectors;
      const id = idOf(request);
      sim.trace.emit(
        'ring',
        domid,
        'blk-request',
        devid,
        operation,
        id,
        sector,
        nr_segments,
        sectors,
      );
    }
    if (isRefusal(work)) {
      this.#tellOnce(work.reason);
      this.#answer(request, work.status);
      return;
    }
    spindle.submit({
      bytes: work.sectors * SECTOR_BYTES,
      orders:
        request.operation === BLKIF_OP_WRITE_BARRIER ||
        request.operation === BLKIF_OP_FLUSH_DISKCACHE,
      run: () => {
        const { status, reason } = transfer(dom0, domid, disk, request, work);
        if (reason !== undefined) this.#tellOnce(reason);
        this.#answer(request, status);
        this.#parts.onDone();
      },
    });
  }

  #answer(request: Request, status: number): void {
    const { sim, domid, devid, dom0, onAnswered } = this.#parts;
    const id = idOf(request);
    if (sim.faults.hit('xbdback.answer', domid, devid, id)) return;
    const { memory } = this.#mapping;
    const at = this.#ring.nextResponse();
    const response = blkif_response.at(memory, at);
    memory.st32(at + blkif_response.offset.id, request.idLow);
    memory.st32(at + blkif_response.offset.id + 4, request.idHigh);
    response.operation = request.operation;
    response.status = status;
    if (sim.trace.on) {
      sim.trace.emit('ring', domid, 'blk-response', devid, request.operation, id, status);
    }
    if (this.#ring.pushResponses()) dom0.notify(this.#port);
    onAnswered();
  }

  /** A guest that asks for nonsense is told of once, however often it asks. */
  #tellOnce(reason: string): void {
    if (this.#told) return;
    this.#told = true;
    const { sim, domid, devid } = this.#parts;
    sim.tell('xbdback', `domain ${domid}, device ${devid}: a request failed: ${reason}`);
  }
}
