/*
 * A disk's connection to its back end: ring page, grant of it, channel. What attach and resume share.
 */
import { blkif_request } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, IPL_VM, PAGE_SIZE } from '@port-xen/kern';
import { textOf } from '@port-xen/layout';
import { FrontRing } from '@port-xen/ring';
import { XENGNT_NO_ENTRY, type Xengnt } from '@port-xen/xengnt';
import type { XbdPmap } from './requests.ts';
import { newDisk, XBD_DISCONNECTED, XBD_RING_SIZE, type XbdSoftc, xbd_softc } from './xbd-data.ts';

/** Where ring pages come from. */
export interface XbdUvm {
  kmAlloc(pages: number): number;
}

/** What a disk needs of the bus. */
export interface XbdBus {
  /** The autoconf device that disks are children of. */
  readonly bus: number;
  /** The domain in which a device's back end is. */
  otherendIdOf(xbusd: number): number;
  /** Whether the host has a back end for the device. */
  isPresent(xbusd: number): boolean;
}

export class Connection {
  readonly cpu: Cpu;
  readonly data: number;
  readonly evtchn: Evtchn;
  readonly xengnt: Xengnt;
  readonly pmap: XbdPmap;
  readonly uvm: XbdUvm;
  readonly xenbus: XbdBus;

  constructor(
    cpu: Cpu,
    data: number,
    evtchn: Evtchn,
    xengnt: Xengnt,
    pmap: XbdPmap,
    uvm: XbdUvm,
    xenbus: XbdBus,
  ) {
    this.cpu = cpu;
    this.data = data;
    this.evtchn = evtchn;
    this.xengnt = xengnt;
    this.pmap = pmap;
    this.uvm = uvm;
    this.xenbus = xenbus;
  }

  ring(sc: XbdSoftc): FrontRing {
    return new FrontRing(this.cpu.memory, sc.address + xbd_softc.offset.sc_ring);
  }

  /** A softc for a new device; its ring page is its own for good. @returns undefined when there are NXBD already */
  create(xbusd: number): XbdSoftc | undefined {
    const sc = newDisk(this.cpu.memory, this.data);
    if (sc === undefined) return undefined;
    sc.sc_xbusd = xbusd;
    sc.sc_ring_gntref = XENGNT_NO_ENTRY;
    if (sc.sc_ring_page === 0) sc.sc_ring_page = this.uvm.kmAlloc(1);
    return sc;
  }

  /**
   * An empty ring, granted, and a channel, with the handler on it.
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

  /** Puts the handler on the channel, if there is one. */
  listen(sc: XbdSoftc): void {
    if (sc.sc_evtchn === 0) return;
    const handler = this.cpu.sym('xbd_handler');
    this.evtchn.setHandler(sc.sc_evtchn, handler, sc.address, IPL_VM, textOf(sc.sc_xname));
    this.evtchn.enable(sc.sc_evtchn);
  }

  /** No handler runs from here on. */
  silence(sc: XbdSoftc): void {
    if (sc.sc_evtchn === 0) return;
    this.evtchn.mask(sc.sc_evtchn);
    this.evtchn.removeHandler(sc.sc_evtchn);
  }

  /** After a restore the ring's grant and the channel are void. */
  forget(sc: XbdSoftc): void {
    sc.sc_ring_gntref = XENGNT_NO_ENTRY;
    sc.sc_evtchn = 0;
  }

  /** Gives back the ring's grant, if the back end has let go of it, and the channel. */
  release(sc: XbdSoftc): void {
    this.silence(sc);
    if (sc.sc_evtchn !== 0) this.evtchn.close(sc.sc_evtchn);
    const ref = sc.sc_ring_gntref;
    if (ref !== XENGNT_NO_ENTRY && !this.xengnt.inUse(ref)) this.xengnt.revokeAccess(ref);
    else if (ref !== XENGNT_NO_ENTRY) sc.sc_ring_page = 0;
    this.forget(sc);
  }
}
