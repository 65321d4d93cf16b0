/*
 * What test kernels with disks do, whatever carries the requests: bufs that the host fills in, and lwps that write and read again.
 */
import { __HYPERVISOR_xen_version, XENVER_version } from '@port-xen/abi';
import {
  B_READ,
  type Buf,
  buf,
  call,
  DEV_BSIZE,
  done,
  goto,
  leaf,
  Panic,
  routine,
  type Text,
} from '@port-xen/kern';
import { array, i64, struct, u32, u64 } from '@port-xen/layout';
import { type TestBase, USER_BASE } from '@tooling/guest-testbed';
import { type Xbd, xbd_data } from '../src/index.ts';

/** That a disk may be asked for at once, and then some wait. */
export const BUFS = 48;
const ALL_BUFS = 96;
export const WORKERS = 4;
/** Sectors that a worker writes at once: more than a page, and not whole pages. */
const WORK_SECTORS = 11;
const ROUNDS = 12;

export const probe_data = struct('probe_data', {
  /** The last one is probe_io's. */
  bufs: array(buf, ALL_BUFS + 1),
  finished: u32,
  /** Bufs done, in their order. */
  ended: array(u32, 256),
  nended: u32,
});

export interface Probe {
  readonly base: TestBase;
  readonly xbd: Xbd;
  readonly data: number;
}

const d = (m: Probe) => probe_data.at(m.base.cpu.memory, m.data);
const softc = (m: Probe, unit: number) =>
  xbd_data.at(m.base.cpu.memory, m.xbd.data).softcs.at(unit);
const byteOf = (seed: number, i: number): number => (seed * 7 + i * 13 + (i >>> 8)) & 0xff;

const fill = (m: Probe, address: number, length: number, seed: number): void => {
  m.base.cpu.memory.write(
    address,
    Uint8Array.from({ length }, (_, i) => byteOf(seed, i)),
  );
};

const differs = (m: Probe, address: number, length: number, seed: number): number => {
  const bytes = new Uint8Array(length);
  m.base.cpu.memory.read(address, bytes);
  return bytes.findIndex((byte, i) => byte !== byteOf(seed, i));
};

const prepare = (bp: Buf, flags: number, blkno: number, address: number, length: number): void => {
  bp.memory.write(bp.address, new Uint8Array(buf.size));
  bp.b_flags = flags;
  bp.b_bcount = length;
  bp.b_resid = length;
  bp.b_blkno = blkno;
  bp.b_data = address;
};

export const working = struct('probe_working', {
  id: u32,
  round: u32,
  sc: i64,
  bp: i64,
  /** What the first buf of a pair came to. */
  error: i64,
  pad: u64,
});

/** Asks for a sector and does not wait. Buf `n` says what came of it. */
const submit = (
  m: Probe,
  unit: number,
  n: number,
  flags: number,
  blkno: number,
  address: number,
): void => {
  const bp = d(m).bufs.at(n);
  prepare(bp, flags, blkno, address, DEV_BSIZE);
  bp.b_iodone = m.base.cpu.sym('probe_iodone');
  m.base.cpu.call(m.base.cpu.sym('xbdstrategy'), softc(m, unit).address, bp.address);
};

