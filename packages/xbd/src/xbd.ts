/*
 * The block front end (sys/arch/xen/xen/xbd_xenbus.c): bufs become requests, requests become grants and ring slots.
 *
 *     strategy ─► bufq ─► start: a free request, a slot, a grant a page ─► ring ─► back end
 *     handler  ◄───────── response: grants revoked, buf done ◄──────────── ring ◄──┘
 *
 * At a suspend the ring is drained for five seconds. What the back end has not answered by then is known from sc_reqs: after
 * a restore it is issued again, once, in the order of its first issue, to the new back end; the old one can do it no more
 * harm, for its domain is gone. That reading or writing a sector twice does what doing it once does makes this right.
 */
import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_OKAY,
  blkif_request,
  blkif_response,
  VDISK_READONLY,
} from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import {
  type Autoconf,
  B_FLUSH,
  B_READ,
  type Buf,
  type BufPool,
  type Cdevsw,
  type Cpu,
  DEV_BSIZE,
  EINVAL,
  EIO,
  ENOMEM,
  ENXIO,
  EOPNOTSUPP,
  EROFS,
  IPL_VM,
  kassert,
  type Msgbuf,
  PAGE_SIZE,
  type Sched,
} from '@port-xen/kern';
import { cString, ldU64, textOf, type View } from '@port-xen/layout';
import { FrontRing } from '@port-xen/ring';
import { XENGNT_NO_ENTRY, type Xengnt } from '@port-xen/xengnt';
import {
  NXBD,
  XBD_CONNECTED,
  XBD_DISCONNECTED,
  XBD_GONE,
  XBD_RING_SIZE,
  XBD_SUSPENDED,
  type XbdReq,
  type XbdSoftc,
  xbd_data,
  xbd_softc,
} from './xbd-data.ts';

/** Virtual time of making or finishing a request, beyond the macro-instruction that does it. */
const REQUEST_NS = 500;

/** What the driver needs of the kernel. */
export interface XbdKern {
  readonly msgbuf: Msgbuf;
  readonly sched: Sched;
  readonly autoconf: Autoconf;
  readonly cdevsw: Cdevsw;
  readonly bufs: BufPool;
}

/** What it needs of memory. */
export interface XbdPmap {
  /** @returns the physical address behind an address of an address space (0: the kernel's); -1 when nothing is mapped */
  extract(pmap: number, va: number): number;
  mfnOf(pa: number): number;
}

/** Where ring pages come from. */
export interface XbdUvm {
  kmAlloc(pages: number): number;
}

/** What it needs of the bus. */
export interface XbdBus {
  /** The autoconf device that disks are children of. */
  readonly bus: number;
  /** The domain in which a device's back end is. */
  otherendIdOf(xbusd: number): number;
  /** Whether the host has a back end for the device. */
  isPresent(xbusd: number): boolean;
}

export class Xbd {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XbdKern;
  readonly evtchn: Evtchn;
  readonly xengnt: Xengnt;
  readonly pmap: XbdPmap;
  readonly uvm: XbdUvm;
  readonly xenbus: XbdBus;

