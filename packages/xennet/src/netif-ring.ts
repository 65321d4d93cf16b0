/*
 * The front end's half of Xen 2's network rings (io/netif.h of Xen 2): 256 slots of 12 bytes, indices that run freely, an event when the
 * back end's producer passes `event`. Private indices are in the softc; those of the page are the back end's to write as well.
 */
import { XEN2_NETIF_RING_SIZE, xen2_netif_tx_request } from '@port-xen/abi';
import { type Memory, type View, zero } from '@port-xen/layout';
import type { netif_indices } from './netif-data.ts';

/** Where a ring's words and slots are, bytes. */
export interface NetifGeometry {
  readonly req_prod: number;
  readonly resp_prod: number;
  readonly event: number;
  readonly ring: number;
}

const SLOT_BYTES = xen2_netif_tx_request.size;
const PAGE_BYTES = 4096;

export class NetifRing {
  readonly memory: Memory;
  readonly indices: View<typeof netif_indices>;
  readonly at: NetifGeometry;

  constructor(memory: Memory, indices: View<typeof netif_indices>, at: NetifGeometry) {
    this.memory = memory;
    this.indices = indices;
    this.at = at;
  }

  /** An empty ring; the first response raises an event. */
  init(): void {
    const { indices, memory, at } = this;
    zero(memory, indices.page, PAGE_BYTES);
    indices.req_prod = 0;
    indices.resp_cons = 0;
    memory.st32(indices.page + at.event, 1);
  }

  #slot(index: number): number {
    return this.indices.page + this.at.ring + (index & (XEN2_NETIF_RING_SIZE - 1)) * SLOT_BYTES;
  }

  /** Requests made that are not answered. */
  get out(): number {
    return (this.indices.req_prod - this.indices.resp_cons) >>> 0;
  }

  get free(): number {
    return XEN2_NETIF_RING_SIZE - this.out;
  }

  get #there(): number {
    const { page, resp_cons } = this.indices;
    return (this.memory.ld32(page + this.at.resp_prod) - resp_cons) >>> 0;
  }

  /** @returns the address of the next request's slot; there must be one {@link free} */
  nextRequest(): number {
    const { indices } = this;
    const at = this.#slot(indices.req_prod);
    indices.req_prod = (indices.req_prod + 1) >>> 0;
    return at;
  }

  /** Publishes the requests. */
  push(): void {
    this.memory.st32(this.indices.page + this.at.req_prod, this.indices.req_prod);
  }

  /** Whether the back end claims more responses than there are requests out. */
  get overflown(): boolean {
    return this.#there > this.out;
  }

  /** @returns the address of the next response; undefined when there is none */
  nextResponse(): number | undefined {
    if (this.#there === 0 || this.overflown) return undefined;
    const at = this.#slot(this.indices.resp_cons);
    this.indices.resp_cons = (this.indices.resp_cons + 1) >>> 0;
    return at;
  }

  /** Asks for an event at the next response. @returns whether one came meanwhile */
  finalCheck(): boolean {
    const { memory, indices } = this;
    memory.st32(indices.page + this.at.event, indices.resp_cons + 1);
    return this.#there > 0 && !this.overflown;
  }
}
