/*
 * Messages from the guest to the controller.
 *
 *     send ─► tx_ring[tx_req_prod] ─► …controller… ─► tx_ring[tx_resp_prod] ─► reap ─► leaf(argument, response, 0)
 *                                                     nothing for ten seconds ───────► leaf(argument, 0, ETIMEDOUT)
 *                                                     the domain was restored ───────► leaf(argument, 0, ECONNRESET)
 *
 * The ring has eight places, and a place is taken until the response has been reaped; an id stands for the place's owner. An owner who has
 * been told of an error is told nothing more, but the id stays taken: the response may still be on its way, and must not meet the
 * next owner. Such ids are free when every message has been answered by something, and in a new ring.
 */
import { CONTROL_RING_SIZE, control_if, control_msg } from '@port-xen/abi';
import type { Evtchn } from '@port-xen/evtchn';
import { type Callout, type Cpu, EAGAIN, EINVAL, EIO, type Sched } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { ctrl_if_data, NSPACE, txmsg } from './ctrl-if-data.ts';
import { ECONNRESET, ETIMEDOUT } from './errno.ts';

/** Bytes that a message carries at most. */
export const CMSG_MAX: number = control_msg.size - control_msg.offset.msg;
/** The id of a message whose response nobody waits for. */
const NO_ID = 0xff;
/** Ticks after which a response is given up. */
export const TX_TIMEOUT_TICKS = 1000;

/** What the control interface needs of the kernel. */
export interface CtrlIfKern {
  readonly sched: Sched;
  readonly callout: Callout;
}

export class CtrlIfTx {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: CtrlIfKern;
  readonly evtchn: Evtchn;
  /** Address of control_if. */
  readonly controlIf: number;

