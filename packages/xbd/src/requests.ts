/*
 * Requests of a disk: what a buf asks for in terms that outlive a restore.
 */
import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
} from '@port-xen/abi';
import {
  B_FLUSH,
  B_MEDIA_FUA,
  B_READ,
  type Buf,
  DEV_BSIZE,
  EINVAL,
  PAGE_SIZE,
} from '@port-xen/kern';
import { XENGNT_NO_ENTRY } from '@port-xen/xengnt';
import { XBD_REQUESTS, type XbdReq, type XbdSoftc } from './xbd-data.ts';

/** What requests need of memory. */
export interface XbdPmap {
  /** @returns the physical address behind an address of an address space (0: the kernel's); -1 when nothing is mapped */
  extract(pmap: number, va: number): number;
  mfnOf(pa: number): number;
}

export class Requests {
  readonly pmap: XbdPmap;

  constructor(pmap: XbdPmap) {
    this.pmap = pmap;
  }

  /** A slot that no buf uses. */
  free(sc: XbdSoftc): XbdReq | undefined {
    for (let id = 0; id < XBD_REQUESTS; id++) {
      const req = sc.sc_reqs.at(id);
      if (req.req_bp === 0) return req;
    }
    return undefined;
  }

  /** The requests that are out, in the order in which they were issued first. */
  out(sc: XbdSoftc): XbdReq[] {
    const out: XbdReq[] = [];
    for (let id = 0; id < XBD_REQUESTS; id++) {
      const req = sc.sc_reqs.at(id);
      if (req.req_bp !== 0) out.push(req);
    }
    return out.sort((a, b) => a.req_stamp - b.req_stamp);
  }

  /** The request that is in the ring under an id; undefined when there is none. */
  issued(sc: XbdSoftc, id: number): XbdReq | undefined {
    if (id >= XBD_REQUESTS) return undefined;
    const req = sc.sc_reqs.at(id);
    return req.req_bp !== 0 && req.req_issued !== 0 ? req : undefined;
  }

  /** The id of a request is its place in the table, before a restore and after it. */
  idOf(sc: XbdSoftc, req: XbdReq): number {
    return (req.address - sc.sc_reqs.address(0)) / (sc.sc_reqs.address(1) - sc.sc_reqs.address(0));
  }

  /** Says what a buf asks for in terms of physical pages. @returns an errno */
  describe(req: XbdReq, bp: Buf): number {
    req.req_nr_segments = 0;
    req.req_sector = bp.b_blkno;
    req.req_issued = 0;
    if ((bp.b_flags & B_FLUSH) !== 0) {
      req.req_operation = BLKIF_OP_FLUSH_DISKCACHE;
      return 0;
    }
    const write = (bp.b_flags & B_MEDIA_FUA) !== 0 ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE;
    req.req_operation = (bp.b_flags & B_READ) !== 0 ? BLKIF_OP_READ : write;
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

  /** After a restore no frame and no reference is good, and nothing is in a ring. */
  forget(sc: XbdSoftc): void {
    for (const req of this.out(sc)) {
      req.req_issued = 0;
      for (let i = 0; i < req.req_nr_segments; i++) req.req_seg.at(i).s_gntref = XENGNT_NO_ENTRY;
    }
  }
}
