/*
 * The front end's half of Xen 2's block ring (io/blkif.h of Xen 2): no events are asked for, each push is told of. The private
 * indices are in the softc; those of the page are the back end's to write as well.
 */
import { XEN2_BLKIF_RING_SIZE, xen2_blkif_ring, xen2_blkif_ring_entry } from '@port-xen/abi';
import type { Memory } from '@port-xen/layout';
import type { BlkifSoftc } from './blkif-data.ts';

const { req_prod, resp_prod, ring } = xen2_blkif_ring.offset;

export class BlkifRing {
  readonly memory: Memory;
  readonly sc: BlkifSoftc;

  constructor(memory: Memory, sc: BlkifSoftc) {
    this.memory = memory;
    this.sc = sc;
  }

  /** An empty ring. */
  init(): void {
    this.memory.write(this.sc.if_ring_page, new Uint8Array(xen2_blkif_ring.size));
    this.sc.if_req_prod = 0;
    this.sc.if_resp_cons = 0;
  }

  #slot(index: number): number {
    const at = index & (XEN2_BLKIF_RING_SIZE - 1);
    return this.sc.if_ring_page + ring + at * xen2_blkif_ring_entry.size;
  }

  /** Requests made that are not answered. */
  get #out(): number {
    return (this.sc.if_req_prod - this.sc.if_resp_cons) >>> 0;
  }

  /** Responses that the back end says are there. */
  get #there(): number {
    return (this.memory.ld32(this.sc.if_ring_page + resp_prod) - this.sc.if_resp_cons) >>> 0;
  }

  get free(): number {
    return XEN2_BLKIF_RING_SIZE - this.#out;
  }

  /** @returns the address of the next request's slot; there must be one {@link free} */
  nextRequest(): number {
    const { sc } = this;
    const at = this.#slot(sc.if_req_prod);
    sc.if_req_prod = (sc.if_req_prod + 1) >>> 0;
    return at;
  }

  /** Publishes the requests. */
  push(): void {
    this.memory.st32(this.sc.if_ring_page + req_prod, this.sc.if_req_prod);
  }

  /** Whether the back end claims more responses than there are requests out. */
  get overflown(): boolean {
    return this.#there > this.#out;
  }

  /** @returns the address of the next response; undefined when there is none */
  nextResponse(): number | undefined {
    if (this.#there === 0 || this.overflown) return undefined;
    const at = this.#slot(this.sc.if_resp_cons);
    this.sc.if_resp_cons = (this.sc.if_resp_cons + 1) >>> 0;
    return at;
  }
}
