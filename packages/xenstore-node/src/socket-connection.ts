/*
 * One client of the socket. Its bytes are cut into requests and handed to the daemon; replies and events gather in a
 * queue that goes out in one write when the daemon has done with what came in together.
 *
 * A client that does not read is not read from: while more than READ_AHEAD_bytes wait for it, its further requests
 * stay where they are, and in the end in its own socket. Events are others' doing: one who lets more than
 * EVENTS_bytes of them gather is disconnected, because a client that missed an event would not know. A client that sends
 * without end has TURN requests handled, then others have their turn.
 */
import type { Socket } from 'node:net';
import {
  decodeMessage,
  HEADER_SIZE,
  MessageDecoder,
  OutgoingQueue,
  type Outlet,
  type ServedConnection,
} from '@port-xen/xenstore';

const READ_AHEAD_bytes = 262_144;
const EVENTS_bytes = 4_194_304;
/** Requests of one client that are handled before others have their turn. */
const TURN = 256;

/** A client's end at the server. */
export class SocketConnection {
  readonly #socket: Socket;
  readonly #queue = new OutgoingQueue(EVENTS_bytes);
  readonly #decoder = new MessageDecoder();
  readonly #served: ServedConnection;
  readonly #handled: () => void;
  /** What came and is not handled yet, because the client does not read, or it is others' turn. */
  #held: Uint8Array = new Uint8Array(0);
  #flushing = false;
  #taking = false;
  /** A successor is about to take over: nothing goes out any more. */
  #leaving = false;

  /**
   * @param serve opens the daemon's side for an outlet
   * @param handled called when requests of the client have been handled
   * @param onClose called once, when the client is gone
   */
  constructor(
    serve: (outlet: Outlet) => ServedConnection,
    socket: Socket,
    handled: () => void,
    onClose: (connection: SocketConnection) => void,
  ) {
    this.#socket = socket;
    this.#handled = handled;
    this.#served = serve({
      reply: (type, requestId, transactionId, payload) => {
        this.#queue.reply(type, requestId, transactionId, payload);
        this.#flushSoon();
      },
      event: (path, token) => {
        const queued = this.#queue.event(path, token);
        if (queued) this.#flushSoon();
        else if (this.#queue.dropped > 0) this.close();
        return queued;
      },
    });
    socket.on('data', (bytes: Uint8Array) => this.#take(bytes));
    socket.on('drain', () => this.#goOn());
    socket.on('error', () => this.close());
    socket.on('close', () => {
      this.#served.close();
      onClose(this);
    });
  }

  /** Goes on where another process stopped: after `input`, with `output` to send. */
  resume(input: Uint8Array, output: Uint8Array): void {
    this.#queue.restore(output);
    this.#flush();
    this.#take(input);
  }

  /** Stops reading and writing. @returns when the system has taken what was handed to it, or after `patience_ms` */
  async settle(patience_ms: number): Promise<void> {
    this.#leaving = true;
    this.#socket.pause();
    const until = Date.now() + patience_ms;
    while (this.#socket.writableLength > 0 && !this.#socket.destroyed && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (this.#socket.writableLength > 0) this.close();
  }

  /** Handles the requests that have come entirely. */
  finish(): void {
    const held = this.#held;
    this.#held = new Uint8Array(0);
    this.#take(held);
    for (let rest = this.#socket.read(); rest !== null; rest = this.#socket.read())
      this.#take(rest);
  }

  /** What a successor needs, when all connections have finished; undefined when the client is gone. */
  leave():
    | { id: number; socket: Socket; input: Uint8Array; output: Uint8Array; partial: number }
    | undefined {
    if (this.#socket.destroyed) return undefined;
    const { bytes: output, partial } = this.#queue.pending();
    const input = this.#decoder.partial;
    return { id: this.#served.id, socket: this.#socket, input, output, partial };
  }

  /** Goes on after all. What {@link leave} gave of it is still here. */
  stay(): void {
    this.#leaving = false;
    this.#goOn();
  }

  /** Ends the connection at once. */
  close(): void {
    this.#socket.destroy();
  }

  /** Handles what came, and then sends in one piece what comes of it. */
  #take(bytes: Uint8Array): void {
    this.#taking = true;
    this.#handle(bytes);
    this.#taking = false;
    this.#flush();
    this.#handled();
  }

  #handle(bytes: Uint8Array): void {
    let at = 0;
    for (let handled = 0; at < bytes.length; handled++) {
      const waiting = this.#queue.length + this.#socket.writableLength;
      if (waiting > READ_AHEAD_bytes && !this.#leaving) {
        this.#hold(bytes.subarray(at));
        return;
      }
      if (handled === TURN && !this.#leaving) {
        this.#hold(bytes.subarray(at));
        setImmediate(() => this.#goOn());
        return;
      }
      let message = this.#decoder.idle ? decodeMessage(bytes, at) : undefined;
      if (message !== undefined) at += HEADER_SIZE + message.payload.length;
      else {
        const end = Math.min(bytes.length, at + this.#decoder.wanted);
        message = this.#decoder.take(bytes.subarray(at, end));
        at = end;
      }
      if (this.#decoder.broken || this.#socket.destroyed) {
        this.close();
        return;
      }
      if (message !== undefined) this.#served.request(message);
    }
  }

  #hold(rest: Uint8Array): void {
    this.#held = rest.slice();
    this.#socket.pause();
  }

  #flushSoon(): void {
    if (this.#flushing || this.#taking) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** Hands on what waits; while the client is slow, it stays here, where it is counted. */
  #flush(): void {
    if (
      this.#leaving ||
      this.#socket.destroyed ||
      this.#queue.length === 0 ||
      this.#socket.writableNeedDrain
    )
      return;
    const { bytes } = this.#queue.pending();
    this.#queue.clear();
    this.#socket.write(bytes);
  }

  #goOn(): void {
    if (this.#leaving) return;
    this.#flush();
    const held = this.#held;
    this.#held = new Uint8Array(0);
    if (held.length > 0) this.#take(held);
    if (this.#held.length === 0 && this.#socket.isPaused()) this.#socket.resume();
  }
}
