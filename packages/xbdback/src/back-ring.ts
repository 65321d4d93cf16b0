import type { Memory } from '@port-xen/layout';

const REQ_PROD = 0;
const REQ_EVENT = 4;
const RSP_PROD = 8;
const RSP_EVENT = 12;
const FIRST = 64;

export class BackRing {
  readonly entries: number;
  readonly #page: Memory;
  readonly #entryBytes: number;
  #taken: number;
  #put: number;

  constructor(page: Memory, entries: number, entryBytes: number) {
    this.#page = page;
    this.entries = entries;
    this.#entryBytes = entryBytes;
    this.#put = page.ld32(RSP_PROD);
    this.#taken = this.#put;
  }

  get requestProducer(): number {
    return this.#page.ld32(REQ_PROD) >>> 0;
  }
  get taken(): number {
    return this.#taken >>> 0;
  }
  get requestOverflow(): boolean {
    return (this.#page.ld32(REQ_PROD) - this.#put) >>> 0 > this.entries;
  }

  get full(): boolean {
    return (this.#taken - this.#put) >>> 0 >= this.entries;
  }
  nextRequest(): number | undefined {
    if (this.#page.ld32(REQ_PROD) === this.#taken) return undefined;
    if ((this.#taken - this.#put) >>> 0 >= this.entries) return undefined;
    const at = this.#slot(this.#taken);
    this.#taken = (this.#taken + 1) | 0;
    return at;
  }
  finalCheckForRequests(): boolean {
    this.#page.st32(REQ_EVENT, this.#taken + 1);
    return this.#page.ld32(REQ_PROD) !== this.#taken;
  }
  nextResponse(): number {
    const at = this.#slot(this.#put);
    this.#put = (this.#put + 1) | 0;
    return at;
  }
  pushResponses(): boolean {
    const old = this.#page.ld32(RSP_PROD);
    this.#page.st32(RSP_PROD, this.#put);
    const event = this.#page.ld32(RSP_EVENT);
    return (this.#put - event) >>> 0 < (this.#put - old) >>> 0;
  }
  #slot(index: number): number {
    return FIRST + (index & (this.entries - 1)) * this.#entryBytes;
  }
}
