/*
 * One domain's control interface while it has one: the rings and the event channel.
 *
 *     guest's event ─▶ responses: to who asked ─▶ requests: to their receiver, answered at once ─▶ what waits is put ─▶ event to the guest
 *
 * A domain that suspends itself has settled what is in both rings: nothing is put there from the moment it is asked to, and nothing that it
 * has put is taken once it has suspended; it will be put again, wherever the domain goes on. So a request of ours waits until there is
 * room in the ring and the domain goes on.
 *
 * What the guest does against the protocol (more messages than slots, a response to nothing) ends its control interface, with a
 * sentence; nothing of it is looked at any more until it is connected anew.
 */
import { control_msg } from '@port-xen/abi';
import type { Dom0, FrameMapping } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import { MSG, PAYLOAD_BYTES } from './control-message.ts';
import { ControlRequests, type Sender, type SendOptions } from './control-requests.ts';
import { ControlRingError, ControlRings } from './control-rings.ts';

/** What Xen does for the controller of a domain. */
export type ControlXen = Pick<Dom0, 'mapForeign' | 'bindInterdomain' | 'notify' | 'close'>;

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

const RETRY_NS = 1_000_000;

/** Messages both ways between one domain and its controller. */
export class ControlChannel {
  readonly #parts: ControlChannelParts;
  readonly #mapping: FrameMapping;
  readonly #rings: ControlRings;
  readonly #port: number;
  readonly #requests: ControlRequests;
  #retry: number | undefined;
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
    this.#requests = new ControlRequests(parts.sim, parts.domid);
    this.#mapping = parts.dom0.mapForeign(parts.domid, mfn);
    try {
      this.#port = parts.dom0.bindInterdomain(parts.domid, port, () => this.takeUp());
    } catch (error) {
      this.#mapping.unmap();
      throw error;
    }
    this.#rings = new ControlRings(this.#mapping.memory);
  }

  /** Sends a request, now or when there is room: {@link ControlRequests.add}. */
  send(message: Uint8Array, sender: Sender, options: SendOptions = {}): () => boolean {
    const takeBack = this.#requests.add(message, sender, options);
    if (!this.#stopped) this.#soon(0);
    return takeBack;
  }

  /** Takes what is there and puts what waits: there was an event, or might have been. */
  takeUp(): void {
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

  /** The domain has shut down: takes what it has put last, without waiting for its event. */
  domainShutDown(): void {
    this.#requests.domainShutDown();
    this.takeUp();
  }

  /** Lets go of the page and the port. Whoever waits for a response is told that there will be none. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const { sim, dom0 } = this.#parts;
    if (this.#retry !== undefined) sim.cancel(this.#retry);
    dom0.close(this.#port);
    this.#mapping.unmap();
    this.#requests.stop();
  }

  #broken(sentence: string): void {
    this.stop();
    this.#parts.onBroken(sentence);
  }

  /** The guest does not run meanwhile, so there are never more than the ring holds. */
  #takeRequests(): boolean {
    let any = false;
    for (;;) {
      if (this.#stopped || this.#parts.hasSuspended()) return any;
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
    const { sim, domid } = this.#parts;
    sim.tell(
      'domain-controller',
      `domain ${domid}: expected at most ${PAYLOAD_BYTES} bytes in a message, found ${length} in one of type ${type}, subtype ${subtype}`,
    );
  }

  #takeResponses(): boolean {
    let any = false;
    for (;;) {
      const message = this.#stopped ? undefined : this.#rings.takeResponse();
      if (message === undefined) return any;
      any = true;
      this.#trace('ctrl-answer', message);
      const wrong = this.#requests.answered(message);
      if (wrong !== undefined) this.#broken(wrong);
    }
  }

  /** Puts what waits, as far as there is room. @returns whether anything was put */
  #put(): boolean {
    let any = false;
    while (!this.#stopped && this.#requests.waiting && this.#rings.room > 0) {
      if (this.#parts.isShutDown() || !this.#requests.mayPut) {
        this.#soon(RETRY_NS);
        return any;
      }
      const message = this.#requests.next();
      this.#trace('ctrl-ask', message);
      this.#rings.putRequest(message);
      any = true;
    }
    return any;
  }

  /** Every message, as it crosses the line. */
  #trace(what: string, message: Uint8Array): void {
    const { sim, domid } = this.#parts;
    if (!sim.trace.on) return;
    const { type, subtype, id, length } = control_msg.at(new BytesMemory(message), 0);
    const said = message.subarray(MSG, MSG + Math.min(length, PAYLOAD_BYTES));
    sim.trace.emit('ring', domid, what, type, subtype, id, length, said.join('.'));
  }

  #soon(delay_ns: number): void {
    if (this.#retry !== undefined) return;
    this.#retry = this.#parts.sim.after(delay_ns, () => {
      this.#retry = undefined;
      this.takeUp();
    });
  }
}
