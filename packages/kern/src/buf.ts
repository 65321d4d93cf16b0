/*
 * Block I/O requests (buf(9)) and physio(9): a transfer between a device and a user's memory, cut into pieces that the
 * driver takes, several of them under way at once.
 */
import { array, i32, i64, struct, u32, u64, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import { PAGE_SIZE } from './image.ts';
import type { Sched } from './sched.ts';
import { call, done, goto, leaf, routine, type Text } from './text.ts';

export const B_READ = 1;
export const B_DONE = 2;
export const B_BUSY = 4;
/** A cache flush: no data. */
export const B_FLUSH = 8;
/** A write that is on the medium when it is answered, after all that was asked for before it and before all that is asked for later. */
export const B_MEDIA_FUA = 16;

export const NBUF = 16;
export const DEV_BSIZE = 512;
/** The most that physio puts into one buf: eleven pages, what a blkif request holds. */
export const MAXPHYS: number = 11 * PAGE_SIZE;

export const buf = struct('buf', {
  b_flags: u32,
  b_error: i32,
  /** Bytes. */
  b_bcount: u32,
  b_resid: u32,
  /** In units of DEV_BSIZE. */
  b_blkno: u64,
  /** Virtual address of the data, page-aligned or at least sector-aligned. */
  b_data: i64,
  /** The address space b_data belongs to; 0 is the kernel's. */
  b_pmap: i64,
  /** Leaf(buf), 0: biowait's sleeper is woken. */
  b_iodone: i64,
  /** The driver's queue. */
  b_actq: i64,
});

export type Buf = View<typeof buf>;

export const buf_data = struct('buf_data', { bufs: array(buf, NBUF) });

export class BufPool {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sched: Sched;

  constructor(cpu: Cpu, data: number, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.sched = sched;
  }

  at(address: number): Buf {
    return buf.at(this.cpu.memory, address);
  }

  /** getiobuf(9). @returns undefined when all are in use */
  get(): Buf | undefined {
    const { bufs } = buf_data.at(this.cpu.memory, this.data);
    for (let i = 0; i < NBUF; i++) {
      const bp = bufs.at(i);
      if ((bp.b_flags & B_BUSY) !== 0) continue;
      this.cpu.memory.write(bp.address, new Uint8Array(buf.size));
      bp.b_flags = B_BUSY;
      return bp;
    }
    return undefined;
  }

  /** putiobuf(9). */
  put(bp: Buf): void {
    bp.b_flags = 0;
    this.sched.wakeup(this.data);
  }

  /** biodone(9): the driver has finished with the buf; b_error and b_resid say how. */
  done(bp: Buf): void {
    bp.b_flags |= B_DONE;
    if (bp.b_iodone !== 0) this.cpu.call(bp.b_iodone, bp.address);
    else this.sched.wakeup(bp.address);
  }
}

/** Bufs of one physio under way at once. */
const CONCURRENCY = 4;

const transfer = struct('physio_transfer', {
  strategy: i64,
  softc: i64,
  flags: u32,
  error: i32,
  /** Bytes, from the start of the device. */
  offset: u64,
  uaddr: i64,
  /** Bytes not yet put into a buf. */
  left: u64,
  moved: u64,
  first: u32,
  count: u32,
  bufs: array(i64, CONCURRENCY),
});

export const bufText: Text<BufPool> = {
  biodone: leaf((m, bp) => m.done(m.at(bp))),

  /** Waits for a buf. @returns its error, 0 when it went well */
  biowait: routine(struct('biowait_locals', { bp: i64 }), {
    start: (_, l, bp) => {
      l.bp = bp;
      return goto('check');
    },
    check: (m, l) => {
      const bp = m.at(l.bp);
      if ((bp.b_flags & B_DONE) !== 0) return done(bp.b_error);
      return call('check', m.cpu.sym('tsleep'), l.bp, 0);
    },
  }),

  /**
   * (strategy, softc, flags, offset, address, length): moves `length` bytes between the device and memory, the kernel's or the
   * running lwp's. @returns bytes moved, or -errno when none was
   */
  physio: routine(transfer, {
    start: (_, l, strategy, softc, flags, offset, address, length) => {
      l.strategy = strategy;
      l.softc = softc;
      l.flags = flags;
      l.offset = offset;
      l.uaddr = address;
      l.left = length;
      return goto('issue');
    },
    issue: (m, l) => {
      if (l.left === 0 || l.count === CONCURRENCY || l.error !== 0) return goto('wait');
      const bp = m.get();
      if (bp === undefined) {
        return l.count > 0 ? goto('wait') : call('issue', m.cpu.sym('tsleep'), m.data, 0);
      }
      // A request holds eleven pages, and the first may be one of which only the end is meant.
      const within = l.uaddr - Math.floor(l.uaddr / PAGE_SIZE) * PAGE_SIZE;
      const length = Math.min(l.left, MAXPHYS - within);
      bp.b_flags |= l.flags;
      bp.b_bcount = length;
      bp.b_resid = length;
      bp.b_blkno = l.offset / DEV_BSIZE;
      bp.b_data = l.uaddr;
      // A user's request may be for kernel memory: a page of its own that comes from the swap device.
      bp.b_pmap = l.uaddr < 0 ? 0 : m.sched.curlwp.l_pmap;
      l.bufs.set((l.first + l.count) % CONCURRENCY, bp.address);
      l.count++;
      l.offset += length;
      l.uaddr += length;
      l.left -= length;
      return call('issue', l.strategy, l.softc, bp.address);
    },
    wait: (m, l) => {
      if (l.count === 0) return done(l.moved === 0 && l.error !== 0 ? -l.error : l.moved);
      return call('waited', m.cpu.sym('biowait'), l.bufs.get(l.first));
    },
    waited: (m, l, error) => {
      const bp = m.at(l.bufs.get(l.first));
      if (l.error === 0) {
        l.moved += bp.b_bcount - bp.b_resid;
        l.error = error;
      }
      m.put(bp);
      l.first = (l.first + 1) % CONCURRENCY;
      l.count--;
      return goto('issue');
    },
  }),
};
