/*
 * What every console has: a queue of text that waits to be shown and one of what was typed, both in kernel memory.
 *
 *     printf, write(2) → outq → whatever leads to the console
 *     whatever leads from it → inq → read(2)
 *
 * Between suspend and resume text gathers in outq, and goes out when the console is back. Nothing is shown twice and nothing is lost:
 * a byte leaves outq only when it is the other side's.
 */
import type { Cpu, Msgbuf, Sched } from '@port-xen/kern';
import { bytes, struct, u64, type View } from '@port-xen/layout';

export const OUTQ_SIZE = 65536;
export const INQ_SIZE = 4096;
/** Above this a writer waits; the rest is for the kernel's own text, which cannot. */
export const OUTQ_HIWAT = 2048;

export const console_queues = struct('console_queues', {
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

export abstract class ConsoleQueues {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: XenconsKern;

  constructor(cpu: Cpu, data: number, kern: XenconsKern) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
  }

  /** The queues: a console's data begins with them. */
  get queues(): View<typeof console_queues> {
    return console_queues.at(this.cpu.memory, this.data);
  }

  /** xencons_start: what can go out of outq goes. */
  abstract start(): void;
  /** There is room in inq. */
  protected abstract more(): void;

  /** Room for a writer, bytes. */
  get room(): number {
    const q = this.queues;
    return Math.max(0, OUTQ_HIWAT - (q.outq_tail - q.outq_head));
  }

  /** Queues text and sends on what can be. What outq cannot hold is dropped: it stays in the message buffer. */
  queue(text: Uint8Array): void {
    const q = this.queues;
    const base = this.data + console_queues.offset.outq;
    const tail = q.outq_tail;
    const count = Math.min(text.length, OUTQ_SIZE - (tail - q.outq_head));
    for (let i = 0; i < count; i++) {
      this.cpu.memory.st8(base + ((tail + i) % OUTQ_SIZE), text[i] as number);
    }
    q.outq_tail = tail + count;
    this.start();
  }

  /** New text in the message buffer. */
  putMessages(): void {
    const q = this.queues;
    const text = this.kern.msgbuf.textFrom(q.xc_msgx);
    q.xc_msgx = this.kern.msgbuf.written;
    this.queue(text);
  }

  /** The byte of outq at a free-running index. */
  protected outqByte(index: number): number {
    return this.cpu.memory.ld8(this.data + console_queues.offset.outq + (index % OUTQ_SIZE));
  }

  /** Bytes at the head of outq are the other side's. */
  protected sent(count: number): void {
    this.queues.outq_head += count;
    if (this.room > 0) this.kern.sched.wakeup(this.data);
  }

  /** Room for what is typed, bytes. */
  protected get inqRoom(): number {
    const q = this.queues;
    return INQ_SIZE - (q.inq_tail - q.inq_head);
  }

  /** Puts the byte that comes `i` bytes after inq's last. */
  protected putInq(i: number, byte: number): void {
    const base = this.data + console_queues.offset.inq;
    this.cpu.memory.st8(base + ((this.queues.inq_tail + i) % INQ_SIZE), byte);
  }

  /** So many bytes were put. */
  protected received(count: number): void {
    this.queues.inq_tail += count;
    this.kern.sched.wakeup(this.inqChannel);
  }

  /** What a reader sleeps on. */
  get inqChannel(): number {
    return this.data + console_queues.offset.inq;
  }

  /** Whether there is nothing to read. */
  get inqEmpty(): boolean {
    const q = this.queues;
    return q.inq_head === q.inq_tail;
  }

  /** Up to `max` bytes of input, which stay where they are. */
  peek(max: number): Uint8Array {
    const q = this.queues;
    const out = new Uint8Array(Math.min(max, q.inq_tail - q.inq_head));
    const base = this.data + console_queues.offset.inq;
    for (let i = 0; i < out.length; i++) {
      out[i] = this.cpu.memory.ld8(base + ((q.inq_head + i) % INQ_SIZE));
    }
    return out;
  }

  /** Drops so many bytes of input: they were read. There is room for more then. */
  consume(count: number): void {
    this.queues.inq_head += count;
    this.more();
  }
}
