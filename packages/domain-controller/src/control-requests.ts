/*
 * The controller's requests to one guest: which wait for room, which are in the ring, and who is to be told of each one's end, once.
 *
 *     add ─▶ waiting ─ next ─▶ in the ring, with an id ─ answered ─▶ told
 *              └─ taken back, or in vain ─▶ told        └─ in vain ─▶ told; the id is not given again before its response came
 *
 * A farewell is a request after which the domain may leave its pages: once it is in the ring no other is put there, until it has failed, the
 * domain has been away and goes on where it was, or a minute after its response.
 */
import { control_msg } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import { PAYLOAD_BYTES } from './control-message.ts';

/** Who sent a request: one of the two is called, once, later. */
export interface Sender {
  /** @param response 64 bytes of the guest's, of the type, subtype and id that were sent */
  answered(response: Uint8Array): void;
  /** @param error says why there will be no response, or none that anybody waits for */
  failed(error: Error): void;
}

/** How a request is sent. */
export interface SendOptions {
  /** How long the response may take, from now on; for ever, if it is not given. */
  readonly patience_ns?: number;
  /** The domain may leave its pages because of it. */
  readonly farewell?: boolean;
}

/** A request, until its end has been told. */
interface Sent {
  readonly message: Uint8Array;
  readonly sender: Sender;
  readonly farewell: boolean;
  timer: number | undefined;
  /** Nobody waits any more. */
  over: boolean;
}

/** How long a domain may take to suspend itself once it has said that it will. */
const FAREWELL_NS = 60_000_000_000;
/** Ids are one byte, and 255 means none. */
const IDS = 255;
/** What may wait for room: far more than everybody together sends without waiting for answers. */
const MAX_WAITING = 1024;

/** Requests on their way. */
export class ControlRequests {
  readonly #sim: Sim;
  readonly #domid: number;
  readonly #waiting: Sent[] = [];
  readonly #sent = new Map<number, Sent>();
  #nextId = 0;
  /** A farewell is under way: asked, or answered and `down` once the domain has shut down. */
  #farewell: 'none' | 'asked' | 'down' = 'none';
  #farewellTimer: number | undefined;
  #stopped = false;

  constructor(sim: Sim, domid: number) {
    this.#sim = sim;
    this.#domid = domid;
  }

  /** Whether any wait for room. */
  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * @param message 64 bytes; its id is given when it is put
   * @returns takes it back if it has not been put yet, and tells whether it did; then nobody is told anything
   */
  add(message: Uint8Array, sender: Sender, options: SendOptions): () => boolean {
    const { patience_ns, farewell = false } = options;
    const sent: Sent = { message, sender, farewell, timer: undefined, over: false };
    if (this.#stopped || this.#waiting.length >= MAX_WAITING) {
      this.#failLater(sent, this.#stopped ? 'has no control interface' : 'answers too little');
      return () => false;
    }
    if (patience_ns !== undefined) {
      sent.timer = this.#sim.after(patience_ns, () => this.#timedOut(sent));
    }
    this.#waiting.push(sent);
    return () => this.#withdraw(sent);
  }

  /** Whether one may be put into the pages of the domain, which runs. */
  get mayPut(): boolean {
    // It runs on where it was.
    if (this.#farewell === 'down') this.#farewellOver();
    return this.#farewell === 'none';
  }

  /** @returns the next one to be put, with its id; one must be {@link waiting} */
  next(): Uint8Array {
    const sent = this.#waiting.shift() as Sent;
    // At most eight are in the ring, so there is one.
    while (this.#sent.has(this.#nextId)) this.#nextId = (this.#nextId + 1) % IDS;
    const id = this.#nextId;
    this.#nextId = (id + 1) % IDS;
    control_msg.at(new BytesMemory(sent.message), 0).id = id;
    this.#sent.set(id, sent);
    if (sent.farewell) this.#farewell = 'asked';
    return sent.message;
  }

  /** A response of the guest's. @returns what is wrong with it; undefined if nothing is */
  answered(message: Uint8Array): string | undefined {
    const { id, type, subtype, length } = control_msg.at(new BytesMemory(message), 0);
    const sent = this.#sent.get(id);
    const asked = sent && control_msg.at(new BytesMemory(sent.message), 0);
    if (sent === undefined || asked?.type !== type || asked.subtype !== subtype) {
      return `expected responses to requests only, found one of id ${id}, type ${type}, subtype ${subtype}`;
    }
    this.#sent.delete(id);
    if (sent.over) return undefined;
    this.#end(sent);
    if (sent.farewell && this.#farewell !== 'none') {
      this.#farewellTimer = this.#sim.after(FAREWELL_NS, () => this.#farewellOver());
    }
    if (length <= PAYLOAD_BYTES) sent.sender.answered(message);
    else sent.sender.failed(this.#error(`answered with a length of ${length}`));
    return undefined;
  }

  /** The domain has shut down. */
  domainShutDown(): void {
    if (this.#farewell === 'asked') this.#farewell = 'down';
  }

  /** There will be no responses any more. */
  stop(): void {
    this.#stopped = true;
    this.#farewellOver();
    for (const sent of [...this.#sent.values(), ...this.#waiting]) {
      if (!sent.over) this.#failLater(sent, 'has lost its control interface');
    }
    this.#sent.clear();
    this.#waiting.length = 0;
  }

  #withdraw(sent: Sent): boolean {
    const at = this.#waiting.indexOf(sent);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    this.#end(sent);
    return true;
  }

  #timedOut(sent: Sent): void {
    const at = this.#waiting.indexOf(sent);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#fail(sent, 'did not answer in time');
  }

  #failLater(sent: Sent, why: string): void {
    if (sent.timer !== undefined) this.#sim.cancel(sent.timer);
    sent.timer = this.#sim.after(0, () => this.#fail(sent, why));
  }

  #fail(sent: Sent, why: string): void {
    if (sent.over) return;
    this.#end(sent);
    if (sent.farewell && this.#farewell === 'asked') this.#farewellOver();
    sent.sender.failed(this.#error(why));
  }

  #end(sent: Sent): void {
    sent.over = true;
    if (sent.timer !== undefined) this.#sim.cancel(sent.timer);
  }

  #farewellOver(): void {
    this.#farewell = 'none';
    if (this.#farewellTimer !== undefined) this.#sim.cancel(this.#farewellTimer);
    this.#farewellTimer = undefined;
  }

  #error(why: string): Error {
    return new Error(`domain ${this.#domid} ${why}`);
  }
}