  constructor(cpu: Cpu, data: number, kern: CtrlIfKern, evtchn: Evtchn, controlIf: number) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
    this.evtchn = evtchn;
    this.controlIf = controlIf;
  }

  get d(): View<typeof ctrl_if_data> {
    return ctrl_if_data.at(this.cpu.memory, this.data);
  }

  get ring(): View<typeof control_if> {
    return control_if.at(this.cpu.memory, this.controlIf);
  }

  msgAt(address: number): View<typeof control_msg> {
    return control_msg.at(this.cpu.memory, address);
  }

  copyMsg(to: number, from: number): void {
    const message = new Uint8Array(control_msg.size);
    this.cpu.memory.read(from, message);
    this.cpu.memory.write(to, message);
  }

  notify(): void {
    this.evtchn.notify(this.d.ctrl_if_evtchn);
  }

  /** What senders sleep on until there is room. */
  get roomChannel(): number {
    return this.data + ctrl_if_data.offset.ctrl_if_tx_wanted;
  }

  /** TX_FULL: also when the indices make no sense, which the next ring mends. */
  get full(): boolean {
    return (this.ring.tx_req_prod - this.d.ctrl_if_tx_resp_cons) >>> 0 >= CONTROL_RING_SIZE;
  }

  /** ctrl_if_transmitter_empty: every message has been answered. */
  get transmitterEmpty(): boolean {
    return this.ring.tx_req_prod === this.d.ctrl_if_tx_resp_cons;
  }

  /**
   * ctrl_if_send_message_noblock.
   * @param msg address of a control_msg; its id is ours to choose @param func leaf(arg, message, errno), 0 for nobody
   * @param timeout_ticks after which `func` is told ETIMEDOUT; 0 never
   * @returns 0, EAGAIN when there is no room now, EINVAL when the message's length is more than fits
   */
  sendNoblock(msg: number, func = 0, arg = 0, timeout_ticks = TX_TIMEOUT_TICKS): number {
    const { d, ring } = this;
    if (this.msgAt(msg).length > CMSG_MAX) return EINVAL;
    const refused = this.full || d.ctrl_if_suspended !== 0;
    const id = refused ? -1 : this.#allocateId(msg, func, arg, timeout_ticks);
    if (id < 0) {
      d.ctrl_if_tx_wanted = 1;
      return EAGAIN;
    }
    const slot = ring.tx_ring.address(ring.tx_req_prod % CONTROL_RING_SIZE);
    this.copyMsg(slot, msg);
    this.msgAt(slot).id = id;
    ring.tx_req_prod = (ring.tx_req_prod + 1) >>> 0;
    this.notify();
    return 0;
  }

  /** @returns -1 when every id is taken */
  #allocateId(msg: number, func: number, arg: number, timeout_ticks: number): number {
    if (func === 0) return NO_ID;
    const mapping = this.d.ctrl_if_txmsg_id_mapping;
    for (let id = 0; id < CONTROL_RING_SIZE; id++) {
      const tm = mapping.at(id);
      if (tm.tm_used !== 0) continue;
      const { type, subtype } = this.msgAt(msg);
      tm.tm_used = 1;
      tm.tm_type = type;
      tm.tm_subtype = subtype;
      tm.tm_func = func;
      tm.tm_arg = arg;
      const timeout = this.cpu.sym('ctrl_if_txmsg_timeout');
      if (timeout_ticks > 0) {
        this.kern.callout.reset(tm.tm_timeout.address, timeout_ticks, timeout, tm.address);
      }
      return id;
    }
    return -1;
  }

  /** The response of the message at an id never came. @param address the id's mapping */
  timeout(address: number): void {
    this.#tell(txmsg.at(this.cpu.memory, address), 0, ETIMEDOUT);
  }

  /** The owner is told, once; the id stays taken. */
  #tell(tm: View<typeof txmsg>, msg: number, error: number): void {
    const { tm_func, tm_arg } = tm;
    this.kern.callout.stop(tm.tm_timeout.address);
    tm.tm_func = 0;
    if (tm_func !== 0) this.cpu.call(tm_func, tm_arg, msg, error);
  }

  /** The tx tasklet: takes the responses that there are. */
  reap(): void {
    const { d, ring } = this;
    const { tx_req_prod, tx_resp_prod } = ring;
    const answered = (tx_resp_prod - d.ctrl_if_tx_resp_cons) >>> 0;
    const sent = (tx_req_prod - d.ctrl_if_tx_resp_cons) >>> 0;
    // More answers than questions: there is no telling which of them are any.
    if (sent > CONTROL_RING_SIZE || answered > sent) return;
    for (let i = 0; i < answered; i++) {
      const response = d.ctrl_if_response.address;
      this.copyMsg(response, ring.tx_ring.address(d.ctrl_if_tx_resp_cons % CONTROL_RING_SIZE));
      d.ctrl_if_tx_resp_cons = (d.ctrl_if_tx_resp_cons + 1) >>> 0;
      this.#answered(response);
    }
    if (answered > 0 && this.transmitterEmpty) this.#endAll(EIO);
    this.tellOfRoom();
  }

  /** No response is on its way any more: who still waits for one is told why there is none. */
  #endAll(error: number): void {
    const mapping = this.d.ctrl_if_txmsg_id_mapping;
    for (let id = 0; id < CONTROL_RING_SIZE; id++) {
      const tm = mapping.at(id);
      if (tm.tm_used === 0) continue;
      tm.tm_used = 0;
      this.#tell(tm, 0, error);
    }
  }

  #answered(response: number): void {
    const { d } = this;
    const { id, type, subtype, length } = this.msgAt(response);
    if (id === NO_ID) return;
    const tm = id < CONTROL_RING_SIZE ? d.ctrl_if_txmsg_id_mapping.at(id) : undefined;
    if (tm?.tm_used !== 1 || tm.tm_type !== type || tm.tm_subtype !== subtype) {
      d.ctrl_if_unsolicited++;
      return;
    }
    tm.tm_used = 0;
    if (length > CMSG_MAX) this.#tell(tm, 0, EIO);
    else this.#tell(tm, response, 0);
  }

  /** Whoever was refused may try again. */
  tellOfRoom(): void {
    const { d } = this;
    if (d.ctrl_if_tx_wanted === 0 || d.ctrl_if_suspended !== 0 || this.full) return;
    d.ctrl_if_tx_wanted = 0;
    this.kern.sched.wakeup(this.roomChannel);
    for (let i = 0; i < NSPACE; i++) {
      const func = d.ctrl_if_space.get(i);
      if (func !== 0) this.cpu.call(func);
    }
  }

  /** ctrl_if_enqueue_space_callback, once at boot: leaf() is told whenever there is room again. */
  onSpace(func: number): void {
    const { ctrl_if_space } = this.d;
    for (let i = 0; i < NSPACE; i++) {
      if (ctrl_if_space.get(i) !== 0) continue;
      ctrl_if_space.set(i, func);
      return;
    }
  }

  /** Everybody who still waits for a response is told that none will come: the ring that it would have come in is gone. */
  settleSent(): void {
    const mapping = this.d.ctrl_if_txmsg_id_mapping;
    for (let id = 0; id < CONTROL_RING_SIZE; id++) {
      const tm = mapping.at(id);
      if (tm.tm_used !== 0) this.#tell(tm, 0, ECONNRESET);
    }
  }

  /** ctrl_if_discard_responses: there is a new ring. What the old one had of ids is free. */
  discardResponses(): void {
    const { d, ring } = this;
    d.ctrl_if_tx_resp_cons = ring.tx_resp_prod;
    for (let id = 0; id < CONTROL_RING_SIZE; id++) d.ctrl_if_txmsg_id_mapping.at(id).tm_used = 0;
  }
}
