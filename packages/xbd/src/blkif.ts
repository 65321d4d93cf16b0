/*
 * The state of a domain's block interface, as the controller walks it.
 */
import {
  BLKIF_INTERFACE_STATUS_CHANGED,
  BLKIF_INTERFACE_STATUS_CLOSED,
  BLKIF_INTERFACE_STATUS_CONNECTED,
  BLKIF_INTERFACE_STATUS_DISCONNECTED,
} from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, ENXIO, IPL_VM } from '@port-xen/kern';
import { type BlkifSoftc, WANT_CONNECT, WANT_SCAN, WANT_UP, xbd_blkif_data } from './blkif-data.ts';
import { BlkifRing } from './blkif-ring.ts';
import type { XbdUvm } from './connection.ts';
import type { XbdKern } from './disk.ts';

/** Ports that Xen 2 has. */
const PORTS = 1024;

/** What becomes of the disks when the interface changes. */
export interface BlkifDisks {
  /** Nothing is in the ring any more. */
  disconnected(): void;
  /** There is no back end, and none will come. */
  gone(error: number): void;
}

export class Blkif {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XbdKern;
  readonly evtchn: Evtchn;
  readonly disks: BlkifDisks;

  constructor(cpu: Cpu, data: number, kern: XbdKern, evtchn: Evtchn, disks: BlkifDisks) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.evtchn = evtchn;
    this.disks = disks;
  }

  get sc(): BlkifSoftc {
    return xbd_blkif_data.at(this.cpu.memory, this.data).blkif;
  }

  get ring(): BlkifRing {
    return new BlkifRing(this.cpu.memory, this.sc);
  }

  /** What the interface's lwp sleeps on. */
  get wchan(): number {
    return this.sc.address;
  }

  /** The pages, and the wish to be known. Boot waits for what comes of it. */
  attach(uvm: XbdUvm): void {
    const { sc } = this;
    sc.if_ring_page = uvm.kmAlloc(1);
    sc.if_probe_page = uvm.kmAlloc(1);
    sc.if_pending = 1;
    this.kern.autoconf.pendingIncr();
    this.want(WANT_UP);
  }

  /** Has the interface's lwp do something. */
  want(what: number): void {
    this.sc.if_wanted |= what;
    this.kern.sched.wakeup(this.wchan);
  }

  /** Boot need not wait for the disks any more. */
  settled(): void {
    const { sc } = this;
    if (sc.if_pending === 0) return;
    sc.if_pending = 0;
    this.kern.autoconf.pendingDecr();
  }

  /** CMSG_BLKIF_FE_INTERFACE_STATUS. */
  statusChanged(status: number, evtchn: number): void {
    const { sc } = this;
    switch (status) {
      case BLKIF_INTERFACE_STATUS_CLOSED:
        this.close('the controller closed the interface', ENXIO);
        return;
      case BLKIF_INTERFACE_STATUS_DISCONNECTED:
        // The shared frame is ours again, and what was in it is lost.
        this.#drop();
        sc.if_state = BLKIF_INTERFACE_STATUS_DISCONNECTED;
        this.ring.init();
        this.disks.disconnected();
        this.want(WANT_CONNECT);
        return;
      case BLKIF_INTERFACE_STATUS_CONNECTED:
        this.#connected(evtchn);
        return;
      case BLKIF_INTERFACE_STATUS_CHANGED:
        if (sc.if_state === BLKIF_INTERFACE_STATUS_CONNECTED) this.want(WANT_SCAN);
        return;
      default:
        this.kern.msgbuf.printf(`blkif0: the controller sent status ${status}, which is none\n`);
    }
  }

  #connected(evtchn: number): void {
    const { sc } = this;
    const asked =
      sc.if_state === BLKIF_INTERFACE_STATUS_DISCONNECTED && (sc.if_wanted & WANT_CONNECT) === 0;
    const usable = evtchn > 0 && evtchn < PORTS && this.evtchn.nameOf(evtchn) === '';
    if (!asked || !usable) {
      const what = asked ? `port ${evtchn}, which cannot be had` : 'that it is connected, unasked';
      this.kern.msgbuf.printf(`blkif0: the controller sent ${what}\n`);
      return;
    }
    sc.if_state = BLKIF_INTERFACE_STATUS_CONNECTED;
    sc.if_evtchn = evtchn;
    if (sc.if_suspended === 0) this.#listen();
    this.kern.msgbuf.printf(`blkif0: connected, port ${evtchn}\n`);
    this.want(WANT_SCAN);
  }

  #listen(): void {
    const { sc, evtchn } = this;
    if (sc.if_evtchn === 0) return;
    const handler = this.cpu.sym('xbd_response_handler');
    evtchn.setHandler(sc.if_evtchn, handler, 0, IPL_VM, 'blkif0');
    evtchn.enable(sc.if_evtchn);
  }

  #silence(): void {
    const { sc, evtchn } = this;
    if (sc.if_evtchn === 0 || sc.if_suspended !== 0) return;
    evtchn.mask(sc.if_evtchn);
    evtchn.removeHandler(sc.if_evtchn);
  }

  /** Lets go of the channel, and of a probe that was out. */
  #drop(): void {
    const { sc } = this;
    this.#silence();
    if (sc.if_evtchn !== 0) this.evtchn.close(sc.if_evtchn);
    sc.if_evtchn = 0;
    sc.if_wanted &= ~(WANT_CONNECT | WANT_SCAN);
    sc.if_probe = 0;
  }

  /** There is no interface any more: all disks are gone. */
  close(why: string, error: number): void {
    this.#drop();
    this.sc.if_state = BLKIF_INTERFACE_STATUS_CLOSED;
    this.kern.msgbuf.printf(`blkif0: ${why}\n`);
    this.disks.gone(error);
    this.settled();
  }

  /** No handler runs and nothing is begun from here on. */
  suspend(): void {
    const { sc } = this;
    this.#silence();
    sc.if_suspended = 1;
    this.kern.msgbuf.printf(`blkif0: suspended, port ${sc.if_evtchn} let go\n`);
  }

  /**
   * The channel again, if the domain never left. In another host ring, channel and frames are void, and the controller has to be told
   * of us as at the boot.
   */
  resume(cancelled: boolean): void {
    const { sc } = this;
    sc.if_suspended = 0;
    if (cancelled) {
      // Unmasking raises again what came meanwhile.
      this.#listen();
      this.kern.sched.wakeup(this.wchan);
      return;
    }
    sc.if_evtchn = 0;
    sc.if_state = BLKIF_INTERFACE_STATUS_CLOSED;
    sc.if_probe = 0;
    this.disks.disconnected();
    sc.if_wanted = WANT_UP;
    this.kern.sched.wakeup(this.wchan);
  }
}
