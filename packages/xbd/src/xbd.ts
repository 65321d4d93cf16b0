/*
 * The block front end, whatever carries its requests (xbd_xenbus.c of Xen 3's, xbd.c of Xen 2's): bufs become requests, requests
 * become slots of a ring.
 *
 *     strategy ─► bufq ─► start: a free request, a slot, its pages given ─► ring ─► back end
 *     handler  ◄───────── answer: pages taken back, buf done ◄───────────── ring ◄──┘
 *
 * At a suspend the ring is drained for five seconds. What the back end has not answered by then is known from sc_reqs: after
 * a restore it is issued again, once, in the order of its first issue, to the new back end; the old one can do it no more
 * harm, for its domain is gone. That reading or writing a sector twice does what doing it once does makes this right.
 *
 * A back end that breaks the protocol is not talked to any more: what is out fails, and so does whatever is asked for later.
 */
import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_OKAY,
  VDISK_READONLY,
} from '@port-xen/abi';
import {
  B_FLUSH,
  B_READ,
  type Buf,
  DEV_BSIZE,
  EINVAL,
  EIO,
  ENOMEM,
  ENXIO,
  EOPNOTSUPP,
  EROFS,
} from '@port-xen/kern';
import { Disk, REQUEST_NS } from './disk.ts';
import { XBD_CONNECTED, XBD_GONE, type XbdReq, type XbdSoftc } from './xbd-data.ts';

export abstract class Xbd extends Disk {
  /** Slots of the ring that can take a request. */
  protected abstract room(sc: XbdSoftc): number;
  /** Lets the back end reach the pages of a request. @returns false, with none given, when there is no way now */
  protected abstract give(sc: XbdSoftc, req: XbdReq): boolean;
  /** Fills the next slot of the ring. */
  protected abstract put(sc: XbdSoftc, req: XbdReq): void;
  /** Shows the back end what was put. */
  protected abstract push(sc: XbdSoftc): void;

  /** The back end serves the ring: what was under way is issued again, then what waited. */
  connected(sc: XbdSoftc): void {
    sc.sc_backend_status = XBD_CONNECTED;
    const again = this.reissue(sc);
    if (again > 0) this.kern.msgbuf.printf(`${this.nameOf(sc)}: ${again} requests issued again\n`);
    this.start(sc);
  }

  // What is asked for.

  /** xbdstrategy: takes a buf; it is answered by biodone. */
  strategy(sc: XbdSoftc, bp: Buf): void {
    const error = this.#check(sc, bp);
    if (error !== 0) {
      this.biodone(bp, error);
      return;
    }
    bp.b_actq = 0;
    if (sc.sc_bufq_head === 0) sc.sc_bufq_head = bp.address;
    else this.kern.bufs.at(sc.sc_bufq_tail).b_actq = bp.address;
    sc.sc_bufq_tail = bp.address;
    this.start(sc);
  }

  #check(sc: XbdSoftc, bp: Buf): number {
    if (sc.sc_backend_status === XBD_GONE) return ENXIO;
    if ((bp.b_flags & B_FLUSH) !== 0) return 0;
    if ((bp.b_flags & B_READ) === 0 && (sc.sc_info & VDISK_READONLY) !== 0) return EROFS;
    const aligned = bp.b_bcount % DEV_BSIZE === 0 && bp.b_data % DEV_BSIZE === 0;
    const within = bp.b_blkno + bp.b_bcount / DEV_BSIZE <= sc.sc_sectors;
    return aligned && within && bp.b_bcount > 0 ? 0 : EINVAL;
  }

  /** Whether the back end has what a request asks for: it may be another one than when it was asked. */
  #offered(sc: XbdSoftc, req: XbdReq): boolean {
    if (req.req_operation === BLKIF_OP_FLUSH_DISKCACHE) return sc.sc_cache_flush !== 0;
    return req.req_operation !== BLKIF_OP_WRITE_BARRIER || sc.sc_barrier !== 0;
  }

  /** xbdstart: as many of the waiting bufs as there are requests, slots and grants for. */
  start(sc: XbdSoftc): void {
    if (sc.sc_backend_status !== XBD_CONNECTED) return;
    // What was asked for before the restore goes first.
    if (sc.sc_reissue > 0) this.reissue(sc);
    let pushed = false;
    while (sc.sc_reissue === 0 && sc.sc_bufq_head !== 0 && this.room(sc) > 0) {
      const req = this.requests.free(sc);
      if (req === undefined) break;
      const bp = this.kern.bufs.at(sc.sc_bufq_head);
      let error = this.requests.describe(req, bp);
      if (error === 0 && !this.#offered(sc, req)) error = EOPNOTSUPP;
      if (error === 0 && !this.give(sc, req)) {
        // Grants come back with the next answer; a disk that waits for none would wait for ever.
        if (sc.sc_busy > 0) break;
        this.dequeue(sc);
        this.biodone(bp, ENOMEM);
        continue;
      }
      this.dequeue(sc);
      if (error !== 0) {
        this.biodone(bp, error);
        continue;
      }
      req.req_bp = bp.address;
      req.req_stamp = sc.sc_stamp++;
      sc.sc_busy++;
      this.#issue(sc, req);
      pushed = true;
    }
    if (pushed) this.push(sc);
  }

  /** Issues again what the last back end did not answer, as far as there are grants. @returns how many requests */
  reissue(sc: XbdSoftc): number {
    let again = 0;
    for (const req of this.requests.out(sc)) {
      if (req.req_issued !== 0) continue;
      if (!this.#offered(sc, req)) {
        this.finish(sc, req, EOPNOTSUPP);
        sc.sc_reissue--;
        continue;
      }
      // A ring that is another disk's too may be full: its answers make room.
      if (this.room(sc) === 0) break;
      if (this.give(sc, req)) {
        this.#issue(sc, req);
        again++;
      } else if (sc.sc_busy > sc.sc_reissue) {
        break;
      } else {
        this.finish(sc, req, ENOMEM);
      }
      sc.sc_reissue--;
    }
    if (again > 0) this.push(sc);
    return again;
  }

  #issue(sc: XbdSoftc, req: XbdReq): void {
    this.put(sc, req);
    req.req_issued = 1;
    this.cpu.spend(REQUEST_NS);
  }

  // Answers.

  /** Takes the answer to a request. @returns what is wrong with it; '' when nothing is */
  protected answer(sc: XbdSoftc, id: number, status: number): string {
    const req = this.requests.issued(sc, id);
    if (req === undefined) return `an answer to request ${id}, which is not out`;
    const kept = this.takeBack(req);
    const refusal = status === BLKIF_RSP_EOPNOTSUPP ? EOPNOTSUPP : EIO;
    this.finish(sc, req, status === BLKIF_RSP_OKAY && kept === 0 ? 0 : refusal);
    return kept === 0 ? '' : `an answer while ${kept} pages of its request are in use`;
  }

  /** The back end broke the protocol. */
  protected condemn(sc: XbdSoftc, what: string): void {
    this.tell(sc, `the back end sent ${what}: it is not talked to any more`);
    this.abandon(sc, EIO);
  }
}
