/*
 * The block front end over xenbus (sys/arch/xen/xen/xbd_xenbus.c): a ring and a channel for each disk, a grant for each page.
 */
import { blkif_response } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import type { Cpu } from '@port-xen/kern';
import { ldU64 } from '@port-xen/layout';
import type { FrontRing } from '@port-xen/ring';
import type { Xengnt } from '@port-xen/xengnt';
import { Connection, type XbdBus, type XbdUvm } from './connection.ts';
import type { XbdKern } from './disk.ts';
import { GrantedPages } from './granted-pages.ts';
import type { XbdPmap } from './requests.ts';
import { Xbd } from './xbd.ts';
import { XBD_GONE, XBD_SUSPENDED, type XbdReq, type XbdSoftc } from './xbd-data.ts';

export class XbdXenbus extends Xbd {
  readonly evtchn: Evtchn;
  readonly xenbus: XbdBus;
  readonly connection: Connection;
  readonly pages: GrantedPages;

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
    super(cpu, data, kern, pmap);
    this.evtchn = evtchn;
    this.xenbus = xenbus;
    this.connection = new Connection(cpu, data, evtchn, xengnt, pmap, uvm, xenbus);
    this.pages = new GrantedPages(cpu, pmap, xengnt);
  }

  ring(sc: XbdSoftc): FrontRing {
    return this.connection.ring(sc);
  }

  override forgetHandles(sc: XbdSoftc): void {
    this.connection.forget(sc);
    super.forgetHandles(sc);
  }

  protected room(sc: XbdSoftc): number {
    return this.ring(sc).free;
  }

  protected give(sc: XbdSoftc, req: XbdReq): boolean {
    return this.pages.grant(req, this.xenbus.otherendIdOf(sc.sc_xbusd));
  }

  protected takeBack(req: XbdReq): number {
    return this.pages.revoke(req);
  }

  protected put(sc: XbdSoftc, req: XbdReq): void {
    const id = this.requests.idOf(sc, req);
    this.pages.put(req, sc.sc_unit, id, this.ring(sc).nextRequest());
  }

  protected push(sc: XbdSoftc): void {
    if (this.ring(sc).pushRequests()) this.evtchn.notify(sc.sc_evtchn);
  }

  /** xbd_handler: takes the answers, then starts what waits. */
  handler(sc: XbdSoftc): void {
    if (sc.sc_backend_status === XBD_SUSPENDED) return;
    if (sc.sc_backend_status === XBD_GONE && sc.sc_busy === 0) return;
    const ring = this.ring(sc);
    do {
      for (let at = ring.nextResponse(); at !== undefined; at = ring.nextResponse()) {
        const { status } = blkif_response.at(this.cpu.memory, at);
        const wrong = this.answer(sc, ldU64(this.cpu.memory, at), status);
        if (wrong === '') continue;
        this.condemn(sc, wrong);
        return;
      }
    } while (ring.finalCheckForResponses());
    if (ring.overflown) this.condemn(sc, 'more answers than requests');
    this.start(sc);
  }
}
