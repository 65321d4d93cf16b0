/*
 * The console (sys/arch/xen/xen/xencons.c).
 *
 *     printf, write(2) → outq → out ring → xenconsoled
 *     xenconsoled → in ring → inq → read(2)
 *
 * Both queues are in kernel memory; the rings are in the console page, whose indices go on over a save. Between suspend
 * and resume text gathers in outq, and goes out when the console is back. Nothing is shown twice and nothing is lost:
 * a byte leaves outq only when it stands in the ring.
 */
import { xencons_interface } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, IPL_SOFTSERIAL, type Msgbuf, type Sched } from '@port-xen/kern';
import { bytes, i64, struct, u32, u64, type View } from '@port-xen/layout';

export const OUTQ_SIZE = 65536;
export const INQ_SIZE = 4096;
/** Above this a writer waits; the rest is for the kernel's own text, which cannot. */
export const OUTQ_HIWAT = 2048;
const IN_SIZE = 1024;
const OUT_SIZE = 2048;

export const xencons_softc = struct('xencons_softc', {
  xc_page: i64,
  xc_device: i64,
  xc_port: u32,
  xc_suspended: u32,
  /** Bytes of the message buffer already queued. */
  xc_msgx: u64,
  /** Free-running indices of the queues. */
  outq_head: u64,
  outq_tail: u64,
  inq_head: u64,
  inq_tail: u64,
  outq: bytes(OUTQ_SIZE),
  inq: bytes(INQ_SIZE),
});

/** What the console needs of the kernel. */
export interface XenconsKern {
  readonly msgbuf: Msgbuf;
  readonly sched: Sched;
}

export class Xencons {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XenconsKern;
  readonly evtchn: Evtchn;

  constructor(cpu: Cpu, data: number, kern: XenconsKern, evtchn: Evtchn) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.evtchn = evtchn;
  }

  get softc(): View<typeof xencons_softc> {
    return xencons_softc.at(this.cpu.memory, this.data);
  }

  get #ring(): View<typeof xencons_interface> {
    return xencons_interface.at(this.cpu.memory, this.softc.xc_page);
  }

  /** Takes the console page into use. @param page kernel address @param port from start_info */
  attach(page: number, port: number): void {
    this.softc.xc_page = page;
    this.#connect(port);
    this.kern.msgbuf.setConsole(this.cpu.sym('xencons_putmsg'));
  }

  #connect(port: number): void {
    this.softc.xc_port = port;
    this.evtchn.setHandler(port, this.cpu.sym('xencons_handler'), 0, IPL_SOFTSERIAL, 'xencons');
    this.evtchn.enable(port);
  }

  suspend(): void {
    const sc = this.softc;
    sc.xc_suspended = 1;
    this.evtchn.mask(sc.xc_port);
    this.evtchn.removeHandler(sc.xc_port);
  }

  /** @param port the new one from start_info, or the old one when the domain never left */
  resume(port: number): void {
    this.softc.xc_suspended = 0;
    this.#connect(port);
    this.handler();
  }

  /** Room for a writer, bytes. */
  get room(): number {
    const sc = this.softc;
    return Math.max(0, OUTQ_HIWAT - (sc.outq_tail - sc.outq_head));
  }

  /** Queues text and puts into the ring what fits. What outq cannot hold is dropped: it stays in the message buffer. */
  queue(text: Uint8Array): void {
    const sc = this.softc;
    const base = this.data + xencons_softc.offset.outq;
    const tail = sc.outq_tail;
    const count = Math.min(text.length, OUTQ_SIZE - (tail - sc.outq_head));
    for (let i = 0; i < count; i++) {
      this.cpu.memory.st8(base + ((tail + i) % OUTQ_SIZE), text[i] as number);
    }
    sc.outq_tail = tail + count;
    this.start();
  }

  /** New text in the message buffer. */
  putMessages(): void {
    const sc = this.softc;
    const text = this.kern.msgbuf.textFrom(sc.xc_msgx);
    sc.xc_msgx = this.kern.msgbuf.written;
    this.queue(text);
  }

  /** xencons_start: from outq into the ring. */
  start(): void {
    const sc = this.softc;
    if (sc.xc_suspended !== 0) return;
    const ring = this.#ring;
    const { memory } = this.cpu;
    let prod = ring.out_prod;
    // Indices that make no sense are the back end's fault; the console stays quiet until they do.
    const used = (prod - ring.out_cons) >>> 0;
    if (used > OUT_SIZE) return;
    const count = Math.min(OUT_SIZE - used, sc.outq_tail - sc.outq_head);
    if (count === 0) return;
    const from = this.data + xencons_softc.offset.outq;
    const to = ring.address + xencons_interface.offset.out;
    for (let i = 0; i < count; i++) {
      memory.st8(to + (prod & (OUT_SIZE - 1)), memory.ld8(from + ((sc.outq_head + i) % OUTQ_SIZE)));
      prod = (prod + 1) >>> 0;
    }
    ring.out_prod = prod;
    sc.outq_head += count;
    this.evtchn.notify(sc.xc_port);
    if (this.room > 0) this.kern.sched.wakeup(this.data);
  }

  /** Whether everything queued has reached the back end. */
  get drained(): boolean {
    const sc = this.softc;
    const ring = this.#ring;
    return sc.outq_head === sc.outq_tail && ring.out_cons === ring.out_prod;
  }

  /** The back end has consumed or produced. */
  handler(): void {
    this.#input();
    this.start();
  }

  #input(): void {
    const sc = this.softc;
    const ring = this.#ring;
    const { memory } = this.cpu;
    let cons = ring.in_cons;
    const available = (ring.in_prod - cons) >>> 0;
    if (available === 0 || available > IN_SIZE) return;
    const count = Math.min(available, INQ_SIZE - (sc.inq_tail - sc.inq_head));
    const from = ring.address + xencons_interface.offset.in;
    const to = this.data + xencons_softc.offset.inq;
    for (let i = 0; i < count; i++) {
      memory.st8(to + ((sc.inq_tail + i) % INQ_SIZE), memory.ld8(from + (cons & (IN_SIZE - 1))));
      cons = (cons + 1) >>> 0;
    }
    ring.in_cons = cons;
    sc.inq_tail += count;
    this.evtchn.notify(sc.xc_port);
    this.kern.sched.wakeup(this.inqChannel);
  }

  /** What a reader sleeps on. */
  get inqChannel(): number {
    return this.data + xencons_softc.offset.inq;
  }

  /** Up to `max` bytes of input, which stay where they are. */
  peek(max: number): Uint8Array {
    const sc = this.softc;
    const out = new Uint8Array(Math.min(max, sc.inq_tail - sc.inq_head));
    const base = this.data + xencons_softc.offset.inq;
    for (let i = 0; i < out.length; i++) {
      out[i] = this.cpu.memory.ld8(base + ((sc.inq_head + i) % INQ_SIZE));
    }
    return out;
  }

  /** Drops so many bytes of input: they were read. There is room for more of the ring's then. */
  consume(count: number): void {
    this.softc.inq_head += count;
    this.#input();
  }
}
