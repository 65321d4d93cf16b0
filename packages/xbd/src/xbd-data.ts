/*
 * What a block front end keeps: its ring's private indices, the requests that are out, the bufs that wait.
 *
 *     bufs that wait   sc_bufq_head → buf ─b_actq→ buf ─b_actq→ … ← sc_bufq_tail
 *     requests         sc_reqs[id]: what is in the ring under that id, in terms that outlive a restore
 *
 * A request names its pages by physical address. Frames and references stand in the ring and in the grant table only, and
 * are made anew when a request is issued again to another host's back end.
 */
import { BLKIF_MAX_SEGMENTS_PER_REQUEST, blkif_request } from '@port-xen/abi';
import {
  array,
  bytes,
  cString,
  i32,
  i64,
  type Memory,
  nest,
  struct,
  u8,
  u32,
  u64,
  type View,
} from '@port-xen/layout';
import { front_ring, ringSize } from '@port-xen/ring';

export const RING_BYTES = 4096;
/** Slots of a ring of one page: 32. */
export const XBD_RING_SIZE: number = ringSize(RING_BYTES, blkif_request.size);
/** Requests of a disk that can be out at once. */
export const XBD_REQUESTS: number = XBD_RING_SIZE;
/** Disks that the kernel can have. */
export const NXBD = 8;

/** Ticks that a suspend, or a disk that goes, waits for the back end: five seconds. */
export const DRAIN_TICKS = 500;

/** There is no back end: nothing is put into the ring. */
export const XBD_DISCONNECTED = 0;
export const XBD_CONNECTED = 1;
/** The domain is being saved: nothing is put into the ring, and no handler runs. */
export const XBD_SUSPENDED = 2;
/** The back end is going away for good: whatever is asked for fails. */
export const XBD_GONE = 3;

const xbd_segment = struct('xbd_segment', {
  /** Physical address of the page. */
  s_pa: i64,
  s_gntref: i32,
  s_first_sect: u8,
  s_last_sect: u8,
});

export const xbd_req = struct('xbd_req', {
  /** The buf that is answered; 0: the slot is free. */
  req_bp: i64,
  req_sector: u64,
  req_operation: u32,
  req_nr_segments: u32,
  /** 0 while the request has to be issued again. */
  req_issued: u32,
  /** Order of issue: after a restore the requests are issued again as they were. */
  req_stamp: u64,
  req_seg: array(xbd_segment, BLKIF_MAX_SEGMENTS_PER_REQUEST),
});

export type XbdReq = View<typeof xbd_req>;

export const xbd_softc = struct('xbd_xenbus_softc', {
  sc_used: u32,
  sc_unit: u32,
  /** The xenbus device. */
  sc_xbusd: i64,
  sc_dev: i64,
  sc_backend_status: u32,
  sc_evtchn: u32,
  sc_ring_gntref: i32,
  /** Kernel address of the ring page. */
  sc_ring_page: i64,
  sc_ring: nest(front_ring),
  /** 512-byte sectors. */
  sc_sectors: u64,
  /** VDISK_CDROM, VDISK_REMOVABLE, VDISK_READONLY. */
  sc_info: u32,
  sc_cache_flush: u32,
  sc_barrier: u32,
  /** It has been a disk before: programs have it open. */
  sc_attached: u32,
  sc_bufq_head: i64,
  sc_bufq_tail: i64,
  sc_stamp: u64,
  /** Requests in the ring, or to be issued again. */
  sc_busy: u32,
  /** Those of them that have to be issued again. */
  sc_reissue: u32,
  /** Boot waits for it. */
  sc_pending: u32,
  sc_xname: bytes(8),
  /** Over ctrl_if: the number by which requests name the disk. */
  sc_device: u32,
  sc_reqs: array(xbd_req, XBD_REQUESTS),
});

export type XbdSoftc = View<typeof xbd_softc>;

export const xbd_data = struct('xbd_data', { softcs: array(xbd_softc, NXBD) });

/** The disks that there are, by unit. */
export const disksOf = (memory: Memory, data: number): XbdSoftc[] => {
  const { softcs } = xbd_data.at(memory, data);
  return Array.from({ length: NXBD }, (_, unit) => softcs.at(unit)).filter(
    ({ sc_used }) => sc_used !== 0,
  );
};

/** A softc for a new disk. Of what its place held before it keeps the ring page. @returns undefined when there are NXBD already */
export const newDisk = (memory: Memory, data: number): XbdSoftc | undefined => {
  const { softcs } = xbd_data.at(memory, data);
  for (let unit = 0; unit < NXBD; unit++) {
    const sc = softcs.at(unit);
    if (sc.sc_used !== 0) continue;
    const page = sc.sc_ring_page;
    memory.write(sc.address, new Uint8Array(xbd_softc.size));
    sc.sc_used = 1;
    sc.sc_unit = unit;
    sc.sc_xname = cString(`xbd${unit}`);
    sc.sc_ring_page = page;
    return sc;
  }
  return undefined;
};
