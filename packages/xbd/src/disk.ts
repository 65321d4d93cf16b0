/*
 * What a disk owes to those who have asked it for something: every buf is answered once, whatever becomes of the disk.
 */
import type { Autoconf, Buf, BufPool, Cdevsw, Cpu, Msgbuf, Sched } from '@port-xen/kern';
import { textOf } from '@port-xen/layout';
import { Requests, type XbdPmap } from './requests.ts';
import { XBD_GONE, type XbdReq, type XbdSoftc, xbd_softc } from './xbd-data.ts';

/** Virtual time of making or finishing a request, beyond the macro-instruction that does it. */
export const REQUEST_NS = 500;

/** What the driver needs of the kernel. */
export interface XbdKern {
  readonly msgbuf: Msgbuf;
  readonly sched: Sched;
  readonly autoconf: Autoconf;
  readonly cdevsw: Cdevsw;
  readonly bufs: BufPool;
}

export abstract class Disk {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XbdKern;
  readonly requests: Requests;

  constructor(cpu: Cpu, data: number, kern: XbdKern, pmap: XbdPmap) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.requests = new Requests(pmap);
  }

  /**
   * Takes the pages of a request back from the back end.
   * @returns how many it still has in use: these are never given back
   */
  protected abstract takeBack(req: XbdReq): number;

  at(address: number): XbdSoftc {
    return xbd_softc.at(this.cpu.memory, address);
  }

  nameOf(sc: XbdSoftc): string {
    return textOf(sc.sc_xname);
  }

  /** What whoever waits for the last answer sleeps on. */
  idleChannel(sc: XbdSoftc): number {
    return sc.address + xbd_softc.offset.sc_busy;
  }

  /** Another host: whatever was out has to be issued again. */
  forgetHandles(sc: XbdSoftc): void {
    this.requests.forget(sc);
    sc.sc_reissue = sc.sc_busy;
  }

  /** The disk is going for good: what is not out fails, and so does whatever is asked for from now on. */
  fail(sc: XbdSoftc, error: number): void {
    sc.sc_backend_status = XBD_GONE;
    sc.sc_reissue = 0;
    for (const req of this.requests.out(sc)) {
      if (req.req_issued === 0) this.finish(sc, req, error);
    }
    for (let bp = this.dequeue(sc); bp !== undefined; bp = this.dequeue(sc)) {
      this.biodone(bp, error);
    }
    this.settled(sc);
  }

  /** The back end will not answer any more: what is out fails too. */
  abandon(sc: XbdSoftc, error: number): void {
    this.fail(sc, error);
    let kept = 0;
    for (const req of this.requests.out(sc)) {
      kept += this.takeBack(req);
      this.finish(sc, req, error);
    }
    if (kept > 0) this.tell(sc, `the back end keeps ${kept} pages, whose references are lost`);
  }

  /** Boot need not wait for this disk any more: it is there, or it will not come. */
  settled(sc: XbdSoftc): void {
    if (sc.sc_pending === 0) return;
    sc.sc_pending = 0;
    this.kern.autoconf.pendingDecr();
  }

  protected biodone(bp: Buf, error: number): void {
    bp.b_error = error;
    bp.b_resid = error === 0 ? 0 : bp.b_bcount;
    this.kern.bufs.done(bp);
  }

  protected dequeue(sc: XbdSoftc): Buf | undefined {
    if (sc.sc_bufq_head === 0) return undefined;
    const bp = this.kern.bufs.at(sc.sc_bufq_head);
    sc.sc_bufq_head = bp.b_actq;
    return bp;
  }

  protected finish(sc: XbdSoftc, req: XbdReq, error: number): void {
    const bp = this.kern.bufs.at(req.req_bp);
    req.req_bp = 0;
    sc.sc_busy--;
    this.cpu.spend(REQUEST_NS);
    this.biodone(bp, error);
    if (sc.sc_busy === 0) this.kern.sched.wakeup(this.idleChannel(sc));
  }

  protected tell(sc: XbdSoftc, text: string): void {
    this.kern.msgbuf.printf(`${this.nameOf(sc)}: ${text}\n`);
  }
}