export const probeText: Text<Probe> = {
  /** Attaches a device that writes a sector of the first disk while the disk is suspended already. */
  probe_attach_asker: leaf((m) => {
    const { autoconf } = m.base.kern;
    const dv = autoconf.attach('asker0', autoconf.devices()[0]?.address ?? 0, 0);
    autoconf.pmfRegister(dv, m.base.cpu.sym('probe_asker_suspend'), 0);
  }),
  probe_asker_suspend: leaf((m) => {
    submit(m, 0, 40, 0, 40, USER_BASE);
    return 1;
  }),
  /** (unit, flags, blkno, address, length) → bytes moved, or -errno. */
  probe_io: routine(working, {
    start: (m, l, unit, flags, blkno, address, length) => {
      const bp = d(m).bufs.at(ALL_BUFS);
      l.bp = bp.address;
      prepare(bp, flags, blkno, address, length);
      const sc = softc(m, unit);
      return call('wait', m.base.cpu.sym('xbdstrategy'), sc.address, bp.address);
    },
    wait: (m, l) => call('over', m.base.cpu.sym('biowait'), l.bp),
    over: (m, l, error) => {
      const bp = m.base.kern.bufs.at(l.bp);
      return done(error === 0 ? bp.b_bcount - bp.b_resid : -error);
    },
  }),
  /** (unit, n, flags, blkno, address, length): asks for it and does not wait. Buf n says what came of it. */
  probe_submit: leaf((m, unit, n, flags, blkno, address) =>
    submit(m, unit, n, flags, blkno, address),
  ),
  probe_iodone: leaf((m, bp) => {
    const data = d(m);
    data.ended.set(data.nended++, (bp - data.bufs.address(0)) / buf.size);
  }),
  /** (count, length): reads so many times from the start of the first disk, all at once, and waits. @returns bytes moved */
  probe_reads: routine(working, {
    start: (m, l, count, length) => {
      const sc = softc(m, 0);
      for (let n = 0; n < count; n++) {
        const bp = d(m).bufs.at(n);
        prepare(bp, B_READ, 0, USER_BASE, length);
        m.base.cpu.call(m.base.cpu.sym('xbdstrategy'), sc.address, bp.address);
      }
      l.id = count;
      return goto('next');
    },
    next: (m, l) => {
      if (l.round === l.id) return done(l.sc);
      l.bp = d(m).bufs.address(l.round++);
      return call('over', m.base.cpu.sym('biowait'), l.bp);
    },
    over: (m, l, error) => {
      const bp = m.base.kern.bufs.at(l.bp);
      if (error === 0) l.sc += bp.b_bcount - bp.b_resid;
      return goto('next');
    },
  }),
  /** (count): hypercalls that do next to nothing. @returns what the last one did */
  probe_hypercalls: leaf((m, count) => {
    let result = 0;
    for (let n = 0; n < count; n++) {
      result = m.base.cpu.hypercall(__HYPERVISOR_xen_version, XENVER_version);
    }
    return result;
  }),
  probe_nended: leaf((m) => d(m).nended),
  probe_ended: leaf((m, i) => d(m).ended.get(i)),
  probe_error: leaf((m, n) => d(m).bufs.at(n).b_error),
  probe_sync: routine(working, {
    start: (m, _, unit) => call('synced', m.base.cpu.sym('xbdsync'), softc(m, unit).address),
    synced: (_, __, result) => done(result),
  }),
  /** (unit, flags, offset, address, length, the file's flags): as a program reads (1) or writes (0). */
  probe_rw: routine(working, {
    start: (m, _, unit, flags, offset, address, length, fflags) => {
      const entry = m.base.cpu.sym(flags === B_READ ? 'xbdread' : 'xbdwrite');
      return call('moved', entry, softc(m, unit).address, offset, address, length, fflags);
    },
    moved: (_, __, result) => done(result),
  }),

  probe_fill: leaf((m, address, length, seed) => fill(m, address, length, seed)),
  /** @returns where the bytes are others than those of probe_fill; -1 nowhere */
  probe_differs: leaf((m, address, length, seed) => differs(m, address, length, seed)),
  probe_status: leaf((m, unit) => softc(m, unit).sc_backend_status),
  probe_busy: leaf((m, unit) => softc(m, unit).sc_busy),
  probe_is_used: leaf((m, unit) => softc(m, unit).sc_used),
  probe_sectors: leaf((m, unit) => softc(m, unit).sc_sectors),
  probe_pending: leaf((m) => m.base.kern.autoconf.d.config_pending),

  /** (id): writes a part of its own of the disk and reads it again, some rounds; panics when it is another. */
  probe_worker: routine(working, {
    start: (m, l, id) => {
      l.id = id;
      l.sc = softc(m, 0).address;
      l.bp = d(m).bufs.at(id).address;
      return goto('write');
    },
    write: (m, l) => {
      if (l.round === ROUNDS) {
        d(m).finished++;
        return done();
      }
      const address = USER_BASE + l.id * 16384 + 512;
      const length = WORK_SECTORS * DEV_BSIZE;
      fill(m, address, length, l.id * 100 + l.round);
      const at = l.id * 64 + l.round;
      prepare(m.base.kern.bufs.at(l.bp), 0, at, address, length);
      return call('written', m.base.cpu.sym('xbdstrategy'), l.sc, l.bp);
    },
    written: (m, l) => call('read', m.base.cpu.sym('biowait'), l.bp),
    read: (m, l, error) => {
      if (error !== 0) throw new Panic(`worker ${l.id}: write failed: error ${error}`);
      const address = USER_BASE + l.id * 16384 + 8192;
      const length = WORK_SECTORS * DEV_BSIZE;
      m.base.cpu.memory.write(address, new Uint8Array(length));
      prepare(m.base.kern.bufs.at(l.bp), B_READ, l.id * 64 + l.round, address, length);
      return call('reading', m.base.cpu.sym('xbdstrategy'), l.sc, l.bp);
    },
    reading: (m, l) => call('compare', m.base.cpu.sym('biowait'), l.bp),
    compare: (m, l, error) => {
      const address = USER_BASE + l.id * 16384 + 8192;
      const length = WORK_SECTORS * DEV_BSIZE;
      if (error !== 0 || differs(m, address, length, l.id * 100 + l.round) >= 0) {
        throw new Panic(`worker ${l.id}: round ${l.round}: error ${error}, or other bytes`);
      }
      l.round++;
      return goto('write');
    },
  }),
  probe_finished: leaf((m) => d(m).finished),
};
