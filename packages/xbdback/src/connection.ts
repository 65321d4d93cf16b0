/*
 * A connected ring: its page mapped, the event channel bound, requests on their way through the disks' spindles.
 *
 *     guest's event ──▶ take every request ──▶ check ──┬─▶ refused: answer at once
 *                                                      └─▶ spindle ──▶ transfer ──▶ answer
 *
 * A request is answered once, when it has been done, whatever became of its neighbours. Producer indices that
 * cannot be (more requests than slots) end the connection: `onBroken` is called once and nothing is taken any more.
 * The fault point 'xbdback.answer' (domid, devid, id) swallows an answer: the request was done and nobody is told.
 */
import { BLKIF_RSP_ERROR } from '@port-xen/abi';
import type { Sim } from '@port-xen/sim';
import type { BackendXen } from '@port-xen/xenbus-backend';
import type { BlockRing } from './block-ring.ts';
import { idOf, type Request } from './request.ts';
import type { ServedDisk } from './served-disk.ts';
import { TransferBuffer, transfer } from './transfer.ts';
import { isRefusal, SECTOR_BYTES, type Work } from './work.ts';

/** What a connection is made of. */
export interface ConnectionParts {
  readonly sim: Sim;
  readonly dom0: Pick<BackendXen, 'bindInterdomain' | 'notify' | 'close'>;
  readonly domid: number;
  /** Mapped; the connection lets go of it. */
  readonly ring: BlockRing;
  /** The disk that a request is for. */
  readonly diskOf: (device: number) => ServedDisk | undefined;
  /** Does a request that is for no disk in particular, at once. @returns its status */
  readonly probe: (work: Work) => number;
  /** Forgets every job of its disks. */
  readonly abandon: () => void;
  /** Nothing more is to be taken. */
  readonly isDraining: () => boolean;
  /** A response was put into the ring. */
  readonly onAnswered: () => void;
  /** A request was done, whether or not its answer was put. */
  readonly onDone: () => void;
  /** The guest broke the ring's protocol; the sentence says how. */
  readonly onBroken: (sentence: string) => void;
}

/** What a request is checked against that names no disk: any sectors will do. */
const NO_DISK = { sectors: Number.MAX_SAFE_INTEGER, readonly: false };

/** One life of a ring between a front end and its disks. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #port: number;
  readonly #buffer = new TransferBuffer();
  #released = false;
  #told = false;

  /**
   * Binds the port; the guest may have put requests into the ring already.
   * @throws XenError when the port is no good; the ring is let go of then
   */
  constructor(parts: ConnectionParts, remotePort: number) {
    this.#parts = parts;
    try {
      this.#port = parts.dom0.bindInterdomain(parts.domid, remotePort, () => this.#takeAll());
    } catch (error) {
      parts.ring.release();
      throw error;
    }
  }

  /** Forgets what has not been answered, and lets go of port and page. Nothing is called back afterwards. */
  release(): void {
    this.#released = true;
    this.#parts.abandon();
    this.#parts.dom0.close(this.#port);
    this.#parts.ring.release();
  }

  /** Takes requests until there is none. */
  #takeAll(): void {
    const { ring, isDraining, onBroken } = this.#parts;
    for (;;) {
      if (this.#released || isDraining()) return;
      const { overflow } = ring;
      if (overflow !== undefined) {
        onBroken(overflow);
        return;
      }
      const request = ring.take();
      if (request !== undefined) this.#take(request);
      else if (!ring.finalCheck()) return;
    }
  }

  #take(request: Request): void {
    const { ring, diskOf, probe } = this.#parts;
    const disk = diskOf(request.device);
    const extent =
      disk === undefined ? NO_DISK : { sectors: disk.store.sectors, readonly: disk.readonly };
    const work = ring.check(request, extent);
    this.#trace(request, disk, isRefusal(work) ? 0 : work.sectors);
    if (isRefusal(work)) {
      this.#tellOnce(request, work.reason);
      this.#answer(request, work.status);
    } else if (work.deed === 'probe') {
      this.#answer(request, probe(work));
      this.#parts.onDone();
    } else if (disk === undefined) {
      this.#tellOnce(request, 'expected the number of one of its disks');
      this.#answer(request, BLKIF_RSP_ERROR);
    } else this.#submit(request, work, disk);
  }

  #submit(request: Request, work: Work, { spindle, store }: ServedDisk): void {
    spindle.submit({
      bytes: work.sectors * SECTOR_BYTES,
      orders: work.deed === 'barrier' || work.deed === 'flush',
      run: () => {
        const { status, reason } = transfer(
          this.#parts.ring,
          store,
          request.sector,
          work,
          this.#buffer,
        );
        if (reason !== undefined) this.#tellOnce(request, reason);
        this.#answer(request, status);
        this.#parts.onDone();
      },
    });
  }

  #trace(request: Request, disk: ServedDisk | undefined, sectors: number): void {
    const { sim, domid } = this.#parts;
    if (!sim.trace.on) return;
    const { operation, sector, nr_segments, device } = request;
    const id = idOf(request);
    const devid = disk?.devid ?? device;
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

  #answer(request: Request, status: number): void {
    const { sim, domid, dom0, ring, onAnswered } = this.#parts;
    const id = idOf(request);
    const devid = this.#devidOf(request);
    if (sim.faults.hit('xbdback.answer', domid, devid, id)) return;
    const notify = ring.answer(request, status);
    if (sim.trace.on) {
      sim.trace.emit('ring', domid, 'blk-response', devid, request.operation, id, status);
    }
    if (notify) dom0.notify(this.#port);
    onAnswered();
  }

  #devidOf({ device }: Request): number {
    return this.#parts.diskOf(device)?.devid ?? device;
  }

  /** A guest that asks for nonsense is told of once, however often it asks. */
  #tellOnce(request: Request, reason: string): void {
    if (this.#told) return;
    this.#told = true;
    const { sim, domid } = this.#parts;
    const devid = this.#devidOf(request);
    sim.tell('xbdback', `domain ${domid}, device ${devid}: a request failed: ${reason}`);
  }
}
