/*
 * The back end's half of a shared ring (io/ring.h). The page, of which the guest can write every byte at any time:
 *
 *     req_prod u32@0 · req_event u32@4 · rsp_prod u32@8 · rsp_event u32@12 · slots from @64 on
 *
 * Indices run freely over 32 bits; a slot's number is its index modulo the number of slots. Two indices are this side's own
 * and are never read back from the page: how many requests were taken, how many responses were put. So whatever the
 * guest stores, a slot is answered only after it was taken, and no more are taken than there are slots.
 */
import type { Memory } from '@port-xen/layout';

import { FIRST_SLOT, REQ_EVENT, REQ_PROD, RSP_EVENT, RSP_PROD } from './geometry.ts';

/** Takes requests from a ring page and puts responses into it. */
export class BackRing {
  /** How many slots there are. */
  readonly entries: number;
  readonly #page: Memory;
  readonly #slotBytes: number;
  #taken: number;
  #put: number;

  /**
   * Takes up a ring where its front end left it: at rest, the next request being the one after the last response.
   * @param page the ring page, from address 0 on
   * @param entries a power of two
   */
  constructor(page: Memory, entries: number, slotBytes: number) {
    this.#page = page;
    this.entries = entries;
    this.#slotBytes = slotBytes;
    this.#put = page.ld32(RSP_PROD);
    this.#taken = this.#put;
  }

  /** What the guest says it has produced. */
  get requestProducer(): number {
    return this.#page.ld32(REQ_PROD) >>> 0;
  }

  /** Requests taken so far, as a free-running index. */
  get taken(): number {
    return this.#taken >>> 0;
  }

  /** Requests that the guest says are there to be taken. */
  get available(): number {
    return (this.#page.ld32(REQ_PROD) - this.#taken) >>> 0;
  }

  /** The guest claims more requests than there are slots (RING_REQUEST_PROD_OVERFLOW). */
  get overflown(): boolean {
    return (this.#page.ld32(REQ_PROD) - this.#put) >>> 0 > this.entries;
  }

  /** Every slot holds a request that has not been answered (RING_REQUEST_CONS_OVERFLOW). */
  get full(): boolean {
    return (this.#taken - this.#put) >>> 0 >= this.entries;
  }

  /** @returns the address of the next request; undefined when there is none, or when the ring is {@link full} */
  nextRequest(): number | undefined {
    if (this.full || this.#page.ld32(REQ_PROD) === this.#taken) return undefined;
    const at = this.#slot(this.#taken);
    this.#taken = (this.#taken + 1) | 0;
    return at;
  }

  /** Asks for an event when `count` requests are there. @returns whether they are already (RING_FINAL_CHECK_FOR_REQUESTS) */
  finalCheckForRequests(count = 1): boolean {
    this.#page.st32(REQ_EVENT, this.#taken + count);
    return this.available >= count;
  }

  /** @returns the address where the next response goes */
  nextResponse(): number {
    const at = this.#slot(this.#put);
    this.#put = (this.#put + 1) | 0;
    return at;
  }

  /** Publishes the responses. @returns whether the guest asked for an event (RING_PUSH_RESPONSES_AND_CHECK_NOTIFY) */
  pushResponses(): boolean {
    const before = this.#page.ld32(RSP_PROD);
    this.#page.st32(RSP_PROD, this.#put);
    const event = this.#page.ld32(RSP_EVENT);
    return (this.#put - event) >>> 0 < (this.#put - before) >>> 0;
  }

  #slot(index: number): number {
    return FIRST_SLOT + (index & (this.entries - 1)) * this.#slotBytes;
  }
}
