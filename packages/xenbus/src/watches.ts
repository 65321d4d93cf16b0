/*
 * Watches (xenbus_xs.c) and which of them have fired. The token of a watch is its place in the table, the same before and
 * after a restore.
 *
 * Handlers look at the store; an event only says that it is worth while. So an event for a watch that has fired already is
 * merged with the one that waits, the later path counts, and what waits is never more than there are watches: a reply behind
 * many events is never held up by them.
 */
import { type Cpu, kassert, type Sched } from '@port-xen/kern';
import { textOf, type View } from '@port-xen/layout';
import { latin1, XS_STRING_MAX } from './guest-string.ts';
import { NWATCH, watch, xenbus_data } from './xenbus-data.ts';

export type Watch = View<typeof watch>;

export class Watches {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sched: Sched;

  constructor(cpu: Cpu, data: number, sched: Sched) {
    this.cpu = cpu;
    this.data = data;
    this.sched = sched;
  }

  get #d(): View<typeof xenbus_data> {
    return xenbus_data.at(this.cpu.memory, this.data);
  }

  at(address: number): Watch {
    return watch.at(this.cpu.memory, address);
  }

  /** The watch at a place of the table; undefined when there is none. */
  atIndex(index: number): Watch | undefined {
    const w = this.#d.watches.at(index);
    return w.w_used === 0 ? undefined : w;
  }

  /** How many there are. */
  get count(): number {
    let count = 0;
    for (let i = 0; i < NWATCH; i++) if (this.atIndex(i) !== undefined) count++;
    return count;
  }

  /** Notes a watch; xs_watch registers it. @returns its address */
  create(node: string, symbol: string, arg: number): number {
    const { watches } = this.#d;
    for (let i = 0; i < NWATCH; i++) {
      const w = watches.at(i);
      if (w.w_used !== 0) continue;
      w.w_used = 1;
      w.w_fired = 0;
      w.w_arg = arg;
      w.w_func = this.cpu.sym(symbol);
      w.w_node = latin1(node);
      return w.address;
    }
    kassert(false, `xenbus: expected at most ${NWATCH} watches`);
  }

  /** Forgets a watch; if it has fired, it is passed over. */
  free(address: number): void {
    const w = this.at(address);
    w.w_used = 0;
    w.w_fired = 0;
  }

  nodeOf(address: number): string {
    return textOf(this.at(address).w_node);
  }

  setNode(address: number, node: string): void {
    this.at(address).w_node = latin1(node);
  }

  tokenOf(address: number): string {
    const { watches } = this.#d;
    return String((address - watches.address(0)) / watch.size);
  }

  /** What xenwatch sleeps on. */
  get eventChannel(): number {
    return this.data + xenbus_data.offset.ev_fired;
  }

  /** A watch event's payload: path and token. One that is none of ours is passed over. */
  fire(payload: Uint8Array): void {
    const d = this.#d;
    const path = textOf(payload);
    const token = textOf(payload.subarray(path.length + 1));
    const index = /^\d{1,3}$/.test(token) ? Number(token) : NWATCH;
    const w = index < NWATCH ? this.atIndex(index) : undefined;
    if (w === undefined) return;
    w.w_path = latin1(path.slice(0, XS_STRING_MAX - 1));
    w.w_fired = 1;
    for (let i = 0; i < d.ev_count; i++) if (d.ev_fired.get(i) === index) return;
    d.ev_fired.set(d.ev_count++, index);
    this.sched.wakeup(this.eventChannel);
  }

  /** Takes the watch that fired first; its path is at {@link currentPath}. @returns undefined when none has */
  take(): Watch | undefined {
    const d = this.#d;
    while (d.ev_count > 0) {
      const w = d.watches.at(d.ev_fired.get(0));
      d.ev_count--;
      for (let i = 0; i < d.ev_count; i++) d.ev_fired.set(i, d.ev_fired.get(i + 1));
      if (w.w_fired === 0) continue;
      w.w_fired = 0;
      d.ev_current = w.w_path;
      return w;
    }
    return undefined;
  }

  /** Address of the path of the event that xenwatch is at. */
  get currentPath(): number {
    return this.data + xenbus_data.offset.ev_current;
  }

  /** The old connection's events mean nothing any more: every watch fires when it is registered again. */
  forgetEvents(): void {
    const d = this.#d;
    d.ev_count = 0;
    for (let i = 0; i < NWATCH; i++) d.watches.at(i).w_fired = 0;
  }
}
