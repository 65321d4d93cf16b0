/*
 * One domain's control interface while it has one: the rings, the event channel, and who waits for which response.
 *
 *     guest's event ─▶ responses: to who asked ─▶ requests: to their receiver, answered at once ─▶ what waits is put ─▶ event to the guest
 *
 * A domain that suspends itself has settled what is in both rings: nothing is put there from the moment it is asked to, and nothing that it
 * has put is taken once it has suspended; it will be put again, wherever the domain goes on. So a request of ours waits in a queue until
 * there is room in the ring and the domain goes on. Whoever sends one is told once: of its response, or of why there will be none. A response
 * that is late finds nobody; its id is not given again before it came, so it cannot be taken for another's.
 *
 * What the guest does against the protocol (more messages than slots, a response to nothing) ends its control interface, with a
 * sentence; nothing of it is looked at any more until it is connected anew.
 */
import { control_msg } from '@port-xen/abi';
import type { Dom0, FrameMapping } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import { MSG, PAYLOAD_BYTES } from './control-message.ts';
import { ControlRingError, ControlRings } from './control-rings.ts';

/** What Xen does for the controller of a domain. */
export type ControlXen = Pick<Dom0, 'mapForeign' | 'bindInterdomain' | 'notify' | 'close'>;

/** Who sent a request: one of the two is called, once, later. */
export interface Sender {
  /** @param response 64 bytes of the guest's, of the type, subtype and id that were sent */
  answered(response: Uint8Array): void;
  /** @param error says why there will be no response, or none that anybody waits for */
  failed(error: Error): void;
}

/** What a channel is made of. */
export interface ControlChannelParts {
  readonly sim: Sim;
  readonly dom0: ControlXen;
  readonly domid: number;
  /** Does what a request of the guest's says and answers it in place. Its length is at most 60. */
  readonly receive: (message: Uint8Array) => void;
  /** The domain has shut down: nothing may be put into its pages. */
  readonly isShutDown: () => boolean;
  /** The domain has suspended: what it has put is not to be taken. */
  readonly hasSuspended: () => boolean;
  /** The guest broke the protocol; the sentence says how. */
  readonly onBroken: (sentence: string) => void;
}

/** How a request is sent. */
export interface SendOptions {
  /** How long the response may take, from now on; for ever, if it is not given. */
  readonly patience_ns?: number;
  /** The domain may leave its pages because of it: once it is put nothing else is, until it has come to nothing or the domain goes on. */
  readonly farewell?: boolean;
}

interface Sent {
  readonly message: Uint8Array;
  readonly sender: Sender;
  readonly farewell: boolean;
  timer: number | undefined;
  /** Nobody waits any more. */
  over: boolean;
}

const RETRY_NS = 1_000_000;
/** How long a domain may take to suspend itself once it has said that it will. */
const FAREWELL_NS = 60_000_000_000;
/** Ids are one byte, and 255 means none. */
const IDS = 255;
/** What may wait for room: far more than everybody together sends without waiting for answers. */
const MAX_WAITING = 1024;

/** Messages both ways between one domain and its controller. */
export class ControlChannel {
  readonly #parts: ControlChannelParts;
  readonly #mapping: FrameMapping;
  readonly #rings: ControlRings;
  readonly #port: number;
  readonly #waiting: Sent[] = [];
  readonly #sent = new Map<number, Sent>();
  #nextId = 0;
  #retry: number | undefined;
  /** A farewell is under way: asked, or answered and `down` once the domain has shut down. */
  #farewell: 'none' | 'asked' | 'down' = 'none';
  #farewellTimer: number | undefined;
  #stopped = false;
  #toldOfLength = false;

