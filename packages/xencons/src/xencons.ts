/*
 * The console of Xen 3 (sys/arch/xen/xen/xencons.c).
 *
 *     outq → out ring → xenconsoled
 *     xenconsoled → in ring → inq
 *
 * The rings are in the console page, whose indices go on over a save: what stands in the ring is the other side's.
 */
import { xencons_interface } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Cpu, IPL_SOFTSERIAL } from '@port-xen/kern';
import { i64, nest, struct, u32, type View } from '@port-xen/layout';
import { ConsoleQueues, console_queues, type XenconsKern } from './console-queues.ts';

const IN_SIZE = 1024;
const OUT_SIZE = 2048;

export const xencons_softc = struct('xencons_softc', {
  queues: nest(console_queues),
  xc_page: i64,
  xc_port: u32,
  xc_suspended: u32,
});

export class Xencons extends ConsoleQueues {
  readonly evtchn: Evtchn;

  constructor(cpu: Cpu, data: number, kern: XenconsKern, evtchn: Evtchn) {
    super(cpu, data, kern);
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
    this.connect(port);
    this.kern.msgbuf.setConsole(this.cpu.sym('xencons_putmsg'));
  }

  protected connect(port: number): void {
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
    this.connect(port);
    this.handler();
  }

  /** From outq into the ring. */
  start(): void {
    const sc = this.softc;
    if (sc.xc_suspended !== 0) return;
    const ring = this.#ring;
    const { memory } = this.cpu;
    let prod = ring.out_prod;
    // Indices that make no sense are the back end's fault; the console stays quiet until they do.
    const used = (prod - ring.out_cons) >>> 0;
    if (used > OUT_SIZE) return;
    const { outq_head, outq_tail } = this.queues;
    const count = Math.min(OUT_SIZE - used, outq_tail - outq_head);
    if (count === 0) return;
    const to = ring.address + xencons_interface.offset.out;
    for (let i = 0; i < count; i++) {
      memory.st8(to + (prod & (OUT_SIZE - 1)), this.outqByte(outq_head + i));
      prod = (prod + 1) >>> 0;
    }
    ring.out_prod = prod;
    this.evtchn.notify(sc.xc_port);
    this.sent(count);
  }

  /** Whether everything queued has reached the back end. */
  get drained(): boolean {
    const { outq_head, outq_tail } = this.queues;
    const ring = this.#ring;
    return outq_head === outq_tail && ring.out_cons === ring.out_prod;
  }

  /** The back end has consumed or produced. */
  handler(): void {
    this.more();
    this.start();
  }

  /** From the ring into inq. */
  protected more(): void {
    const ring = this.#ring;
    const { memory } = this.cpu;
    let cons = ring.in_cons;
    const available = (ring.in_prod - cons) >>> 0;
    if (available === 0 || available > IN_SIZE) return;
    const count = Math.min(available, this.inqRoom);
    const from = ring.address + xencons_interface.offset.in;
    for (let i = 0; i < count; i++) {
      this.putInq(i, memory.ld8(from + (cons & (IN_SIZE - 1))));
      cons = (cons + 1) >>> 0;
    }
    ring.in_cons = cons;
    this.evtchn.notify(this.softc.xc_port);
    this.received(count);
  }
}
