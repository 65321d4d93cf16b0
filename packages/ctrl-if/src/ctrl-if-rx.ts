/*
 * Requests of the controller.
 *
 *     rx_ring[rx_req_prod] ─► receive ─┬─ leaf(message) at once
 *                                      └─ deferred ─► lwp ctrlif ─► text(message)
 *     rx_ring[rx_resp_prod] ◄─ sendResponse(message), in the order in which handlers are done
 *
 * A request is copied to a place of its own before anything is done with it, and that place's address is what its handler answers. So no
 * response can be given twice, nor to what nobody asked. A request that finds no place stays in the ring until one is free.
 */
import { CONTROL_RING_SIZE } from '@port-xen/abi';
import { kassert } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import {
  ctrl_if_data,
  NRXMSG,
  RXMSG_DEFERRED,
  RXMSG_FREE,
  RXMSG_HANDLED,
  RXMSG_SETTLED,
  rxmsg,
} from './ctrl-if-data.ts';
import { CMSG_MAX, CtrlIfTx } from './ctrl-if-tx.ts';

/** The handler of a type may wait: it is text(message), run by an lwp. */
export const CALLBACK_IN_BLOCKING_CONTEXT = 1;

export class CtrlIfRx extends CtrlIfTx {
  /**
   * ctrl_if_register_receiver.
   * @param func leaf(message), or with CALLBACK_IN_BLOCKING_CONTEXT text(message), which answers by sendResponse, then or later
   * @returns false when the type has a receiver
   */
  registerReceiver(type: number, func: number, flags = 0): boolean {
    const { d } = this;
    if (d.ctrl_if_rxmsg_handler.get(type) !== 0) return false;
    d.ctrl_if_rxmsg_handler.set(type, func);
    d.ctrl_if_rxmsg_blocking_context.set(type, flags);
    return true;
  }

  /** ctrl_if_unregister_receiver. @returns false when the type has another receiver, or none */
  unregisterReceiver(type: number, func: number): boolean {
    const { d } = this;
    if (d.ctrl_if_rxmsg_handler.get(type) !== func) return false;
    d.ctrl_if_rxmsg_handler.set(type, 0);
    d.ctrl_if_rxmsg_blocking_context.set(type, 0);
    return true;
  }

  /** Requests that were taken off this ring and have not been answered. */
  get unanswered(): number {
    const { ctrl_if_rxmsg } = this.d;
    let count = 0;
    for (let i = 0; i < NRXMSG; i++) {
      const { rm_state } = ctrl_if_rxmsg.at(i);
      if (rm_state === RXMSG_DEFERRED || rm_state === RXMSG_HANDLED) count++;
    }
    return count;
  }

