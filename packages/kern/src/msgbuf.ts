/*
 * The kernel's message buffer (what dmesg shows) and printf. The console, once there is one, is told where the text
 * stands and takes what it has not shown yet.
 */
import { bytes, i64, struct, u64, type View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';

export const MSGBUF_SIZE = 32768;

export const msgbuf_data = struct('msgbuf_data', {
  /** Bytes ever written; the byte n stands at n mod MSGBUF_SIZE. */
  msg_bufx: u64,
  /** Leaf(): the console looks for new text. 0 until it is attached. */
  cn_write: i64,
  msg_bufc: bytes(MSGBUF_SIZE),
});

export class Msgbuf {
  readonly cpu: Cpu;
  readonly data: number;

  constructor(cpu: Cpu, data: number) {
    this.cpu = cpu;
    this.data = data;
  }

  get #d(): View<typeof msgbuf_data> {
    return msgbuf_data.at(this.cpu.memory, this.data);
  }

  /** Bytes ever written. */
  get written(): number {
    return this.#d.msg_bufx;
  }

  /** Says where new text is taken from now on, and that there may be some. */
  setConsole(leafAddress: number): void {
    this.#d.cn_write = leafAddress;
    this.cpu.call(leafAddress);
  }

  /** Writes a line or a part of one (Latin-1). */
  printf(text: string): void {
    const d = this.#d;
    const base = this.data + msgbuf_data.offset.msg_bufc;
    const at = d.msg_bufx;
    for (let i = 0; i < text.length; i++) {
      this.cpu.memory.st8(base + ((at + i) % MSGBUF_SIZE), text.charCodeAt(i));
    }
    d.msg_bufx = at + text.length;
    if (d.cn_write !== 0) this.cpu.call(d.cn_write);
  }

  /** The text from byte `from` on; what has been overwritten since is left out. */
  textFrom(from: number): Uint8Array {
    const end = this.#d.msg_bufx;
    const start = Math.max(from, end - MSGBUF_SIZE);
    const out = new Uint8Array(end - start);
    const base = this.data + msgbuf_data.offset.msg_bufc;
    const head = Math.min(out.length, MSGBUF_SIZE - (start % MSGBUF_SIZE));
    this.cpu.memory.read(base + (start % MSGBUF_SIZE), out.subarray(0, head));
    this.cpu.memory.read(base, out.subarray(head));
    return out;
  }
}
