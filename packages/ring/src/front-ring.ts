/*
 * The front end's half of a shared ring. Its own indices are the owner's to keep, in a struct `front_ring` of the owner's memory:
 * a guest is its pages, so the half itself holds nothing.
 */
import { i64, type Memory, struct, u32, type View } from '@port-xen/layout';
import { FIRST_SLOT, REQ_EVENT, REQ_PROD, RSP_EVENT, RSP_PROD } from './geometry.ts';

/** FRONT_RING's private part. */
export const front_ring = struct('front_ring', {
  /** Requests made, published or not. */
  req_prod_pvt: u32,
  /** Responses taken. */
  rsp_cons: u32,
  /** Slots, a power of two. */
  nr_ents: u32,
  entry_size: u32,
  /** Address of the shared page. */
  sring: i64,
});

/** Makes requests and takes responses. */
export class FrontRing {
  readonly memory: Memory;
  readonly ring: View<typeof front_ring>;

  /** @param address where the owner keeps its `front_ring`, in the memory that also reaches the shared page */
  constructor(memory: Memory, address: number) {
    this.memory = memory;
    this.ring = front_ring.at(memory, address);
  }

  /** SHARED_RING_INIT and FRONT_RING_INIT: an empty ring in a page of zeroes. */
  init(sring: number, entries: number, entrySize: number): void {
    const { ring, memory } = this;
    ring.req_prod_pvt = 0;
    ring.rsp_cons = 0;
    ring.nr_ents = entries;
    ring.entry_size = entrySize;
    ring.sring = sring;
    memory.st32(sring + REQ_PROD, 0);
    memory.st32(sring + REQ_EVENT, 1);
    memory.st32(sring + RSP_PROD, 0);
    memory.st32(sring + RSP_EVENT, 1);
  }

  #slot(index: number): number {
    const { nr_ents, entry_size, sring } = this.ring;
    return sring + FIRST_SLOT + ((index & (nr_ents - 1)) >>> 0) * entry_size;
  }

  /** Slots that can take a request (RING_FREE_REQUESTS). */
  get free(): number {
    const { nr_ents, req_prod_pvt, rsp_cons } = this.ring;
    return nr_ents - ((req_prod_pvt - rsp_cons) >>> 0);
  }

  /** @returns the address of the next request's slot; there must be one {@link free} */
  nextRequest(): number {
    const { ring } = this;
    const at = this.#slot(ring.req_prod_pvt);
    ring.req_prod_pvt = (ring.req_prod_pvt + 1) >>> 0;
    return at;
  }

  /** Publishes the requests. @returns whether the back end asked for an event (RING_PUSH_REQUESTS_AND_CHECK_NOTIFY) */
  pushRequests(): boolean {
    const { memory } = this;
    const { sring, req_prod_pvt } = this.ring;
    const before = memory.ld32(sring + REQ_PROD);
    memory.st32(sring + REQ_PROD, req_prod_pvt);
    const event = memory.ld32(sring + REQ_EVENT);
    return (req_prod_pvt - event) >>> 0 < (req_prod_pvt - before) >>> 0;
  }

  /** Whether the back end claims more responses than there are requests out: its indices are not to be followed. */
  get overflown(): boolean {
    const { sring, req_prod_pvt, rsp_cons } = this.ring;
    const responses = (this.memory.ld32(sring + RSP_PROD) - rsp_cons) >>> 0;
    return responses > (req_prod_pvt - rsp_cons) >>> 0;
  }

  /** @returns the address of the next response; undefined when there is none */
  nextResponse(): number | undefined {
    const { ring } = this;
    const { sring, rsp_cons } = ring;
    if (this.overflown || this.memory.ld32(sring + RSP_PROD) >>> 0 === rsp_cons) return undefined;
    const at = this.#slot(rsp_cons);
    ring.rsp_cons = (rsp_cons + 1) >>> 0;
    return at;
  }

  /** Asks for an event at the next response. @returns whether one came meanwhile (RING_FINAL_CHECK_FOR_RESPONSES) */
  finalCheckForResponses(): boolean {
    const { memory } = this;
    const { sring, rsp_cons } = this.ring;
    memory.st32(sring + RSP_EVENT, rsp_cons + 1);
    return !this.overflown && memory.ld32(sring + RSP_PROD) >>> 0 !== rsp_cons;
  }
}
