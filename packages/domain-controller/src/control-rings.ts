/*
 * The control interface of one domain, `control_if` at byte 2048 of its shared_info's page, as the controller sees it:
 *
 *     tx_ring[8] @0      guest → controller        tx_req_prod  @1024  guest's        tx_resp_prod @1028  ours
 *     rx_ring[8] @512    controller → guest        rx_req_prod  @1032  ours           rx_resp_prod @1036  guest's
 *
 * A message has 64 bytes; a response is put where the oldest request is that has been copied out and not been answered. Indices run freely
 * over 32 bits. The guest can write every byte of the page at any time: its two indices are read once each time, ours are never
 * read back, and a message is copied out of its slot before anybody looks at it.
 */
import { CONTROL_IF_OFFSET, CONTROL_RING_SIZE, control_if, control_msg } from '@port-xen/abi';
import { type Memory, zero } from '@port-xen/layout';

const { offset } = control_if;

/** The guest's indices cannot be: its control interface is of no use any more. */
export class ControlRingError extends Error {
  constructor(what: 'requests' | 'responses', limit: number, producer: number, taken: number) {
    super(
      `expected at most ${limit} ${what} in the control interface, found producer ${producer >>> 0} with ${taken >>> 0} taken`,
    );
    this.name = 'ControlRingError';
  }
}

/** The controller's half of both rings. Messages are copies of 64 bytes. */
export class ControlRings {
  readonly #page: Memory;
  #requestsTaken = 0;
  #responsesPut = 0;
  #requestsPut = 0;
  #responsesTaken = 0;

  /**
   * Begins with rings at rest: the interface is zeroed, as a restore leaves it. The domain must not be running.
   * @param page the page of shared_info, from address 0 on
   */
  constructor(page: Memory) {
    this.#page = page;
    zero(page, CONTROL_IF_OFFSET, control_if.size);
  }

  /** Requests of ours that have no response yet. */
  get unanswered(): number {
    return this.#requestsPut - this.#responsesTaken;
  }

  /** How many requests can be put. */
  get room(): number {
    return CONTROL_RING_SIZE - this.unanswered;
  }

  /**
   * @returns the guest's next request; undefined when there is none
   * @throws ControlRingError
   */
  takeRequest(): Uint8Array | undefined {
    const producer = this.#index(offset.tx_req_prod);
    const unanswered = (producer - this.#responsesPut) >>> 0;
    if (unanswered > CONTROL_RING_SIZE) {
      throw new ControlRingError('requests', CONTROL_RING_SIZE, producer, this.#requestsTaken);
    }
    // A producer that went back lies before what was taken.
    if (unanswered <= this.#requestsTaken - this.#responsesPut) return undefined;
    return this.#read(offset.tx_ring, this.#requestsTaken++);
  }

  /** Answers a request that was taken. */
  putResponse(message: Uint8Array): void {
    this.#write(offset.tx_ring, this.#responsesPut++, message);
    this.#page.st32(CONTROL_IF_OFFSET + offset.tx_resp_prod, this.#responsesPut);
  }

  /** Puts a request of ours. There must be {@link room}. */
  putRequest(message: Uint8Array): void {
    this.#write(offset.rx_ring, this.#requestsPut++, message);
    this.#page.st32(CONTROL_IF_OFFSET + offset.rx_req_prod, this.#requestsPut);
  }

  /**
   * @returns the guest's next response; undefined when there is none
   * @throws ControlRingError
   */
  takeResponse(): Uint8Array | undefined {
    const producer = this.#index(offset.rx_resp_prod);
    const there = (producer - this.#responsesTaken) >>> 0;
    if (there > this.unanswered) {
      throw new ControlRingError('responses', this.unanswered, producer, this.#responsesTaken);
    }
    return there === 0 ? undefined : this.#read(offset.rx_ring, this.#responsesTaken++);
  }

  #index(at: number): number {
    return this.#page.ld32(CONTROL_IF_OFFSET + at);
  }

  #read(ring: number, index: number): Uint8Array {
    const message = new Uint8Array(control_msg.size);
    this.#page.read(slotAt(ring, index), message);
    return message;
  }

  #write(ring: number, index: number, message: Uint8Array): void {
    this.#page.write(slotAt(ring, index), message);
  }
}

const slotAt = (ring: number, index: number): number =>
  CONTROL_IF_OFFSET + ring + (index & (CONTROL_RING_SIZE - 1)) * control_msg.size;
