/*
 * What a request is to a back end that maps by grants: a grant for each page, and a slot of the disk's own ring.
 */
import { BLKIF_OP_READ, blkif_request } from '@port-xen/abi';
import type { Cpu } from '@port-xen/kern';
import { XENGNT_NO_ENTRY, type Xengnt } from '@port-xen/xengnt';
import type { XbdPmap } from './requests.ts';
import type { XbdReq } from './xbd-data.ts';

export class GrantedPages {
  readonly cpu: Cpu;
  readonly pmap: XbdPmap;
  readonly xengnt: Xengnt;

  constructor(cpu: Cpu, pmap: XbdPmap, xengnt: Xengnt) {
    this.cpu = cpu;
    this.pmap = pmap;
    this.xengnt = xengnt;
  }

  /** A grant for each page. @returns false, with none given, when there are not enough */
  grant(req: XbdReq, otherend: number): boolean {
    // The back end stores into the pages of a read, and only loads from those of a write.
    const readonly = req.req_operation !== BLKIF_OP_READ;
    for (let i = 0; i < req.req_nr_segments; i++) {
      const seg = req.req_seg.at(i);
      seg.s_gntref = this.xengnt.grantAccess(otherend, this.pmap.mfnOf(seg.s_pa), readonly);
      if (seg.s_gntref !== XENGNT_NO_ENTRY) continue;
      this.revoke(req);
      return false;
    }
    return true;
  }

  /**
   * Gives the grants back.
   * @returns how many the back end still has in use: these are never given back, for its pages would be used for
   * something else
   */
  revoke(req: XbdReq): number {
    let kept = 0;
    for (let i = 0; i < req.req_nr_segments; i++) {
      const seg = req.req_seg.at(i);
      if (seg.s_gntref === XENGNT_NO_ENTRY) continue;
      if (this.xengnt.inUse(seg.s_gntref)) kept++;
      else this.xengnt.revokeAccess(seg.s_gntref);
      seg.s_gntref = XENGNT_NO_ENTRY;
    }
    return kept;
  }

  /** Fills a slot of the ring. */
  put(req: XbdReq, handle: number, id: number, address: number): void {
    const slot = blkif_request.at(this.cpu.memory, address);
    slot.operation = req.req_operation;
    slot.nr_segments = req.req_nr_segments;
    slot.handle = handle;
    slot.id = id;
    slot.sector_number = req.req_sector;
    for (let i = 0; i < req.req_nr_segments; i++) {
      const { s_gntref, s_first_sect, s_last_sect } = req.req_seg.at(i);
      const seg = slot.seg.at(i);
      seg.gref = s_gntref;
      seg.first_sect = s_first_sect;
      seg.last_sect = s_last_sect;
    }
  }
}
