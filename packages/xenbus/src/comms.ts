/*
 * The ring to xenstored (xenbus_comms.c). The shared indices are the only ones: there is no private copy, so a ring that was
 * put at rest is just at rest. Messages are read into one buffer, in pieces as they come; what is whole stays there until it
 * is taken.
 */
import { start_info, xenstore_domain_interface, xsd_sockmsg } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, IPL_SOFTSERIAL, kassert } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { PAYLOAD_MAX, xenbus_data } from './xenbus-data.ts';

const RING = 1024;
const HEADER = xsd_sockmsg.size;
const MESSAGE = xenbus_data.offset.in_message;

/** Where start of day left what the ring needs. */
export interface XenbusStart {
  readonly startInfo: View<typeof start_info>;
  /** Kernel address of the xenstore page. */
  readonly storePage: number;
}

export class Comms {
  readonly cpu: Cpu;
  readonly data: number;
  readonly evtchn: Evtchn;
  readonly start: XenbusStart;

  constructor(cpu: Cpu, data: number, evtchn: Evtchn, start: XenbusStart) {
    this.cpu = cpu;
    this.data = data;
    this.evtchn = evtchn;
    this.start = start;
  }

  get #d(): View<typeof xenbus_data> {
    return xenbus_data.at(this.cpu.memory, this.data);
  }

  get #ring(): View<typeof xenstore_domain_interface> {
    return xenstore_domain_interface.at(this.cpu.memory, this.#d.xb_page);
  }

  /** xb_init_comms: takes the channel that start_info names. */
  connect(): void {
    const si = this.start.startInfo;
    const d = this.#d;
    d.xb_page = this.start.storePage;
    d.xb_port = si.memory.ld32(si.address + start_info.offset.store_evtchn);
    this.evtchn.setHandler(d.xb_port, this.cpu.sym('xenbus_handler'), 0, IPL_SOFTSERIAL, 'xenbus');
    this.evtchn.enable(d.xb_port);
  }

  /** xb_suspend_comms. */
  disconnect(): void {
    this.evtchn.mask(this.#d.xb_port);
    this.evtchn.removeHandler(this.#d.xb_port);
  }

  get port(): number {
    return this.#d.xb_port;
  }

  /** What a writer sleeps on while the request ring is full. */
  get roomChannel(): number {
    return this.data + xenbus_data.offset.xb_page;
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
    if (count > 0) this.evtchn.notify(this.#d.xb_port);
    return count;
  }

  /** xb_read: reads on in the reply ring. @returns whether a whole message stands in the buffer */
  read(): boolean {
    for (;;) {
      const want = this.#wanted();
      if (want === 0) return true;
      if (this.#readSome(want) === 0) return false;
    }
  }

  /** Bytes that the message in the buffer lacks: of its header first. */
  #wanted(): number {
    const { in_have } = this.#d;
    if (in_have < HEADER) return HEADER - in_have;
    const { len } = this.header;
    kassert(
      len <= PAYLOAD_MAX,
      `xenbus: expected at most ${PAYLOAD_MAX} bytes in a message of xenstored's, found ${len}`,
    );
    return HEADER + len - in_have;
  }

  #readSome(want: number): number {
    const d = this.#d;
    const ring = this.#ring;
    const { memory } = this.cpu;
    let cons = ring.rsp_cons;
    const available = (ring.rsp_prod - cons) >>> 0;
    // Nobody can say where the next message starts: whoever waits for an answer would wait for ever.
    kassert(
      available <= RING,
      `xenbus: expected at most ${RING} bytes in xenstored's ring, found ${available}`,
    );
    const count = Math.min(available, want);
    if (count === 0) return 0;
    const from = ring.address + xenstore_domain_interface.offset.rsp;
    const to = this.data + MESSAGE + d.in_have;
    for (let i = 0; i < count; i++) {
      memory.st8(to + i, memory.ld8(from + (cons & (RING - 1))));
      cons = (cons + 1) >>> 0;
    }
    ring.rsp_cons = cons;
    d.in_have += count;
    this.evtchn.notify(d.xb_port);
    return count;
  }

  /** Of the message in the buffer. */
  get header(): View<typeof xsd_sockmsg> {
    return xsd_sockmsg.at(this.cpu.memory, this.data + MESSAGE);
  }

  get payload(): Uint8Array {
    const payload = new Uint8Array(this.header.len);
    this.cpu.memory.read(this.data + MESSAGE + HEADER, payload);
    return payload;
  }

  /** The message in the buffer is done with; or, after a restore, the half of one that was read of the old connection. */
  drop(): void {
    this.#d.in_have = 0;
  }
}
