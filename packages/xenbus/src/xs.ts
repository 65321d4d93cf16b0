/*
 * The request under way and its reply (xenbus_xs.c): one at a time, for whoever holds xs_lock.
 */
import { XS_ERROR, type xsd_sockmsg } from '@port-xen/abi';
import type { Cpu, Sched } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { xenbus_data } from './xenbus-data.ts';
import { errnoOf, XS_EIO } from './xs-errno.ts';

export class Xs {
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

  /** What those sleep on whose turn it is not. */
  get lockChannel(): number {
    return this.data + xenbus_data.offset.xs_lock;
  }

  /** What the lwp whose request is under way sleeps on. */
  get replyChannel(): number {
    return this.data + xenbus_data.offset.xs_reply;
  }

  /** Takes the request slot for the running lwp. @returns false when somebody else has it */
  tryLock(): boolean {
    const d = this.#d;
    if (d.xs_lock !== 0) return false;
    d.xs_lock = this.sched.d.curlwp;
    return true;
  }

  unlock(): void {
    this.#d.xs_lock = 0;
    this.sched.wakeup(this.lockChannel);
  }

  /** A new request. @returns its number, by which the reply is known */
  begin(): number {
    const d = this.#d;
    d.xs_reqid = (d.xs_reqid + 1) >>> 0;
    d.xs_replied = 0;
    return d.xs_reqid;
  }

  get replied(): boolean {
    return this.#d.xs_replied !== 0;
  }

  /** A reply came. One to no request of ours is passed over. */
  reply({ type, req_id }: View<typeof xsd_sockmsg>, payload: Uint8Array): void {
    const d = this.#d;
    if (d.xs_lock === 0 || d.xs_replied !== 0 || req_id !== d.xs_reqid) return;
    d.xs_reply = payload;
    d.xs_replytype = type;
    d.xs_replylen = payload.length;
    d.xs_replied = 1;
    this.sched.wakeup(this.replyChannel);
  }

  /** What the reply to a request of a type says: its length, or -errno. */
  result(type: number): number {
    const d = this.#d;
    if (d.xs_replytype === type) return d.xs_replylen;
    if (d.xs_replytype !== XS_ERROR) return -XS_EIO;
    return -errnoOf(d.xs_reply.subarray(0, d.xs_replylen));
  }

  /** Copies the reply, with a NUL after it, to where the caller has `max` bytes. */
  copyReply(address: number, max: number): void {
    const d = this.#d;
    const bytes = new Uint8Array(Math.min(d.xs_replylen, max - 1) + 1);
    bytes.set(d.xs_reply.subarray(0, bytes.length - 1));
    this.cpu.memory.write(address, bytes);
  }
}
