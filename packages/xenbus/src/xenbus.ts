/*
 * The xenstore client and the devices on it (sys/arch/xen/xenbus). One request at a time; messages come in through the
 * ring's event and are told apart there:
 *
 *     lwp: xs_lock ─► request ring ─► …xenstored… ─► reply ring ─► handler ─┬─ reply: wakes the lwp
 *                                                                           └─ event: its watch has fired; wakes xenwatch
 *
 * From the moment a suspend is asked for until it is over xenwatch takes no event. It is xenwatch that hears of the
 * request, so no other watch's text is under way then: none can be in the middle of a transaction, or of connecting a device
 * that is being suspended.
 */
import { XS_WATCH_EVENT } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import type { Autoconf, Cpu, Msgbuf, Sched } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { Comms, type XenbusStart } from './comms.ts';
import { Devices } from './devices.ts';
import { getString } from './guest-string.ts';
import { type ShutdownRequest, ShutdownRequests } from './shutdown-requests.ts';
import { type Watch, Watches } from './watches.ts';
import { xenbus_data } from './xenbus-data.ts';
import { Xs } from './xs.ts';

/** A driver that devices of a type are given to. */
export interface XenbusDriver {
  /** The directory below `device`: vbd, vif. */
  readonly type: string;
  /** Symbol of text(xenbus_device) → the softc, 0 when it does not want it. */
  readonly attach: string;
  /** Symbol of text(softc, state): the back end is in another state. */
  readonly changed: string;
}

/** What xenbus needs of the kernel. */
export interface XenbusKern {
  readonly msgbuf: Msgbuf;
  readonly sched: Sched;
  readonly autoconf: Autoconf;
}

export class Xenbus {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XenbusKern;
  readonly drivers: readonly XenbusDriver[];
  readonly comms: Comms;
  readonly xs: Xs;
  readonly watches: Watches;
  readonly devices: Devices;
  readonly requests: ShutdownRequests;

  constructor(
    cpu: Cpu,
    data: number,
    kern: XenbusKern,
    evtchn: Evtchn,
    start: XenbusStart,
    drivers: readonly XenbusDriver[],
  ) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.drivers = drivers;
    this.comms = new Comms(cpu, data, evtchn, start);
    this.xs = new Xs(cpu, data, kern.sched);
    this.watches = new Watches(cpu, data, kern.sched);
    this.devices = new Devices(cpu, data);
    this.requests = new ShutdownRequests(cpu, data, kern.sched);
  }

  get d(): View<typeof xenbus_data> {
    return xenbus_data.at(this.cpu.memory, this.data);
  }

  /** The ring's event: room for a writer, messages for everybody. */
  handler(): void {
    this.kern.sched.wakeup(this.comms.roomChannel);
    while (this.comms.read()) {
      const { header, payload } = this.comms;
      if (header.type === XS_WATCH_EVENT) this.watches.fire(payload);
      else this.xs.reply(header, payload);
      this.comms.drop();
    }
  }

  /** The next event for xenwatch. @returns undefined when it has to wait for one */
  takeEvent(): Watch | undefined {
    return this.d.xw_held === 0 ? this.watches.take() : undefined;
  }

  /** The old connection's half-read message and its events mean nothing to the new one. */
  forgetConnection(): void {
    this.comms.drop();
    this.watches.forgetEvents();
  }

  // What drivers need of the bus.

  /** The autoconf device that devices are children of. */
  get bus(): number {
    return this.d.xb_device;
  }

  /** The domain in which a device's back end is. */
  otherendIdOf(address: number): number {
    return this.devices.at(address).xbusd_otherend_id;
  }

  /** Whether the host has a back end for the device. */
  isPresent(address: number): boolean {
    return this.devices.otherendOf(this.devices.at(address)) !== '';
  }

  // What control/shutdown asked for (ShutdownRequests of machdep).

  /** What whoever serves the requests sleeps on. */
  get wchan(): number {
    return this.requests.wchan;
  }

  /** Notes a request. @returns false for one that is none */
  request(text: string): boolean {
    const noted = this.requests.note(text);
    this.#hold(this.requests.suspendWaits);
    return noted;
  }

  /** Takes the oldest request; '' when there is none. The one taken before is done. */
  take(): ShutdownRequest {
    const request = this.requests.take();
    this.#hold(request === 'suspend' || this.requests.suspendWaits);
    return request;
  }

  #hold(held: boolean): void {
    const { d } = this;
    if (d.xw_held !== 0 && !held) this.kern.sched.wakeup(this.watches.eventChannel);
    d.xw_held = held ? 1 : 0;
  }

  /** The text that a routine left at an address. */
  text(address: number): string {
    return getString(this.cpu.memory, address);
  }
}
