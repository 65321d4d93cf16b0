/*
 * The xenstore client and the devices on it (sys/arch/xen/xenbus). One request at a time; messages come in through the ring's event
 * and are told apart there:
 *
 *     lwp: xs_lock ─► request ring ─► …xenstored… ─► reply ring ─► handler ─┬─ reply: wakes the lwp
 *                                                                           └─ event: queued for xenwatch
 *
 * The shared indices are the only ones: there is no private copy, so a ring that was put at rest is just at rest. Events that find
 * the queue full stay in the ring until xenwatch has taken some.
 */
import {
  type start_info,
  XS_ERROR,
  XS_WATCH_EVENT,
  xenstore_domain_interface,
  xsd_sockmsg,
} from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import {
  type Autoconf,
  type Cpu,
  IPL_SOFTSERIAL,
  kassert,
  type Msgbuf,
  type Sched,
} from '@port-xen/kern';
import { textOf, type View } from '@port-xen/layout';
import { getString, putString } from './guest-string.ts';
import {
  MESSAGE_MAX,
  NEVENT,
  NREQUEST,
  NWATCH,
  NXENBUSDEV,
  type watch,
  xenbus_data,
  xenbus_device,
} from './xenbus-data.ts';

const RING = 1024;
const HEADER = xsd_sockmsg.size;
const STORE_EVTCHN = 64;

/** NetBSD's errno for the names that xenstored answers with. */
const ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  E2BIG: 7,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EISDIR: 21,
  EINVAL: 22,
  ENOSPC: 28,
  EROFS: 30,
  EAGAIN: 35,
  EISCONN: 56,
  ENOTEMPTY: 66,
  ENOSYS: 78,
};
export const XS_EIO = 5;
export const XS_EAGAIN = 35;

/** What a request of control/shutdown is stored as. */
const REQUESTS = ['', 'poweroff', 'reboot', 'suspend'] as const;

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

/** Where start of day left what xenbus needs. */
export interface XenbusStart {
  readonly startInfo: View<typeof start_info>;
  /** Kernel address of the xenstore page. */
  readonly storePage: number;
}

