/*
 * A message is struct xsd_sockmsg (io/xs_wire.h), four little-endian words, and a payload of at most 4096 bytes:
 *
 *     0 type   4 req_id   8 tx_id   12 len   16 payload[len]
 *
 * A stream of bytes is cut into messages by a decoder that says how many bytes it wants next and never takes more,
 * so that a ring's consumer index stays at a message boundary while requests are held back.
 */

import { XENSTORE_PAYLOAD_MAX, xsd_sockmsg } from '@port-xen/abi';

/** Bytes of struct xsd_sockmsg. */
export const HEADER_SIZE: number = xsd_sockmsg.size;

/** One message, in either direction. */
export interface Message {
  readonly type: number;
  /** Unsigned 32-bit, the client's choice; the reply carries it back. */
  readonly requestId: number;
  /** Unsigned 32-bit; 0 outside transactions. */
  readonly transactionId: number;
  /** Whoever handles a request copies what is kept of it. */
  readonly payload: Uint8Array;
}

const store32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
};

const load32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0;

/** A message as bytes. @throws RangeError when the payload is longer than XENSTORE_PAYLOAD_MAX */
export const encodeMessage = (
  type: number,
  requestId: number,
  transactionId: number,
  payload: Uint8Array,
): Uint8Array => {
  if (payload.length > XENSTORE_PAYLOAD_MAX) {
    throw new RangeError(
      `expected a payload of at most ${XENSTORE_PAYLOAD_MAX} bytes in a message of type ${type}, found ${payload.length}`,
    );
  }
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  store32(bytes, 0, type);
  store32(bytes, 4, requestId);
  store32(bytes, 8, transactionId);
  store32(bytes, 12, payload.length);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
};

/**
 * The message that begins at `at`, if it is there entirely and not too long; its payload is a part of `bytes`, not a copy.
 * What it does not give is for a {@link MessageDecoder}.
 */
export const decodeMessage = (bytes: Uint8Array, at: number): Message | undefined => {
  const start = at + HEADER_SIZE;
  if (start > bytes.length) return undefined;
  const length = load32(bytes, at + 12);
  if (length > XENSTORE_PAYLOAD_MAX || start + length > bytes.length) return undefined;
  return {
    type: load32(bytes, at),
    requestId: load32(bytes, at + 4),
    transactionId: load32(bytes, at + 8),
    payload: bytes.subarray(start, start + length),
  };
};

/** Cuts a stream of bytes into messages. */
export class MessageDecoder {
  readonly #header = new Uint8Array(HEADER_SIZE);
  #payload: Uint8Array | undefined;
  #filled = 0;
  /** A header announced more than XENSTORE_PAYLOAD_MAX bytes: the stream cannot be followed any further. */
  broken = false;

  /** No message has begun. */
  get idle(): boolean {
    return this.#payload === undefined && this.#filled === 0 && !this.broken;
  }

  /** How many bytes are wanted before anything else can happen; 0 when the stream is broken. */
  get wanted(): number {
    if (this.broken) return 0;
    return (this.#payload ?? this.#header).length - this.#filled;
  }

  /** The bytes of a message that has begun and is not complete. */
  get partial(): Uint8Array {
    if (this.#payload === undefined) return this.#header.slice(0, this.#filled);
    const bytes = new Uint8Array(HEADER_SIZE + this.#filled);
    bytes.set(this.#header);
    bytes.set(this.#payload.subarray(0, this.#filled), HEADER_SIZE);
    return bytes;
  }

  /**
   * Takes `bytes`, at most {@link wanted} of them.
   * @returns the message that they complete
   */
  take(bytes: Uint8Array): Message | undefined {
    const into = this.#payload ?? this.#header;
    into.set(bytes, this.#filled);
    this.#filled += bytes.length;
    if (this.#filled < into.length) return undefined;
    if (this.#payload === undefined) {
      const length = load32(this.#header, 12);
      if (length > XENSTORE_PAYLOAD_MAX) {
        this.broken = true;
        return undefined;
      }
      this.#payload = new Uint8Array(length);
      this.#filled = 0;
      if (length > 0) return undefined;
    }
    const message = {
      type: load32(this.#header, 0),
      requestId: load32(this.#header, 4),
      transactionId: load32(this.#header, 8),
      payload: this.#payload,
    };
    this.#payload = undefined;
    this.#filled = 0;
    return message;
  }

  /** Forgets a message that has begun. */
  reset(): void {
    this.#payload = undefined;
    this.#filled = 0;
    this.broken = false;
  }
}