  constructor(
    cpu: Cpu,
    data: number,
    kern: XbdKern,
    evtchn: Evtchn,
    xengnt: Xengnt,
    pmap: XbdPmap,
    uvm: XbdUvm,
    xenbus: XbdBus,
  ) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.evtchn = evtchn;
    this.xengnt = xengnt;
    this.pmap = pmap;
    this.uvm = uvm;
    this.xenbus = xenbus;
  }

  at(address: number): XbdSoftc {
    return xbd_softc.at(this.cpu.memory, address);
  }

  ring(sc: XbdSoftc): FrontRing {
    return new FrontRing(this.cpu.memory, sc.address + xbd_softc.offset.sc_ring);
  }

  nameOf(sc: XbdSoftc): string {
    return textOf(sc.sc_xname);
  }

  // A disk comes, connects, and goes.

  /** A softc for a new device; its ring page is its own for good. @returns undefined when there are NXBD already */
  create(xbusd: number): XbdSoftc | undefined {
    const { softcs } = xbd_data.at(this.cpu.memory, this.data);
    for (let unit = 0; unit < NXBD; unit++) {
      const sc = softcs.at(unit);
      if (sc.sc_used !== 0) continue;
      const page = sc.sc_ring_page;
      this.cpu.memory.write(sc.address, new Uint8Array(xbd_softc.size));
      sc.sc_used = 1;
      sc.sc_unit = unit;
      sc.sc_xbusd = xbusd;
      sc.sc_xname = cString(`xbd${unit}`);
      sc.sc_ring_gntref = XENGNT_NO_ENTRY;
      sc.sc_ring_page = page === 0 ? this.uvm.kmAlloc(1) : page;
      return sc;
    }
    return undefined;
  }

  /**
   * What attach and resume share: an empty ring, granted, and a channel, with the handler on it. No request is in it.
   * @returns false when there is no grant
   */
  prepare(sc: XbdSoftc): boolean {
    this.cpu.memory.write(sc.sc_ring_page, new Uint8Array(PAGE_SIZE));
    this.ring(sc).init(sc.sc_ring_page, XBD_RING_SIZE, blkif_request.size);
    const otherend = this.xenbus.otherendIdOf(sc.sc_xbusd);
    const mfn = this.pmap.mfnOf(this.pmap.extract(0, sc.sc_ring_page));
    sc.sc_ring_gntref = this.xengnt.grantAccess(otherend, mfn, false);
    if (sc.sc_ring_gntref === XENGNT_NO_ENTRY) return false;
    sc.sc_evtchn = this.evtchn.allocUnbound(otherend);
    sc.sc_backend_status = XBD_DISCONNECTED;
    this.listen(sc);
    return true;
  }

  /** Puts the handler on the channel. */
  listen(sc: XbdSoftc): void {
    const handler = this.cpu.sym('xbd_handler');
    this.evtchn.setHandler(sc.sc_evtchn, handler, sc.address, IPL_VM, this.nameOf(sc));
    this.evtchn.enable(sc.sc_evtchn);
  }

  /** No handler runs from here on. */
  silence(sc: XbdSoftc): void {
    this.evtchn.mask(sc.sc_evtchn);
    this.evtchn.removeHandler(sc.sc_evtchn);
  }

  /** The back end serves the ring: what was under way is issued again, then what waited. */
  connected(sc: XbdSoftc): void {
    sc.sc_backend_status = XBD_CONNECTED;
    this.reissue(sc);
    this.start(sc);
  }

  /** After a restore every reference and the channel are void: whatever was out has to be issued again. */
  forgetHandles(sc: XbdSoftc): void {
    sc.sc_ring_gntref = XENGNT_NO_ENTRY;
    sc.sc_evtchn = 0;
    for (const req of this.#requests(sc)) {
      req.req_issued = 0;
      for (let i = 0; i < req.req_nr_segments; i++) req.req_seg.at(i).s_gntref = XENGNT_NO_ENTRY;
    }
  }

  /** The requests that are out, in the order in which they were issued first. */
  #requests(sc: XbdSoftc): XbdReq[] {
    const out: XbdReq[] = [];
    for (let id = 0; id < XBD_RING_SIZE; id++) {
      const req = sc.sc_reqs.at(id);
      if (req.req_bp !== 0) out.push(req);
    }
    return out.sort((a, b) => a.req_stamp - b.req_stamp);
  }

  /** Issues again what the last back end did not answer. */
  reissue(sc: XbdSoftc): void {
    let again = 0;
    for (const req of this.#requests(sc)) {
      if (req.req_issued !== 0) continue;
      kassert(
        this.#grantSegments(sc, req),
        `${this.nameOf(sc)}: no grants to issue a request again`,
      );
      this.#put(sc, req);
      again++;
    }
    if (again === 0) return;
    this.#push(sc);
    this.kern.msgbuf.printf(`${this.nameOf(sc)}: ${again} requests issued again\n`);
  }

  /** The disk is no more: all that was asked of it fails. */
  fail(sc: XbdSoftc, error: number): void {
    sc.sc_backend_status = XBD_GONE;
    for (const req of this.#requests(sc)) {
      if (req.req_issued === 0) this.#finish(sc, req, error);
    }
    for (let bp = this.#dequeue(sc); bp !== undefined; bp = this.#dequeue(sc)) {
      this.#biodone(bp, error);
    }
  }

  /** Gives back the ring's grant, when the back end has let go of it, and the channel. */
  release(sc: XbdSoftc): void {
    this.silence(sc);
    this.evtchn.close(sc.sc_evtchn);
    if (sc.sc_ring_gntref === XENGNT_NO_ENTRY || this.xengnt.inUse(sc.sc_ring_gntref)) return;
    this.xengnt.revokeAccess(sc.sc_ring_gntref);
    sc.sc_ring_gntref = XENGNT_NO_ENTRY;
  }

  // Requests.

  /** xbdstrategy: takes a buf; it is answered by biodone. */
  strategy(sc: XbdSoftc, bp: Buf): void {
    const error = this.#check(sc, bp);
    if (error !== 0) {
      this.#biodone(bp, error);
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
    if ((bp.b_flags & B_FLUSH) !== 0) return sc.sc_cache_flush === 0 ? EOPNOTSUPP : 0;
    if ((bp.b_flags & B_READ) === 0 && (sc.sc_info & VDISK_READONLY) !== 0) return EROFS;
    const aligned = bp.b_bcount % DEV_BSIZE === 0 && bp.b_data % DEV_BSIZE === 0;
    const within = bp.b_blkno + bp.b_bcount / DEV_BSIZE <= sc.sc_sectors;
    return aligned && within && bp.b_bcount > 0 ? 0 : EINVAL;
  }

  #biodone(bp: Buf, error: number): void {
    bp.b_error = error;
    bp.b_resid = error === 0 ? 0 : bp.b_bcount;
    this.kern.bufs.done(bp);
  }

  #dequeue(sc: XbdSoftc): Buf | undefined {
    if (sc.sc_bufq_head === 0) return undefined;
    const bp = this.kern.bufs.at(sc.sc_bufq_head);
    sc.sc_bufq_head = bp.b_actq;
    return bp;
  }

  /** xbdstart: as many of the waiting bufs as there are requests, slots and grants for. */
  start(sc: XbdSoftc): void {
    if (sc.sc_backend_status !== XBD_CONNECTED) return;
    let pushed = false;
    while (sc.sc_bufq_head !== 0 && this.ring(sc).free > 0) {
      const req = this.#freeRequest(sc);
      const bp = this.kern.bufs.at(sc.sc_bufq_head);
      if (req === undefined) break;
      const error = this.#describe(req, bp);
      if (error === 0 && !this.#grantSegments(sc, req)) {
        // Grants come back with the next answer; a disk that waits for none would wait for ever.
        if (sc.sc_busy > 0) break;
        this.#dequeue(sc);
        this.#biodone(bp, ENOMEM);
        continue;
      }
      this.#dequeue(sc);
      if (error !== 0) {
        this.#biodone(bp, error);
        continue;
      }
      req.req_bp = bp.address;
      req.req_stamp = sc.sc_stamp++;
      sc.sc_busy++;
      this.#put(sc, req);
      pushed = true;
    }
    if (pushed) this.#push(sc);
  }

  #freeRequest(sc: XbdSoftc): XbdReq | undefined {
    for (let id = 0; id < XBD_RING_SIZE; id++) {
      const req = sc.sc_reqs.at(id);
      if (req.req_bp === 0) return req;
    }
    return undefined;
  }

  /** Says what a buf asks for in terms of physical pages. @returns an errno */
  #describe(req: XbdReq, bp: Buf): number {
    req.req_nr_segments = 0;
    req.req_sector = bp.b_blkno;
    if ((bp.b_flags & B_FLUSH) !== 0) {
      req.req_operation = BLKIF_OP_FLUSH_DISKCACHE;
      return 0;
    }
    req.req_operation = (bp.b_flags & B_READ) !== 0 ? BLKIF_OP_READ : BLKIF_OP_WRITE;
    const end = bp.b_data + bp.b_bcount;
    for (let va = bp.b_data; va < end; ) {
      const offset = va - Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - offset, end - va);
      const pa = this.pmap.extract(bp.b_pmap, va);
      if (pa < 0 || req.req_nr_segments === req.req_seg.length) return EINVAL;
      const seg = req.req_seg.at(req.req_nr_segments++);
      seg.s_pa = pa - offset;
      seg.s_gntref = XENGNT_NO_ENTRY;
      seg.s_first_sect = offset / DEV_BSIZE;
      seg.s_last_sect = (offset + length) / DEV_BSIZE - 1;
      va += length;
    }
    return 0;
  }

  /** A grant for each page. @returns false, with none given, when there are not enough */
  #grantSegments(sc: XbdSoftc, req: XbdReq): boolean {
    const otherend = this.xenbus.otherendIdOf(sc.sc_xbusd);
    // The back end stores into the pages of a read, and only loads from those of a write.
    const readonly = req.req_operation !== BLKIF_OP_READ;
    for (let i = 0; i < req.req_nr_segments; i++) {
      const seg = req.req_seg.at(i);
      seg.s_gntref = this.xengnt.grantAccess(otherend, this.pmap.mfnOf(seg.s_pa), readonly);
      if (seg.s_gntref !== XENGNT_NO_ENTRY) continue;
      for (let j = 0; j < i; j++) this.xengnt.revokeAccess(req.req_seg.at(j).s_gntref);
      return false;
    }
    return true;
  }

  /** Fills the next slot of the ring. */
  #put(sc: XbdSoftc, req: XbdReq): void {
    const slot = blkif_request.at(this.cpu.memory, this.ring(sc).nextRequest());
    slot.operation = req.req_operation;
    slot.nr_segments = req.req_nr_segments;
    slot.handle = sc.sc_unit;
    slot.id = this.#idOf(sc, req);
    slot.sector_number = req.req_sector;
    for (let i = 0; i < req.req_nr_segments; i++) {
      const { s_gntref, s_first_sect, s_last_sect } = req.req_seg.at(i);
      const seg = slot.seg.at(i);
      seg.gref = s_gntref;
      seg.first_sect = s_first_sect;
      seg.last_sect = s_last_sect;
    }
    req.req_issued = 1;
    this.cpu.spend(REQUEST_NS);
  }

  #push(sc: XbdSoftc): void {
    if (this.ring(sc).pushRequests()) this.evtchn.notify(sc.sc_evtchn);
  }

  /** The id of a request is its place in the table, before a restore and after it. */
  #idOf(sc: XbdSoftc, req: XbdReq): number {
    return (req.address - sc.sc_reqs.address(0)) / (sc.sc_reqs.address(1) - sc.sc_reqs.address(0));
  }

  /** xbd_handler: takes the answers, then starts what waits. */
  handler(sc: XbdSoftc): void {
    if (sc.sc_backend_status === XBD_SUSPENDED) return;
    const ring = this.ring(sc);
    do {
      for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
        this.#answer(sc, blkif_response.at(this.cpu.memory, at));
      }
    } while (ring.finalCheckForResponses());
    if (ring.overflown) this.#tellOff(sc, 'more answers than requests');
    this.start(sc);
  }

  #answer(sc: XbdSoftc, response: View<typeof blkif_response>): void {
    const id = ldU64(this.cpu.memory, response.address);
    const req = id < XBD_RING_SIZE ? sc.sc_reqs.at(id) : undefined;
    if (req === undefined || req.req_bp === 0 || req.req_issued === 0) {
      this.#tellOff(sc, `an answer to request ${id}, which is not out`);
      return;
    }
    const { status } = response;
    const error =
      status === BLKIF_RSP_OKAY ? 0 : status === BLKIF_RSP_EOPNOTSUPP ? EOPNOTSUPP : EIO;
    for (let i = 0; i < req.req_nr_segments; i++) {
      const { s_gntref } = req.req_seg.at(i);
      if (!this.xengnt.inUse(s_gntref)) {
        this.xengnt.revokeAccess(s_gntref);
        continue;
      }
      // A page that the back end still has mapped must not be used for anything else, so the reference is never given back.
      this.#tellOff(sc, `an answer while reference ${s_gntref} is in use`);
    }
    this.#finish(sc, req, error);
  }

  #finish(sc: XbdSoftc, req: XbdReq, error: number): void {
    const bp = this.kern.bufs.at(req.req_bp);
    req.req_bp = 0;
    sc.sc_busy--;
    this.cpu.spend(REQUEST_NS);
    this.#biodone(bp, error);
    if (sc.sc_busy === 0) this.kern.sched.wakeup(this.idleChannel(sc));
  }

  /** What whoever waits for the last answer sleeps on. */
  idleChannel(sc: XbdSoftc): number {
    return sc.address + xbd_softc.offset.sc_busy;
  }

  /** The back end broke the protocol: what it said is passed over. */
  #tellOff(sc: XbdSoftc, what: string): void {
    this.kern.msgbuf.printf(`${this.nameOf(sc)}: the back end sent ${what}\n`);
  }
}