export class Xenbus {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XenbusKern;
  readonly evtchn: Evtchn;
  readonly start: XenbusStart;
  readonly drivers: readonly XenbusDriver[];

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
    this.evtchn = evtchn;
    this.start = start;
    this.drivers = drivers;
  }

  get d(): View<typeof xenbus_data> {
    return xenbus_data.at(this.cpu.memory, this.data);
  }

  get #ring(): View<typeof xenstore_domain_interface> {
    return xenstore_domain_interface.at(this.cpu.memory, this.d.xb_page);
  }

  // The connection.

  /** xb_init_comms: takes the channel that start_info names. */
  connect(): void {
    const si = this.start.startInfo;
    const d = this.d;
    d.xb_page = this.start.storePage;
    d.xb_port = si.memory.ld32(si.address + STORE_EVTCHN);
    this.evtchn.setHandler(d.xb_port, this.cpu.sym('xenbus_handler'), 0, IPL_SOFTSERIAL, 'xenbus');
    this.evtchn.enable(d.xb_port);
  }

  /** xb_suspend_comms. */
  disconnect(): void {
    this.evtchn.mask(this.d.xb_port);
    this.evtchn.removeHandler(this.d.xb_port);
  }

  /** The old connection's half-read message and answers mean nothing to the new one. */
  forgetConnection(): void {
    const d = this.d;
    d.in_have = 0;
    d.xs_replied = 0;
    d.ev_head = 0;
    d.ev_tail = 0;
  }

  /** What a writer sleeps on while the request ring is full. */
  get roomChannel(): number {
    return this.data + xenbus_data.offset.xb_page;
  }

  /** What the lwp whose request is under way sleeps on. */
  get replyChannel(): number {
    return this.data + xenbus_data.offset.xs_reply;
  }

  /** What those sleep on whose turn it is not. */
  get lockChannel(): number {
    return this.data + xenbus_data.offset.xs_lock;
  }

  /** What xenwatch sleeps on. */
  get eventChannel(): number {
    return this.data + xenbus_data.offset.events;
  }

  /** Takes the request slot for the running lwp. @returns false when somebody else has it */
  tryLock(): boolean {
    const d = this.d;
    if (d.xs_lock !== 0) return false;
    d.xs_lock = this.kern.sched.d.curlwp;
    return true;
  }

  unlock(): void {
    this.d.xs_lock = 0;
    this.kern.sched.wakeup(this.lockChannel);
  }

  /** xb_write: puts bytes into the request ring. @returns how many fitted; -1 when the indices make no sense */
  write(address: number, length: number): number {
    const ring = this.#ring;
    const { memory } = this.cpu;
    let prod = ring.req_prod;
    const used = (prod - ring.req_cons) >>> 0;
    if (used > RING) return -1;
    const count = Math.min(RING - used, length);
    const to = ring.address + xenstore_domain_interface.offset.req;
    for (let i = 0; i < count; i++) {
      memory.st8(to + (prod & (RING - 1)), memory.ld8(address + i));
      prod = (prod + 1) >>> 0;
    }
    ring.req_prod = prod;
    if (count > 0) this.evtchn.notify(this.d.xb_port);
    return count;
  }

  /** The ring's event: room for a writer, messages for everybody. */
  handler(): void {
    this.kern.sched.wakeup(this.roomChannel);
    while (this.#readSome());
  }

  /** Reads what the reply ring has of the next message; deals with it when it is whole. @returns whether to go on */
  #readSome(): boolean {
    const d = this.d;
    const want = d.in_have < HEADER ? HEADER - d.in_have : this.#messageSize() - d.in_have;
    if (want === 0) return this.#message();
    const ring = this.#ring;
    const { memory } = this.cpu;
    let cons = ring.rsp_cons;
    const available = (ring.rsp_prod - cons) >>> 0;
    if (available === 0 || available > RING) return false;
    const count = Math.min(available, want);
    const from = ring.address + xenstore_domain_interface.offset.rsp;
    const to = this.data + xenbus_data.offset.in_message + d.in_have;
    for (let i = 0; i < count; i++) {
      memory.st8(to + i, memory.ld8(from + (cons & (RING - 1))));
      cons = (cons + 1) >>> 0;
    }
    ring.rsp_cons = cons;
    d.in_have += count;
    this.evtchn.notify(d.xb_port);
    return true;
  }

  get #header(): View<typeof xsd_sockmsg> {
    return xsd_sockmsg.at(this.cpu.memory, this.data + xenbus_data.offset.in_message);
  }

  #messageSize(): number {
    const { len } = this.#header;
    kassert(len <= MESSAGE_MAX - HEADER, `xenbus: xenstored sent a message of ${len} bytes`);
    return HEADER + len;
  }

  /** A whole message is there. @returns false when it has to wait for room in the event queue */
  #message(): boolean {
    const d = this.d;
    const { type, len, req_id } = this.#header;
    if (type === XS_WATCH_EVENT) {
      if (!this.#queueEvent(len)) return false;
    } else if (d.xs_lock !== 0 && d.xs_replied === 0 && req_id === d.xs_reqid) {
      const payload = new Uint8Array(len);
      this.cpu.memory.read(this.data + xenbus_data.offset.in_message + HEADER, payload);
      d.xs_reply = payload;
      d.xs_replytype = type;
      d.xs_replylen = len;
      d.xs_replied = 1;
      this.kern.sched.wakeup(this.replyChannel);
    }
    d.in_have = 0;
    return true;
  }

  /** Queues a watch event for xenwatch; one for a watch that is gone is dropped. */
  #queueEvent(length: number): boolean {
    const d = this.d;
    if (d.ev_tail - d.ev_head === NEVENT) return false;
    const payload = new Uint8Array(length);
    this.cpu.memory.read(this.data + xenbus_data.offset.in_message + HEADER, payload);
    const path = textOf(payload);
    const token = textOf(payload.subarray(path.length + 1));
    const w =
      /^\d{1,3}$/.test(token) && Number(token) < NWATCH ? d.watches.at(Number(token)) : undefined;
    if (w === undefined || w.w_used === 0) return true;
    const event = d.events.at(d.ev_tail % NEVENT);
    event.e_watch = w.address;
    putString(this.cpu.memory, event.address + 8, path.slice(0, 255));
    d.ev_tail++;
    this.kern.sched.wakeup(this.eventChannel);
    return true;
  }

  /** Takes the next event. @returns its watch, with the path at ev_current; undefined when there is none */
  takeEvent(): View<typeof watch> | undefined {
    const d = this.d;
    while (d.ev_head !== d.ev_tail) {
      const event = d.events.at(d.ev_head % NEVENT);
      d.ev_head++;
      const w = d.watches.at(0);
      const index = (event.e_watch - w.address) / this.#watchSize;
      d.ev_current = event.e_path;
      this.handler();
      const found = d.watches.at(index);
      if (found.w_used !== 0) return found;
    }
    return undefined;
  }

  get #watchSize(): number {
    const { watches } = this.d;
    return watches.address(1) - watches.address(0);
  }

  /** Address of the path of the event that xenwatch is at. */
  get currentPath(): number {
    return this.data + xenbus_data.offset.ev_current;
  }

  // Replies.

  /** What the reply says: its length, or -errno. */
  result(): number {
    const d = this.d;
    if (d.xs_replytype !== XS_ERROR) return d.xs_replylen;
    return -(ERRNO[textOf(d.xs_reply.subarray(0, d.xs_replylen))] ?? XS_EIO);
  }

  /** Copies the reply, with a NUL after it, to where the caller wants it. */
  copyReply(address: number, max: number): void {
    const d = this.d;
    const bytes = new Uint8Array(Math.min(d.xs_replylen, max - 1) + 1);
    bytes.set(d.xs_reply.subarray(0, bytes.length - 1));
    this.cpu.memory.write(address, bytes);
  }

  // Watches.

  /** Notes a watch; xs_watch registers it. @returns its address */
  newWatch(node: string, symbol: string, arg: number): number {
    const { watches } = this.d;
    for (let i = 0; i < NWATCH; i++) {
      const w = watches.at(i);
      if (w.w_used !== 0) continue;
      w.w_used = 1;
      w.w_arg = arg;
      w.w_func = this.cpu.sym(symbol);
      this.setNode(w.address, node);
      return w.address;
    }
    kassert(false, `xenbus: expected at most ${NWATCH} watches`);
  }

  /** Forgets a watch, and the events for it that wait. */
  freeWatch(address: number): void {
    const { watches } = this.d;
    watches.at((address - watches.address(0)) / this.#watchSize).w_used = 0;
  }

  /** The watch at a place of the table. */
  watchAt(index: number): View<typeof watch> {
    return this.d.watches.at(index);
  }

  /** The token of a watch: its place in the table, the same before and after a restore. */
  tokenOf(address: number): string {
    const { watches } = this.d;
    return String((address - watches.address(0)) / this.#watchSize);
  }

  setNode(watchAddress: number, node: string): void {
    const { watches } = this.d;
    const w = watches.at((watchAddress - watches.address(0)) / this.#watchSize);
    w.w_node = new Uint8Array(0);
    w.w_node = Uint8Array.from(node, (c) => c.charCodeAt(0));
  }

  nodeOf(watchAddress: number): string {
    const { watches } = this.d;
    return textOf(watches.at((watchAddress - watches.address(0)) / this.#watchSize).w_node);
  }

  // Devices.

  device(address: number): View<typeof xenbus_device> {
    return xenbus_device.at(this.cpu.memory, address);
  }

  /** Whether a path has a device already. */
  isKnown(path: string): boolean {
    const { devices } = this.d;
    for (let i = 0; i < NXENBUSDEV; i++) {
      const dev = devices.at(i);
      if (dev.xbusd_used !== 0 && textOf(dev.xbusd_path) === path) return true;
    }
    return false;
  }

  /** @returns undefined when there is no room */
  newDevice(driver: number, id: number, path: string): View<typeof xenbus_device> | undefined {
    const { devices } = this.d;
    for (let i = 0; i < NXENBUSDEV; i++) {
      const dev = devices.at(i);
      if (dev.xbusd_used !== 0) continue;
      this.cpu.memory.write(dev.address, new Uint8Array(xenbus_device.size));
      dev.xbusd_used = 1;
      dev.xbusd_driver = driver;
      dev.xbusd_id = id;
      dev.xbusd_path = Uint8Array.from(path, (c) => c.charCodeAt(0));
      return dev;
    }
    return undefined;
  }

  /** The device at a place of the table, if there is one. */
  deviceAt(index: number): View<typeof xenbus_device> | undefined {
    const dev = this.d.devices.at(index);
    return dev.xbusd_used === 0 ? undefined : dev;
  }

  pathOf(dev: View<typeof xenbus_device>): string {
    return textOf(dev.xbusd_path);
  }

  otherendOf(dev: View<typeof xenbus_device>): string {
    return textOf(dev.xbusd_otherend);
  }

  /** The autoconf device that devices are children of. */
  get bus(): number {
    return this.d.xb_device;
  }

  /** The domain in which a device's back end is. */
  otherendIdOf(address: number): number {
    return this.device(address).xbusd_otherend_id;
  }

  /** Whether the host has a back end for the device. */
  isPresent(address: number): boolean {
    return this.otherendOf(this.device(address)) !== '';
  }

  setOtherend(dev: View<typeof xenbus_device>, path: string, id: number): void {
    dev.xbusd_otherend = new Uint8Array(0);
    dev.xbusd_otherend = Uint8Array.from(path, (c) => c.charCodeAt(0));
    dev.xbusd_otherend_id = id;
  }

  // What control/shutdown asked for (ShutdownRequests of machdep).

  /** What whoever serves the requests sleeps on. */
  get wchan(): number {
    return this.data + xenbus_data.offset.requests;
  }

  /** Notes a request. @returns false for one that is none */
  request(text: string): boolean {
    const d = this.d;
    const code = REQUESTS.indexOf(text === 'halt' ? 'poweroff' : (text as 'suspend'));
    if (code <= 0 || d.nrequests === NREQUEST) return false;
    d.requests.set(d.nrequests++, code);
    this.kern.sched.wakeup(this.wchan);
    return true;
  }

  /** Takes the oldest request; '' when there is none. */
  take(): '' | 'poweroff' | 'reboot' | 'suspend' {
    const d = this.d;
    if (d.nrequests === 0) return '';
    const code = d.requests.get(0);
    d.nrequests--;
    for (let i = 0; i < d.nrequests; i++) d.requests.set(i, d.requests.get(i + 1));
    return REQUESTS[code] ?? '';
  }

  /** The text that a routine left at an address. */
  text(address: number): string {
    return getString(this.cpu.memory, address);
  }
}