  /** Requests in the ring; 0 also when the indices make no sense. */
  get #waiting(): number {
    const waiting = (this.ring.rx_req_prod - this.d.ctrl_if_rx_req_cons) >>> 0;
    return waiting > CONTROL_RING_SIZE - this.unanswered ? 0 : waiting;
  }

  /** The rx tasklet: takes the requests that there are. */
  receive(): void {
    const { d, ring } = this;
    for (let waiting = this.#waiting; waiting > 0; waiting--) {
      const rm = this.#freePlace();
      d.ctrl_if_rx_backlog = rm === undefined ? 1 : 0;
      if (rm === undefined) return;
      const slot = ring.rx_ring.address(d.ctrl_if_rx_req_cons % CONTROL_RING_SIZE);
      this.copyMsg(rm.rm_msg.address, slot);
      d.ctrl_if_rx_req_cons = (d.ctrl_if_rx_req_cons + 1) >>> 0;
      this.#received(rm);
    }
  }

  #freePlace(): View<typeof rxmsg> | undefined {
    const { ctrl_if_rxmsg } = this.d;
    for (let i = 0; i < NRXMSG; i++) {
      const rm = ctrl_if_rxmsg.at(i);
      if (rm.rm_state === RXMSG_FREE) return rm;
    }
    return undefined;
  }

  #received(rm: View<typeof rxmsg>): void {
    const { d } = this;
    const { type, length, address } = rm.rm_msg;
    rm.rm_state = RXMSG_HANDLED;
    const func = d.ctrl_if_rxmsg_handler.get(type);
    if (length > CMSG_MAX) d.ctrl_if_refused++;
    if (length > CMSG_MAX || func === 0) this.refuse(address);
    else if (d.ctrl_if_rxmsg_blocking_context.get(type) === 0) {
      this.cpu.call(func, address);
    } else {
      rm.rm_state = RXMSG_DEFERRED;
      // As long as the requests' own table, so it is never full.
      const at = d.ctrl_if_rxmsg_deferred_prod % NRXMSG;
      d.ctrl_if_rxmsg_deferred.set(at, (rm.address - d.ctrl_if_rxmsg.address(0)) / rxmsg.size);
      d.ctrl_if_rxmsg_deferred_prod = (d.ctrl_if_rxmsg_deferred_prod + 1) >>> 0;
      this.kern.sched.wakeup(this.deferredChannel);
    }
  }

  /** ctrl_if_rxmsg_default_handler: the answer to what nobody handles has no payload. */
  refuse(msg: number): void {
    this.msgAt(msg).length = 0;
    this.sendResponse(msg);
  }

  /** What the lwp sleeps on. */
  get deferredChannel(): number {
    return this.data + ctrl_if_data.offset.ctrl_if_rxmsg_deferred;
  }

  /** The oldest request that waits for the lwp, which handles it from here on. @returns its address, 0 when there is none */
  takeDeferred(): number {
    const { d } = this;
    if (d.ctrl_if_rxmsg_deferred_cons === d.ctrl_if_rxmsg_deferred_prod) return 0;
    const at = d.ctrl_if_rxmsg_deferred.get(d.ctrl_if_rxmsg_deferred_cons % NRXMSG);
    d.ctrl_if_rxmsg_deferred_cons = (d.ctrl_if_rxmsg_deferred_cons + 1) >>> 0;
    const rm = d.ctrl_if_rxmsg.at(at);
    rm.rm_state = RXMSG_HANDLED;
    return rm.rm_msg.address;
  }

  /**
   * ctrl_if_send_response: answers a request, once.
   * @param msg the address that the handler was given @returns false when it has been answered already, or is none
   */
  sendResponse(msg: number): boolean {
    const { d } = this;
    const at = (msg - d.ctrl_if_rxmsg.address(0) - rxmsg.offset.rm_msg) / rxmsg.size;
    if (!Number.isInteger(at) || at < 0 || at >= NRXMSG) return false;
    const rm = d.ctrl_if_rxmsg.at(at);
    const state = rm.rm_state;
    if (state !== RXMSG_HANDLED && state !== RXMSG_SETTLED) return false;
    rm.rm_state = RXMSG_FREE;
    // The lwp looks at the ring again.
    if (d.ctrl_if_rx_backlog !== 0) this.kern.sched.wakeup(this.deferredChannel);
    if (state === RXMSG_SETTLED) return false;
    this.#respond(msg, this.msgAt(msg).length);
    return true;
  }

  #respond(msg: number, length: number): void {
    const { ring } = this;
    kassert(
      length <= CMSG_MAX,
      `ctrl_if: expected at most ${CMSG_MAX} bytes in a response, found ${length}`,
    );
    const slot = ring.rx_ring.address(ring.rx_resp_prod % CONTROL_RING_SIZE);
    this.copyMsg(slot, msg);
    this.msgAt(slot).length = length;
    ring.rx_resp_prod = (ring.rx_resp_prod + 1) >>> 0;
    this.notify();
    this.wakeDrain();
  }

  /** Whether all that the controller has asked is answered. */
  get drainedReceived(): boolean {
    return this.unanswered === 0 && this.#waiting === 0;
  }

  /** What the controller has asked and nobody has answered is answered for whoever should have. */
  settleReceived(): void {
    const { d } = this;
    d.ctrl_if_rxmsg_deferred_cons = d.ctrl_if_rxmsg_deferred_prod;
    for (let i = 0; i < NRXMSG; i++) {
      const rm = d.ctrl_if_rxmsg.at(i);
      const state = rm.rm_state;
      if (state !== RXMSG_DEFERRED && state !== RXMSG_HANDLED) continue;
      rm.rm_state = state === RXMSG_DEFERRED ? RXMSG_FREE : RXMSG_SETTLED;
      // Its handler goes on with the request as it was.
      this.#respond(rm.rm_msg.address, 0);
    }
  }

  /** What a suspend sleeps on until something is answered. */
  get drainChannel(): number {
    return this.data + ctrl_if_data.offset.ctrl_if_draining;
  }

  wakeDrain(): void {
    if (this.d.ctrl_if_draining !== 0) this.kern.sched.wakeup(this.drainChannel);
  }
}
