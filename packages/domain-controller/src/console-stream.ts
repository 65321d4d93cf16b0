/*
 * The console of one domain as messages of up to 60 bytes, CMSG_CONSOLE_DATA, both ways. Bytes in wait in a queue. One message at a time
 * is under way to the guest; its answer says in `length` how many bytes were taken, and the rest is sent again, after a while if none
 * was: the guest has no room, or nobody there yet who reads.
 */
import { CMSG_CONSOLE, CMSG_CONSOLE_DATA, control_msg } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import { InputQueue } from '@port-xen/xenconsoled';
import type { ControlChannel } from './control-channel.ts';
import { controlMessage, MSG, PAYLOAD_BYTES } from './control-message.ts';

/** From an answer that took nothing to the next try. */
const RETRY_NS = 10_000_000;

/** What a console is made of. */
export interface ConsoleStreamParts {
  readonly sim: Sim;
  readonly output: (bytes: Uint8Array) => void;
  readonly tell: (sentence: string) => void;
}

/** A domain's console, which outlives its control interfaces. */
export class ConsoleStream {
  readonly #parts: ConsoleStreamParts;
  readonly #input = new InputQueue();
  #channel: ControlChannel | undefined;
  /** What is next, or under way. */
  #chunk: Uint8Array = NOTHING;
  #underWay = false;
  #takeBack: () => boolean = () => false;
  #retry: number | undefined;

  constructor(parts: ConsoleStreamParts) {
    this.#parts = parts;
  }

  /** Goes on over a new control interface. */
  connect(channel: ControlChannel): void {
    this.#channel = channel;
    this.#send();
  }

  /** The control interface is going. What is under way there may have been read or not: it is not sent again. */
  disconnect(): void {
    if (this.#underWay && !this.#takeBack()) {
      this.#parts.tell(`${this.#chunk.length} bytes that were typed may be lost`);
      this.#chunk = NOTHING;
    }
    this.#underWay = false;
    this.#channel = undefined;
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.disconnect();
    if (this.#retry !== undefined) this.#parts.sim.cancel(this.#retry);
    this.#retry = undefined;
  }

  /** @returns how many of the bytes were taken */
  add(bytes: Uint8Array): number {
    const taken = this.#input.add(bytes);
    this.#send();
    return taken;
  }

  /** Does what a message of the guest's says and answers it in place. */
  receive(message: Uint8Array): void {
    const view = control_msg.at(new BytesMemory(message), 0);
    const { length, subtype } = view;
    view.length = 0;
    if (subtype !== CMSG_CONSOLE_DATA || length === 0) return;
    this.#parts.output(message.slice(MSG, MSG + length));
  }

  #send(): void {
    const channel = this.#channel;
    if (channel === undefined || this.#underWay || this.#retry !== undefined) return;
    if (this.#chunk.length === 0) this.#chunk = this.#next();
    const chunk = this.#chunk;
    if (chunk.length === 0) return;
    const message = controlMessage(CMSG_CONSOLE, CMSG_CONSOLE_DATA, chunk.length);
    message.write(MSG, chunk);
    this.#underWay = true;
    const over = (taken: number): void => {
      if (channel !== this.#channel) return;
      this.#underWay = false;
      this.#chunk = chunk.subarray(taken);
      if (taken > 0) this.#send();
      else this.#sendLater();
    };
    this.#takeBack = channel.send(message.bytes, {
      answered: (response) => over(control_msg.at(new BytesMemory(response), 0).length),
      failed: () => over(chunk.length),
    });
  }

  #sendLater(): void {
    this.#retry = this.#parts.sim.after(RETRY_NS, () => {
      this.#retry = undefined;
      this.#send();
    });
  }

  #next(): Uint8Array {
    const bytes = new Uint8Array(Math.min(PAYLOAD_BYTES, this.#input.bytes));
    let at = 0;
    this.#input.drain((chunk) => {
      const part = chunk.subarray(0, bytes.length - at);
      bytes.set(part, at);
      at += part.length;
      return part.length;
    });
    return bytes;
  }
}

const NOTHING = new Uint8Array(0);
