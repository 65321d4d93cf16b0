/*
 * What programs do with a disk: open, read, write, size, sync.
 */
import { VDISK_READONLY } from '@port-xen/abi';
import {
  B_FLUSH,
  B_MEDIA_FUA,
  B_READ,
  call,
  DEV_BSIZE,
  done,
  EINVAL,
  ENOSPC,
  ENXIO,
  EROFS,
  leaf,
  O_ACCMODE,
  O_DSYNC,
  type Routine,
  routine,
  type Text,
} from '@port-xen/kern';
import { i64, struct } from '@port-xen/layout';
import type { Xbd } from './xbd.ts';
import { XBD_GONE } from './xbd-data.ts';

const transferring = struct('xbd_transfer_locals', { bp: i64, error: i64 });

/** (softc, offset, address, length, the file's flags): whole sectors, to the end of the disk at most. */
const physio = (direction: number): Routine<Xbd> =>
  routine(transferring, {
    start: (m, _, softc, offset, address, length, fflags) => {
      const sc = m.at(softc);
      if (sc.sc_backend_status === XBD_GONE) return done(-ENXIO);
      if (offset % DEV_BSIZE !== 0 || length % DEV_BSIZE !== 0 || address % DEV_BSIZE !== 0) {
        return done(-EINVAL);
      }
      const left = sc.sc_sectors * DEV_BSIZE - offset;
      if (left <= 0) return done(direction === B_READ ? 0 : -ENOSPC);
      const count = Math.min(length, left);
      const strategy = m.cpu.sym('xbdstrategy');
      const durable = direction !== B_READ && (fflags & O_DSYNC) !== 0;
      const flags = durable ? direction | B_MEDIA_FUA : direction;
      return call('moved', m.cpu.sym('physio'), strategy, softc, flags, offset, address, count);
    },
    moved: (_, __, result) => done(result),
  });

export const diskText: Text<Xbd> = {
  xbdstrategy: leaf((m, softc, bp) => m.strategy(m.at(softc), m.kern.bufs.at(bp))),
  /** (softc, open(2)'s flags): a disk that cannot be written is not opened for it. @returns 0 or an errno */
  xbdopen: leaf((m, softc, flags) => {
    const readonly = (m.at(softc).sc_info & VDISK_READONLY) !== 0;
    return readonly && (flags & O_ACCMODE) !== 0 ? EROFS : 0;
  }),
  xbdread: physio(B_READ),
  xbdwrite: physio(0),
  xbdsize: leaf((m, softc) => m.at(softc).sc_sectors * DEV_BSIZE),

  /** (softc): DIOCCACHESYNC. @returns 0 or -errno */
  xbdsync: routine(transferring, {
    start: (m, l, softc) => {
      const bp = m.kern.bufs.get();
      if (bp === undefined) return call('start', m.cpu.sym('tsleep'), m.kern.bufs.data, 0);
      bp.b_flags |= B_FLUSH;
      l.bp = bp.address;
      return call('wait', m.cpu.sym('xbdstrategy'), softc, bp.address);
    },
    wait: (m, l) => call('synced', m.cpu.sym('biowait'), l.bp),
    synced: (m, l, error) => {
      m.kern.bufs.put(m.kern.bufs.at(l.bp));
      return done(-error);
    },
  }),
};