  /**
   * Takes up the control interface of a domain that does not run.
   * @param mfn shared_info's frame
   * @param port the guest's
   * @throws XenError when the frame or the port is no good; nothing is held then
   */
  constructor(parts: ControlChannelParts, mfn: number, port: number) {
    this.#parts = parts;
    this.#mapping = parts.dom0.mapForeign(parts.domid, mfn);
    try {
      this.#port = parts.dom0.bindInterdomain(parts.domid, port, () => this.#guarded());
    } catch (error) {
      this.#mapping.unmap();
      throw error;
    }
    this.#rings = new ControlRings(this.#mapping.memory);
  }

  /** Requests that wait for room. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Sends a request, now or when there is room.
   * @param message 64 bytes; its id is given here
   * @returns takes it back if it has not been put into the ring yet, and tells whether it did; then nobody is told anything
   */
  send(message: Uint8Array, sender: Sender, options: SendOptions = {}): () => boolean {
    const { patience_ns, farewell = false } = options;
    const sent: Sent = { message, sender, farewell, timer: undefined, over: false };
    if (this.#stopped || this.#waiting.length >= MAX_WAITING) {
      const why = this.#stopped ? 'has no control interface' : 'answers too little';
      sent.timer = this.#parts.sim.after(0, () => this.#fail(sent, why));
      return () => false;
    }
    if (patience_ns !== undefined) {
      sent.timer = this.#parts.sim.after(patience_ns, () => this.#timedOut(sent));
    }
    this.#waiting.push(sent);
    this.#soon(0);
    return () => this.#withdraw(sent);
  }

  /** Takes what is there and puts what waits, without waiting for an event. */
  takeUp(): void {
    this.#guarded();
  }

  /** The domain has shut down: takes what it has put last, without waiting for its event. */
  domainShutDown(): void {
    if (this.#farewell === 'asked') this.#farewell = 'down';
    this.#guarded();
  }

  /** Lets go of the page and the port. Whoever waits for a response is told that there will be none. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const { sim, dom0 } = this.#parts;
    if (this.#retry !== undefined) sim.cancel(this.#retry);
    this.#farewellOver();
    dom0.close(this.#port);
    this.#mapping.unmap();
    for (const sent of [...this.#sent.values(), ...this.#waiting]) {
      if (sent.over) continue;
      if (sent.timer !== undefined) sim.cancel(sent.timer);
      sent.timer = sim.after(0, () => this.#fail(sent, 'has lost its control interface'));
    }
    this.#sent.clear();
    this.#waiting.length = 0;
  }

  #guarded(): void {
    if (this.#stopped) return;
    try {
      let moved = this.#takeResponses();
      moved = this.#takeRequests() || moved;
      moved = this.#put() || moved;
      // A receiver may have been what ended it.
      if (moved && !this.#stopped) this.#parts.dom0.notify(this.#port);
    } catch (error) {
      if (!(error instanceof ControlRingError)) throw error;
      this.#broken(error.message);
    }
  }

  #broken(sentence: string): void {
    this.stop();
    this.#parts.onBroken(sentence);
  }

  /** The guest does not run meanwhile, so there are never more than the ring holds. */
  #takeRequests(): boolean {
    let any = false;
    for (;;) {
      if (this.#stopped) return any;
      if (this.#parts.hasSuspended()) {
        this.#soon(RETRY_NS);
        return any;
      }
      const message = this.#rings.takeRequest();
      if (message === undefined) return any;
      any = true;
      this.#trace('ctrl-request', message);
      this.#receive(message);
      if (this.#stopped) continue;
      this.#trace('ctrl-response', message);
      this.#rings.putResponse(message);
    }
  }

  #receive(message: Uint8Array): void {
    const view = control_msg.at(new BytesMemory(message), 0);
    const { length, type, subtype } = view;
    if (length <= PAYLOAD_BYTES) {
      this.#parts.receive(message);
      return;
    }
    view.length = 0;
    if (this.#toldOfLength) return;
    this.#toldOfLength = true;
    this.#tell(
      `expected at most ${PAYLOAD_BYTES} bytes in a message, found ${length} in one of type ${type}, subtype ${subtype}`,
    );
  }

  #takeResponses(): boolean {
    let any = false;
    for (;;) {
      const message = this.#stopped ? undefined : this.#rings.takeResponse();
      if (message === undefined) return any;
      any = true;
      this.#trace('ctrl-answer', message);
      this.#answered(message);
    }
  }

