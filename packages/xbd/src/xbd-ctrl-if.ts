/*
 * The block front end over the controller interface (xbd.c of Xen 2): one ring for all disks, and in it machine addresses.
 *
 *     sc_reqs[place] of disk `unit` ─► id = unit × XBD_REQUESTS + place ─► slot { device, sector, frames and sectors }
 *
 * What is logged in sc_reqs names pages by physical address; frames are looked up each time a request is put into the ring. So
 * after a restore each logged request goes to its own sector, with the frames of this host.
 */
import { BLKIF_OP_PROBE, xen2_blkif_request, xen2_blkif_response } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, EIO, PAGE_SIZE } from '@port-xen/kern';
import { Blkif } from './blkif.ts';
import { PROBE_ANSWERED, PROBE_ID, PROBE_OUT } from './blkif-data.ts';
import type { XbdUvm } from './connection.ts';
import type { XbdKern } from './disk.ts';
import type { XbdPmap } from './requests.ts';
import { Xbd } from './xbd.ts';
import {
  disksOf,
  NXBD,
  XBD_DISCONNECTED,
  XBD_GONE,
  XBD_REQUESTS,
  type XbdReq,
  type XbdSoftc,
  xbd_data,
} from './xbd-data.ts';

/** What the front end needs of the controller interface. */
export interface XbdController {
  registerReceiver(type: number, func: number): boolean;
  /** @param msg the address that the receiver was given */
  sendResponse(msg: number): boolean;
}

const SECTORS_OF_PAGE = 7;

/** `address | first_sect << 3 | last_sect`. */
const frameAndSects = (mfn: number, first: number, last: number): number =>
  (mfn * PAGE_SIZE + first * 8 + last) | 0;

export class XbdCtrlIf extends Xbd {
  readonly pmap: XbdPmap;
  readonly uvm: XbdUvm;
  readonly evtchn: Evtchn;
  readonly ctrlIf: XbdController;
  readonly blkif: Blkif;

  constructor(
    cpu: Cpu,
    data: number,
    kern: XbdKern,
    evtchn: Evtchn,
    pmap: XbdPmap,
    uvm: XbdUvm,
    ctrlIf: XbdController,
  ) {
    super(cpu, data, kern, pmap);
    this.pmap = pmap;
    this.uvm = uvm;
    this.evtchn = evtchn;
    this.ctrlIf = ctrlIf;
    this.blkif = new Blkif(cpu, data, kern, evtchn, this);
  }

  protected room(): number {
    return this.blkif.ring.free;
  }

  /** The back end reaches every frame of ours. */
  protected give(): boolean {
    return true;
  }

  protected takeBack(): number {
    return 0;
  }

  protected put(sc: XbdSoftc, req: XbdReq): void {
    const slot = xen2_blkif_request.at(this.cpu.memory, this.blkif.ring.nextRequest());
    slot.operation = req.req_operation;
    slot.nr_segments = req.req_nr_segments;
    slot.device = sc.sc_device;
    slot.id = sc.sc_unit * XBD_REQUESTS + this.requests.idOf(sc, req);
    slot.sector_number = req.req_sector;
    for (let i = 0; i < req.req_nr_segments; i++) {
      const { s_pa, s_first_sect, s_last_sect } = req.req_seg.at(i);
      const mfn = this.pmap.mfnOf(s_pa);
      slot.frame_and_sects.set(i, frameAndSects(mfn, s_first_sect, s_last_sect));
    }
  }

  protected push(): void {
    this.blkif.ring.push();
    this.evtchn.notify(this.blkif.sc.if_evtchn);
  }

  /** Asks the back end what disks there are. @returns false when the ring is full */
  probe(): boolean {
    const { ring, sc } = this.blkif;
    if (ring.free === 0) return false;
    const slot = xen2_blkif_request.at(this.cpu.memory, ring.nextRequest());
    slot.operation = BLKIF_OP_PROBE;
    slot.nr_segments = 1;
    slot.device = 0;
    slot.id = PROBE_ID;
    slot.sector_number = 0;
    const mfn = this.pmap.mfnOf(this.pmap.extract(0, sc.if_probe_page));
    slot.frame_and_sects.set(0, frameAndSects(mfn, 0, SECTORS_OF_PAGE));
    sc.if_probe = PROBE_OUT;
    this.push();
    return true;
  }

  /** xbd_response_handler: takes the answers of all disks, then starts what waits. */
  handler(): void {
    const { blkif } = this;
    if (blkif.sc.if_evtchn === 0) return;
    const { ring } = blkif;
    for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
      const { id, status } = xen2_blkif_response.at(this.cpu.memory, at);
      const wrong = this.#answered(id, status);
      if (wrong !== '') {
        blkif.close(`the back end sent ${wrong}: it is not talked to any more`, EIO);
        return;
      }
    }
    if (ring.overflown) {
      blkif.close(
        'the back end sent more answers than requests: it is not talked to any more',
        EIO,
      );
      return;
    }
    this.startAll();
  }

  /** @returns what is wrong with the answer; '' when nothing is */
  #answered(id: number, status: number): string {
    const { sc, wchan } = this.blkif;
    if (id === PROBE_ID && sc.if_probe === PROBE_OUT) {
      sc.if_probe = PROBE_ANSWERED;
      sc.if_probed = status;
      this.kern.sched.wakeup(wchan);
      return '';
    }
    const unit = Math.floor(id / XBD_REQUESTS);
    if (unit >= NXBD) return `an answer to request ${id}, which is not out`;
    const disk = xbd_data.at(this.cpu.memory, this.data).softcs.at(unit);
    return this.answer(disk, id % XBD_REQUESTS, status);
  }

  /** What waits for a slot of the ring: a probe, then the disks in turn, so that none keeps the others waiting. */
  startAll(): void {
    const { sc, wchan } = this.blkif;
    if (sc.if_wanted !== 0) this.kern.sched.wakeup(wchan);
    const disks = disksOf(this.cpu.memory, this.data);
    for (let i = 0; i < disks.length; i++) {
      this.start(disks[(sc.if_next + i) % disks.length] as XbdSoftc);
    }
    sc.if_next = (sc.if_next + 1) % NXBD;
  }

  // What becomes of the disks when the interface changes.

  disconnected(): void {
    for (const sc of disksOf(this.cpu.memory, this.data)) {
      if (sc.sc_backend_status === XBD_GONE) continue;
      sc.sc_backend_status = XBD_DISCONNECTED;
      this.forgetHandles(sc);
    }
  }

  gone(error: number): void {
    for (const sc of disksOf(this.cpu.memory, this.data)) this.abandon(sc, error);
  }
}
