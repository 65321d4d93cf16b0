/*
 * A domain's connection: struct xenstore_domain_interface (io/xs_wire.h) in a page that the domain shares.
 *
 *     req[1024] @0     domain to daemon      req_cons @2048 (daemon's)   req_prod @2052 (domain's)
 *     rsp[1024] @1024  daemon to domain      rsp_cons @2056 (domain's)   rsp_prod @2060 (daemon's)
 *     server_features @2064   connection @2068   error @2072
 *
 * Indices run freely modulo 2^32. They are read once for each step and believed only if at most 1024 bytes lie
 * between them; each is written with one 32-bit store. A message may lie across the ring's end, come in pieces, or
 * be larger than the ring. A domain that does not take its replies is not read from any further.
 */
import {
  XENSTORE_ERROR_PROTO,
  XENSTORE_ERROR_RINGIDX,
  XENSTORE_RING_SIZE,
  XENSTORE_SERVER_FEATURE_ERROR,
  xenstore_domain_interface,
} from '@port-xen/abi';
import type { Memory } from '@port-xen/layout';
import type { OutgoingQueue } from './outgoing-queue.ts';
import { type Message, MessageDecoder } from './wire.ts';

const { req, rsp, req_cons, req_prod, rsp_cons, rsp_prod, server_features, connection, error } =
  xenstore_domain_interface.offset;

/** What a ring connection does with requests, and when it must pause. */
export interface RingHandler {
  /** Handles one request; replies and events come back through {@link RingConnection.outgoing}. */
  request(message: Message): void;
  /** The connection is of no use any more; drop what hangs on it. */
  broken(reason: 'ring indices' | 'message too long'): void;
}

/** The daemon's end of one domain's ring. */
export class RingConnection {
  readonly outgoing: OutgoingQueue;
  #memory: Memory;
  #notify: () => void;
  readonly #decoder = new MessageDecoder();
  readonly #handler: RingHandler;
  readonly #outstanding: number;
  #broken = false;

  /**
   * @param memory the page, from address 0 on
   * @param notify sends the domain an event
   * @param outstanding how many untaken replies stop the reading
   */
  constructor(
    memory: Memory,
    notify: () => void,
    outgoing: OutgoingQueue,
    outstanding: number,
    handler: RingHandler,
  ) {
    this.#memory = memory;
    this.#notify = notify;
    this.outgoing = outgoing;
    this.#outstanding = outstanding;
    this.#handler = handler;
  }

  /** The domain broke the protocol; nothing is read or written until it is introduced again. */
  get isBroken(): boolean {
    return this.#broken;
  }

  /** Bytes of a request that has not come entirely. */
  get partial(): Uint8Array {
    return this.#decoder.partial;
  }

  /** Starts over on a page, perhaps the same: nothing half read or unsent is left, and both rings are empty. */
  reset(memory: Memory, notify: () => void): void {
    this.#memory = memory;
    this.#notify = notify;
    this.#broken = false;
    this.#decoder.reset();
    this.outgoing.clear();
    for (const index of [req_cons, req_prod, rsp_cons, rsp_prod, error, connection]) {
      memory.st32(index, 0);
    }
    memory.st32(server_features, XENSTORE_SERVER_FEATURE_ERROR);
  }

  /** Goes on after the bytes of a request that another daemon took from the ring. */
  resume(partial: Uint8Array): void {
    for (let at = 0; at < partial.length; ) {
      const end = at + Math.min(this.#decoder.wanted, partial.length - at);
      const message = this.#decoder.take(partial.subarray(at, end));
      if (message !== undefined || end === at) {
        throw new Error(
          `expected the beginning of one message of a ring, found ${partial.length} bytes that are more`,
        );
      }
      at = end;
    }
  }

  /** Leaves the page alone from now on. */
  close(): void {
    this.#broken = true;
    this.outgoing.clear();
  }

  /** Takes requests and hands out replies until neither can go on; then tells the domain, if anything moved. */
  run(): void {
    let moved = false;
    while (!this.#broken) {
      const read = this.#read();
      const written = !this.#broken && this.#write();
      if (!read && !written) break;
      moved = true;
    }
    if (moved) this.#notify();
  }

  #read(): boolean {
    if (this.outgoing.replies >= this.#outstanding) return false;
    const cons = this.#memory.ld32(req_cons);
    const available = (this.#memory.ld32(req_prod) - cons) >>> 0;
    if (available > XENSTORE_RING_SIZE) return this.#fail(XENSTORE_ERROR_RINGIDX);
    if (available === 0) return false;
    const offset = cons & (XENSTORE_RING_SIZE - 1);
    const count = Math.min(available, XENSTORE_RING_SIZE - offset, this.#decoder.wanted);
    const bytes = new Uint8Array(count);
    this.#memory.read(req + offset, bytes);
    this.#memory.st32(req_cons, cons + count);
    const message = this.#decoder.take(bytes);
    if (this.#decoder.broken) return this.#fail(XENSTORE_ERROR_PROTO);
    if (message !== undefined) this.#handler.request(message);
    return true;
  }

  #write(): boolean {
    const bytes = this.outgoing.peek();
    if (bytes === undefined) return false;
    const prod = this.#memory.ld32(rsp_prod);
    const used = (prod - this.#memory.ld32(rsp_cons)) >>> 0;
    if (used > XENSTORE_RING_SIZE) return this.#fail(XENSTORE_ERROR_RINGIDX);
    if (used === XENSTORE_RING_SIZE) return false;
    const offset = prod & (XENSTORE_RING_SIZE - 1);
    const count = Math.min(bytes.length, XENSTORE_RING_SIZE - used, XENSTORE_RING_SIZE - offset);
    this.#memory.write(rsp + offset, bytes.subarray(0, count));
    this.#memory.st32(rsp_prod, prod + count);
    this.outgoing.advance(count);
    return true;
  }

  #fail(code: number): false {
    this.#broken = true;
    this.outgoing.clear();
    this.#decoder.reset();
    this.#memory.st32(error, code);
    this.#handler.broken(code === XENSTORE_ERROR_PROTO ? 'message too long' : 'ring indices');
    this.#notify();
    return false;
  }
}
