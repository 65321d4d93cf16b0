/*
 * What waits for one reader: replies and events in the order in which they arose. Replies are as many as the reader
 * has asked for, and the daemon stops reading requests from who does not take its replies; events are others' doing,
 * so they are bounded here. An event equal to one that still waits is left out: it would tell nothing new.
 */
import { XENSTORE_PAYLOAD_MAX, XS_WATCH_EVENT } from '@port-xen/abi';
import { payloadOf } from './latin1.ts';
import { encodeMessage } from './wire.ts';

interface Queued {
  readonly bytes: Uint8Array;
  /** The event's key; undefined for a reply. */
  readonly event: string | undefined;
}

/** Encoded messages for one reader. */
export class OutgoingQueue {
  readonly #limit_bytes: number;
  #queue: Queued[] = [];
  #head = 0;
  #offset = 0;
  readonly #waiting = new Set<string>();
  #bytes = 0;
  #replies = 0;
  /** Events that were left out because the reader does not keep up. */
  dropped = 0;

  /** @param limit_bytes how much may wait before events are dropped */
  constructor(limit_bytes: number) {
    this.#limit_bytes = limit_bytes;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#bytes;
  }

  /** Replies that have not gone out entirely. */
  get replies(): number {
    return this.#replies;
  }

  reply(type: number, requestId: number, transactionId: number, payload: Uint8Array): void {
    this.#replies++;
    this.#push(encodeMessage(type, requestId, transactionId, payload), undefined);
  }

  /** @returns whether it was queued */
  event(path: string, token: string): boolean {
    const length = path.length + token.length + 2;
    const event = `${path}\0${token}`;
    if (length > XENSTORE_PAYLOAD_MAX || this.#waiting.has(event)) return false;
    if (this.#bytes + length > this.#limit_bytes) {
      this.dropped++;
      return false;
    }
    this.#waiting.add(event);
    this.#push(encodeMessage(XS_WATCH_EVENT, 0, 0, payloadOf([path, token])), event);
    return true;
  }

  /** What is to go out next, as much of one message as is left of it; undefined when nothing waits. */
  peek(): Uint8Array | undefined {
    const first = this.#queue[this.#head];
    return first === undefined ? undefined : first.bytes.subarray(this.#offset);
  }

  /** `count` bytes of {@link peek} have gone out. */
  advance(count: number): void {
    const first = this.#queue[this.#head] as Queued;
    this.#bytes -= count;
    this.#offset += count;
    if (this.#offset < first.bytes.length) return;
    this.#offset = 0;
    this.#head++;
    if (first.event === undefined) this.#replies--;
    else this.#waiting.delete(first.event);
    if (this.#head === this.#queue.length || this.#head === 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Everything that waits, in one piece, and how much of it is the rest of a message that has begun to go out. */
  pending(): { readonly bytes: Uint8Array; readonly partial: number } {
    const only = this.#queue.length === 1 ? this.#queue[0] : undefined;
    if (only !== undefined && this.#offset === 0) return { bytes: only.bytes, partial: 0 };
    const bytes = new Uint8Array(this.#bytes);
    let at = 0;
    for (let i = this.#head; i < this.#queue.length; i++) {
      const { bytes: message } = this.#queue[i] as Queued;
      const rest = i === this.#head ? message.subarray(this.#offset) : message;
      bytes.set(rest, at);
      at += rest.length;
    }
    const first = this.#queue[this.#head];
    const partial = this.#offset === 0 ? 0 : (first as Queued).bytes.length - this.#offset;
    return { bytes, partial };
  }

  /** Puts back what {@link pending} gave: bytes that go out before anything else. */
  restore(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#push(bytes, '');
  }

  clear(): void {
    this.#queue = [];
    this.#head = 0;
    this.#offset = 0;
    this.#bytes = 0;
    this.#replies = 0;
    this.#waiting.clear();
  }

  #push(bytes: Uint8Array, event: string | undefined): void {
    this.#queue.push({ bytes, event });
    this.#bytes += bytes.length;
  }
}