  #answered(message: Uint8Array): void {
    const { id, type, subtype, length } = control_msg.at(new BytesMemory(message), 0);
    const sent = this.#sent.get(id);
    const asked = sent && control_msg.at(new BytesMemory(sent.message), 0);
    if (sent === undefined || asked?.type !== type || asked.subtype !== subtype) {
      this.#broken(
        `expected responses to requests only, found one of id ${id}, type ${type}, subtype ${subtype}`,
      );
      return;
    }
    this.#sent.delete(id);
    if (sent.over) return;
    this.#end(sent);
    if (sent.farewell && this.#farewell !== 'none') {
      this.#farewellTimer = this.#parts.sim.after(FAREWELL_NS, () => this.#farewellOver());
    }
    if (length <= PAYLOAD_BYTES) sent.sender.answered(message);
    else sent.sender.failed(this.#error(`answered with a length of ${length}`));
  }

  /** Puts what waits, as far as there is room. @returns whether anything was put */
  #put(): boolean {
    let any = false;
    while (!this.#stopped && this.#waiting.length > 0 && this.#rings.room > 0) {
      if (!this.#mayPut()) {
        this.#soon(RETRY_NS);
        return any;
      }
      const sent = this.#waiting.shift() as Sent;
      const id = this.#freeId();
      control_msg.at(new BytesMemory(sent.message), 0).id = id;
      this.#sent.set(id, sent);
      this.#trace('ctrl-ask', sent.message);
      this.#rings.putRequest(sent.message);
      if (sent.farewell) this.#farewell = 'asked';
      any = true;
    }
    return any;
  }

  #mayPut(): boolean {
    if (this.#parts.isShutDown()) return false;
    // It runs on where it was.
    if (this.#farewell === 'down') this.#farewellOver();
    return this.#farewell === 'none';
  }

  #farewellOver(): void {
    this.#farewell = 'none';
    if (this.#farewellTimer !== undefined) this.#parts.sim.cancel(this.#farewellTimer);
    this.#farewellTimer = undefined;
  }

  /** At most eight are used, so there is one. */
  #freeId(): number {
    while (this.#sent.has(this.#nextId)) this.#nextId = (this.#nextId + 1) % IDS;
    const id = this.#nextId;
    this.#nextId = (id + 1) % IDS;
    return id;
  }

  #soon(delay_ns: number): void {
    if (this.#retry !== undefined) return;
    this.#retry = this.#parts.sim.after(delay_ns, () => {
      this.#retry = undefined;
      this.#guarded();
    });
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

  #fail(sent: Sent, why: string): void {
    if (sent.over) return;
    this.#end(sent);
    if (sent.farewell && this.#farewell === 'asked') this.#farewellOver();
    sent.sender.failed(this.#error(why));
  }

  #end(sent: Sent): void {
    sent.over = true;
    if (sent.timer !== undefined) this.#parts.sim.cancel(sent.timer);
  }

  /** Every message, as it crosses the line. */
  #trace(what: string, message: Uint8Array): void {
    const { sim, domid } = this.#parts;
    if (!sim.trace.on) return;
    const { type, subtype, id, length } = control_msg.at(new BytesMemory(message), 0);
    const said = message.subarray(MSG, MSG + Math.min(length, PAYLOAD_BYTES));
    sim.trace.emit('ring', domid, what, type, subtype, id, length, said.join('.'));
  }

  #error(why: string): Error {
    return new Error(`domain ${this.#parts.domid} ${why}`);
  }

  #tell(sentence: string): void {
    this.#parts.sim.tell('domain-controller', `domain ${this.#parts.domid}: ${sentence}`);
  }
}
