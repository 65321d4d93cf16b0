/*
 * The client's end of a socket: requests go out numbered, replies are matched by number, events go to whoever holds
 * their token. When the socket ends, everything that waits fails with one sentence.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { XS_ERROR, XS_WATCH_EVENT } from '@port-xen/abi';
import { encodeMessage, MessageDecoder, stringsOf, XenstoreError } from '@port-xen/xenstore';

interface Waiting {
  readonly request: string;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (reason: Error) => void;
}

/** A connection to a xenstore socket. */
export class Channel {
  readonly #socket: Socket;
  readonly #decoder = new MessageDecoder();
  readonly #waiting = new Map<number, Waiting>();
  readonly #onEvent: (path: string, token: string) => void;
  readonly #onEnd: (reason: Error) => void;
  #nextRequest = 1;
  #ended: Error | undefined;

  private constructor(
    socket: Socket,
    onEvent: (path: string, token: string) => void,
    onEnd: (reason: Error) => void,
  ) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    this.#onEnd = onEnd;
    socket.on('data', (bytes: Uint8Array) => this.#take(bytes));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the xenstore connection was closed')));
  }

  /** @throws Error when nobody serves at `path` */
  static async open(
    path: string,
    onEvent: (path: string, token: string) => void,
    onEnd: (reason: Error) => void,
  ): Promise<Channel> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new Channel(socket, onEvent, onEnd);
  }

  /**
   * Sends a request.
   * @param request what is asked, for the sentence of an error
   * @returns the reply's payload
   */
  ask(
    type: number,
    transaction: number,
    payload: Uint8Array,
    request: string,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      while (this.#nextRequest === 0 || this.#waiting.has(this.#nextRequest)) {
        this.#nextRequest = (this.#nextRequest + 1) >>> 0;
      }
      const id = this.#nextRequest;
      this.#nextRequest = (id + 1) >>> 0;
      const message = encodeMessage(type, id, transaction, payload);
      this.#waiting.set(id, { request, resolve, reject });
      this.#socket.write(message);
    });
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }

  #take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + this.#decoder.wanted);
      const message = this.#decoder.take(bytes.subarray(at, end));
      at = end;
      if (this.#decoder.broken) {
        this.#socket.destroy(new Error('expected a xenstore message, found a length above 4096'));
        return;
      }
      if (message === undefined) continue;
      if (message.type === XS_WATCH_EVENT) {
        const [path, token] = stringsOf(message.payload);
        if (path !== undefined && token !== undefined) this.#onEvent(path, token);
        continue;
      }
      const waiting = this.#waiting.get(message.requestId);
      if (waiting === undefined) continue;
      this.#waiting.delete(message.requestId);
      if (message.type !== XS_ERROR) waiting.resolve(message.payload);
      else
        waiting.reject(new XenstoreError(stringsOf(message.payload)[0] ?? 'EIO', waiting.request));
    }
  }

  #end(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    this.#onEnd(reason);
  }
}
