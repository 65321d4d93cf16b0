/*
 * A hand-made controller: it does what it is told, at once or never. It reads and writes the rings as domain 0 does, through a mapping of
 * the guest's page.
 */
import { CONTROL_IF_OFFSET, CONTROL_RING_SIZE, control_if, control_msg } from '@port-xen/abi';
import type { KernelImage } from '@port-xen/kern';
import { BytesMemory, type View } from '@port-xen/layout';
import { TestGuest, type TestGuestOptions } from '@tooling/guest-testbed';
import { probe_state, TYPE_ECHO } from './probe-kernel.ts';

export interface Message {
  readonly type: number;
  readonly subtype: number;
  readonly id: number;
  readonly length: number;
  /** Its payload, sixty bytes, and the first of them. */
  readonly bytes: Uint8Array;
  readonly byte: number;
}

/** The controller's end of one life of the domain. */
export class Controller {
  readonly guest: TestGuest;
  readonly ring: View<typeof control_if>;
  readonly #port: number;
  readonly #close: () => void;
  /** Messages of the guest's that were taken. */
  #tx_cons: number;
  #rx_cons: number;
  #id = 0;
  readonly #seen: Message[] = [];
  /** What it does at each event. */
  onEvent: () => void = () => {};

  constructor(guest: TestGuest) {
    this.guest = guest;
    const { dom0 } = guest.host.hv;
    const mfn = guest.call('probe_mfn');
    const mapping = dom0.mapForeign(guest.domid, mfn);
    this.ring = control_if.at(mapping.memory, CONTROL_IF_OFFSET);
    this.#tx_cons = this.ring.tx_resp_prod;
    this.#rx_cons = this.ring.rx_resp_prod;
    this.#port = dom0.bindInterdomain(guest.domid, guest.call('probe_port'), () => {
      this.#collect();
      this.onEvent();
    });
    this.#close = () => {
      mapping.unmap();
      dom0.close(this.#port);
    };
  }

  close(): void {
    this.#close();
  }

  notify(): void {
    this.guest.host.hv.dom0.notify(this.#port);
  }

  #read(address: number): Message {
    const { type, subtype, id, length, msg } = control_msg.at(this.ring.memory, address);
    return { type, subtype, id, length, bytes: msg.slice(), byte: msg[0] ?? 0 };
  }

  /** The guest's messages that have not been taken yet, `most` of them. */
  take(most = CONTROL_RING_SIZE): Message[] {
    const taken: Message[] = [];
    while (taken.length < most && this.#tx_cons !== this.ring.tx_req_prod) {
      taken.push(this.#read(this.ring.tx_ring.address(this.#tx_cons % CONTROL_RING_SIZE)));
      this.#tx_cons = (this.#tx_cons + 1) >>> 0;
    }
    return taken;
  }

  /** Puts a message at an address. */
  #put(address: number, message: Omit<Message, 'byte'>): void {
    const msg = control_msg.at(this.ring.memory, address);
    msg.type = message.type;
    msg.subtype = message.subtype;
    msg.id = message.id;
    msg.length = message.length;
    msg.msg = message.bytes;
  }

  /** Answers a message with what its payload was, or with something else. */
  answer(message: Omit<Message, 'byte'>): void {
    this.answerSilently(message);
    this.notify();
  }

  /** And forgets to send an event. */
  answerSilently(message: Omit<Message, 'byte'>): void {
    const { ring } = this;
    this.#put(ring.tx_ring.address(ring.tx_resp_prod % CONTROL_RING_SIZE), message);
    ring.tx_resp_prod = (ring.tx_resp_prod + 1) >>> 0;
  }

  /** Answers everything as it comes from here on. */
  answerAll(): void {
    this.onEvent = () => {
      for (const message of this.take()) this.answer(message);
    };
    this.onEvent();
  }

  /** Room for requests. */
  get room(): number {
    return CONTROL_RING_SIZE - ((this.ring.rx_req_prod - this.#rx_cons) >>> 0);
  }

  /** Asks. @returns the request's id */
  ask(type: number, byte = 0, length = 1): number {
    const bytes = new Uint8Array(60);
    bytes[0] = byte;
    return this.say(type, bytes, length);
  }

  /** Asks with a whole payload. @returns the request's id */
  say(type: number, bytes: Uint8Array, length: number, subtype = 0): number {
    const { ring } = this;
    const id = this.#id++ & 0xff;
    const slot = ring.rx_ring.address(ring.rx_req_prod % CONTROL_RING_SIZE);
    this.#put(slot, { type, subtype, id, length, bytes });
    ring.rx_req_prod = (ring.rx_req_prod + 1) >>> 0;
    this.notify();
    return id;
  }

  #collect(): void {
    // A test that puts nonsense there has it read by the guest, not by itself.
    if ((this.ring.rx_resp_prod - this.#rx_cons) >>> 0 > CONTROL_RING_SIZE) return;
    while (this.#rx_cons !== this.ring.rx_resp_prod) {
      this.#seen.push(this.#read(this.ring.rx_ring.address(this.#rx_cons % CONTROL_RING_SIZE)));
      this.#rx_cons = (this.#rx_cons + 1) >>> 0;
    }
  }

  /** The guest's answers that have not been asked for yet; those of a domain that is gone, too. */
  answers(): Message[] {
    return this.#seen.splice(0);
  }
}

/** A domain with a controller. */
export class ControlledGuest {
  readonly guest: TestGuest;
  controller: Controller;

  constructor(image: KernelImage, options: TestGuestOptions = {}) {
    this.guest = new TestGuest(image, options);
    this.controller = new Controller(this.guest);
  }

  /** The domain goes to another host, whose controller answers nothing until it is told to. @returns the controller that was */
  move(): Controller {
    const file = this.guest.save();
    const before = this.controller;
    before.close();
    this.guest.restore(file);
    this.controller = new Controller(this.guest);
    return before;
  }

  /** Does something on this host in a while. */
  after(ns: number, act: () => void): void {
    this.guest.host.sim.after(ns, act);
  }

  run(ns = 1e6): void {
    this.guest.host.runFor(ns);
  }

  /** A message whose owner waits for ever, unless something else is said. */
  send(owner: number, timeout_ticks = 0): number {
    return this.guest.call('probe_send', TYPE_ECHO, 1, owner & 0xff, owner, timeout_ticks);
  }

  /** How often an owner was told: of answers, of errors; and which error last. */
  told(owner: number): [answered: number, failed: number, error: number] {
    const { answered, failed, error } = this.state.probe;
    return [answered.get(owner), failed.get(owner), error.get(owner)];
  }

  get state(): View<typeof probe_state> {
    this.guest.call('probe_state', this.guest.replyAddress);
    return probe_state.at(new BytesMemory(this.guest.reply.slice(0, probe_state.size)), 0);
  }
}
