import type { Sim } from '@port-xen/sim';
import type { Connection, Outlet } from './connection.ts';
import type { ClientPort } from './store-client.ts';
import type { Message } from './wire.ts';

/** What a client in this process needs of the daemon. */
export interface LocalHost {
  open(domid: number, outlet: Outlet): Connection;
  close(connection: Connection): void;
  handle(connection: Connection, message: Message): void;
}

/**
 * A connection within the process: a request is answered before the call returns; events come by the event queue,
 * `latency_ns` later, in order, never from within a request.
 */
export class LocalPort implements ClientPort {
  readonly #host: LocalHost;
  readonly #connection: Connection;
  readonly #waiting = new Set<string>();
  #reply: { type: number; payload: Uint8Array } | undefined;
  #nextRequest = 1;

  constructor(
    host: LocalHost,
    domid: number,
    sim: Sim,
    latency_ns: number,
    onEvent: ((path: string, token: string) => void) | undefined,
  ) {
    this.#host = host;
    this.#connection = host.open(domid, {
      reply: (type, _requestId, _transactionId, payload) => {
        this.#reply = { type, payload };
      },
      event: (path, token) => {
        const key = `${path}\0${token}`;
        if (onEvent === undefined || this.#waiting.has(key)) return false;
        this.#waiting.add(key);
        sim.after(latency_ns, () => {
          this.#waiting.delete(key);
          if (!this.#connection.closed) onEvent(path, token);
        });
        return true;
      },
    });
  }

  request(
    type: number,
    transactionId: number,
    payload: Uint8Array,
  ): { type: number; payload: Uint8Array } {
    if (this.#connection.closed)
      throw new Error('expected an open xenstore connection, found one that was closed');
    const requestId = this.#nextRequest;
    this.#nextRequest = (this.#nextRequest + 1) >>> 0;
    this.#host.handle(this.#connection, { type, requestId, transactionId, payload });
    const reply = this.#reply as { type: number; payload: Uint8Array };
    this.#reply = undefined;
    return reply;
  }

  close(): void {
    this.#host.close(this.#connection);
  }
}
