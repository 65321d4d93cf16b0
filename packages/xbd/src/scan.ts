/*
 * What a probe's answer says of the disks of an interface (xbd_scan, vbd_update): those that are new, those that are as they were, those
 * that are not there any more. No disk is attached a second time.
 */
import {
  VDISK_CDROM,
  VDISK_FLAG_RO,
  VDISK_READONLY,
  VDISK_TYPE_CDROM,
  VDISK_TYPE_MASK,
  xen2_vdisk,
} from '@port-xen/abi';
import { DEV_BSIZE, ENXIO, PAGE_SIZE } from '@port-xen/kern';
import type { XbdCtrlIf } from './xbd-ctrl-if.ts';
import {
  disksOf,
  newDisk,
  XBD_CONNECTED,
  XBD_DISCONNECTED,
  XBD_GONE,
  type XbdSoftc,
} from './xbd-data.ts';

/** Disks that fit into a probe's page. */
export const PROBE_MAX: number = Math.floor(PAGE_SIZE / xen2_vdisk.size);
const MIB = 2 ** 20;

/** One disk, as the back end describes it. */
interface Vdisk {
  readonly device: number;
  readonly sectors: number;
  readonly info: number;
}

/** The disks that the probe's page names, each once, by number. */
const vdisksOf = (m: XbdCtrlIf, count: number): Vdisk[] => {
  const found = new Map<number, Vdisk>();
  for (let i = 0; i < count; i++) {
    const at = m.blkif.sc.if_probe_page + i * xen2_vdisk.size;
    const { device, capacity, info } = xen2_vdisk.at(m.cpu.memory, at);
    const cdrom = (info & VDISK_TYPE_MASK) === VDISK_TYPE_CDROM ? VDISK_CDROM : 0;
    const readonly = (info & VDISK_FLAG_RO) !== 0 ? VDISK_READONLY : 0;
    found.set(device, { device, sectors: capacity, info: cdrom | readonly });
  }
  return [...found.values()].sort((a, b) => a.device - b.device);
};

/** A disk that was not known. @returns undefined when there is no room for another */
const attach = (m: XbdCtrlIf, device: number): XbdSoftc | undefined => {
  const sc = newDisk(m.cpu.memory, m.data);
  if (sc === undefined) {
    m.kern.msgbuf.printf(`blkif0: no room for disk ${device}\n`);
    return undefined;
  }
  const { autoconf } = m.kern;
  const dv = autoconf.attach(m.nameOf(sc), m.blkif.sc.if_dev, sc.address);
  autoconf.pmfRegister(dv, m.cpu.sym('xbd_suspend'), m.cpu.sym('xbd_resume'));
  sc.sc_dev = dv.address;
  sc.sc_device = device;
  m.kern.cdevsw.attach(m.nameOf(sc), sc.address, {
    open: m.cpu.sym('xbdopen'),
    read: m.cpu.sym('xbdread'),
    write: m.cpu.sym('xbdwrite'),
    size: m.cpu.sym('xbdsize'),
  });
  return sc;
};

/** @param count how many disks the probe's page names */
export const scanned = (m: XbdCtrlIf, count: number): void => {
  const vdisks = vdisksOf(m, count);
  for (const sc of disksOf(m.cpu.memory, m.data)) {
    const there = vdisks.some(({ device }) => device === sc.sc_device);
    if (there || sc.sc_backend_status === XBD_GONE) continue;
    const taken = sc.sc_backend_status === XBD_CONNECTED;
    const what = taken ? 'it is taken away' : 'this host has no such disk';
    m.kern.msgbuf.printf(`${m.nameOf(sc)}: ${what}\n`);
    m.fail(sc, ENXIO);
  }
  for (const { device, sectors, info } of vdisks) {
    const known = disksOf(m.cpu.memory, m.data).find(({ sc_device }) => sc_device === device);
    const sc = known ?? attach(m, device);
    if (sc === undefined) continue;
    // One that comes back: it is as good as new once nothing of its former life is out.
    if (sc.sc_backend_status === XBD_GONE && sc.sc_busy === 0) {
      sc.sc_backend_status = XBD_DISCONNECTED;
    }
    if (sc.sc_backend_status === XBD_GONE) continue;
    if (known === undefined || sc.sc_sectors !== sectors) {
      const mib = ((sectors * DEV_BSIZE) / MIB).toFixed(2);
      m.kern.msgbuf.printf(
        `${m.nameOf(sc)}: ${mib} MB, ${DEV_BSIZE} bytes/sect x ${sectors} sectors\n`,
      );
    }
    sc.sc_sectors = sectors;
    sc.sc_info = info;
    if (sc.sc_backend_status === XBD_DISCONNECTED) m.connected(sc);
  }
};
