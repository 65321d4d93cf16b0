/*
 * The console of one domain as messages of up to 60 bytes, CMSG_CONSOLE_DATA, both ways. Bytes in wait in a queue; few messages at a time
 * are under way, so that others find room in the ring. They are put one after the other and the guest takes them in that order.
 */
import { CMSG_CONSOLE, CMSG_CONSOLE_DATA, control_msg } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import { InputQueue } from '@port-xen/xenconsoled';
import type { ControlChannel } from './control-channel.ts';
import { controlMessage, MSG, PAYLOAD_BYTES } from './control-message.ts';

const UNDER_WAY = 4;
const PATIENCE_NS = 60_000_000_000;

/** What a console is made of. */
export interface ConsoleStreamParts {
  readonly output: (bytes: Uint8Array) => void;
  readonly tell: (sentence: string) => void;
}

/** A domain's console, which outlives its control interfaces. */
export class ConsoleStream {
  readonly #parts: ConsoleStreamParts;
  readonly #input = new InputQueue();
  #channel: ControlChannel | undefined;
  #underWay = 0;

  constructor(parts: ConsoleStreamParts) {
    this.#parts = parts;
  }

  /** Goes on over a new control interface. What was under way on the last one may have been read or not: it is not sent again. */
  connect(channel: ControlChannel): void {
    this.#channel = channel;
    this.#underWay = 0;
    this.#send();
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
    while (channel !== undefined && this.#underWay < UNDER_WAY && this.#input.bytes > 0) {
      const bytes = this.#next();
      const message = controlMessage(CMSG_CONSOLE, CMSG_CONSOLE_DATA, bytes.length);
      message.write(MSG, bytes);
      this.#underWay++;
      const over = (): void => {
        if (channel !== this.#channel) return;
        this.#underWay--;
        this.#send();
      };
      const failed = (error: Error): void => {
        this.#parts.tell(`${error.message}: ${bytes.length} bytes that were typed`);
        over();
      };
      channel.send(message.bytes, { answered: over, failed }, PATIENCE_NS);
    }
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
