/*
 * The daemon. A request is handled at once and entirely, one after the other; what takes time is the way there and
 * back: a ring is looked at `latency_ns` after its event, and events reach in-process clients `latency_ns` after
 * the change.
 */
import type { Memory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import type { Account } from './accounts.ts';
import type { Observer } from './announcements.ts';
import type { Connection, Outlet } from './connection.ts';
import type { Replace } from './control.ts';
import type { MappedRing } from './domain-table.ts';
import { LocalPort } from './local-client.ts';
import type { Permissions } from './permissions.ts';
import { DEFAULT_QUOTAS, type Quotas } from './quotas.ts';
import { RequestHandler } from './request-handler.ts';
import { restoreState } from './state-restore.ts';
import { type SocketState, stateOf } from './state-save.ts';
import { decodeState, encodeState } from './state-stream.ts';
import { StoreClient } from './store-client.ts';
import { walk } from './store-node.ts';
import type { Message } from './wire.ts';
import type { ErrorName } from './xenstore-error.ts';

/** How a daemon is made. */
export interface XenstoredOptions {
  readonly sim: Sim;
  /** From a domain's event to its requests being handled, and from a change to in-process clients' events; 20 µs. */
  readonly latency_ns?: number;
  readonly quotas?: Partial<Quotas>;
  /**
   * Maps the page and binds the port that XS_INTRODUCE names; of a domain that is introduced already, after undoing
   * what it did before. Without it, domains are introduced without a ring.
   */
  readonly onIntroduce?: (domid: number, mfn: number, port: number) => MappedRing | ErrorName;
  /** The daemon has done with the domain's page and port. */
  readonly onRelease?: (domid: number) => void;
  /** Whether Xen knows a domain: what does not exist cannot be made an owner. Without it, every domain exists. */
  readonly domainExists?: (domid: number) => boolean;
  /** Has another process take over, at a `live-update` control command. Without it, that is answered with ENOSYS. */
  readonly replace?: Replace;
  /** What becomes of the nodes of a domain that is gone: removed (the default, as C xenstored does), or dom0's. */
  readonly orphans?: 'remove' | 'adopt';
}

/** A node as a dump shows it. */
export interface DumpedNode {
  readonly path: string;
  /** Not to be written to. */
  readonly value: Uint8Array;
  readonly permissions: Permissions;
}

/** What the daemon's own tables hold, in all and for each domain that has something. */
export interface Counters {
  readonly connections: number;
  readonly watches: number;
  readonly transactions: number;
  readonly domains: readonly (readonly [domid: number, account: Readonly<Account>])[];
}

/** A connection of which somebody else carries the bytes: a socket, say. */
export interface ServedConnection {
  /** Its number in the daemon, and in its saved state. */
  readonly id: number;
  /** Handles a message; what comes of it goes to the outlet before this returns. */
  request(message: Message): void;
  /** Drops the connection's watches and transactions. */
  close(): void;
}

/** How a daemon that takes over gets at the other ends of its connections. */
export interface Successor {
  /** The page of a domain that was introduced with `port`; undefined when it cannot be had. */
  readonly ring: (domid: number, port: number) => MappedRing | undefined;
  /**
   * Takes a socket over.
   * @param input the beginning of a request that came in, @param output what has not gone out
   * @returns where its replies and events go; undefined when it is not there any more
   */
  readonly socket: (
    fd: number,
    input: Uint8Array,
    output: Uint8Array,
    served: ServedConnection,
  ) => Outlet | undefined;
}

/** A xenstore daemon. */
export class Xenstored {
  readonly #sim: Sim;
  readonly #latency_ns: number;
  readonly #handler: RequestHandler;

  constructor(options: XenstoredOptions) {
    this.#sim = options.sim;
    this.#latency_ns = options.latency_ns ?? 20_000;
    this.#handler = new RequestHandler(
      { ...DEFAULT_QUOTAS, ...options.quotas },
      {
        sim: options.sim,
        latency_ns: this.#latency_ns,
        onIntroduce: options.onIntroduce,
        onRelease: options.onRelease,
        domainExists: options.domainExists,
        orphans: options.orphans ?? 'remove',
      },
      options.replace,
    );
  }

  /**
   * A daemon that goes on from the state of another: nodes, watches, transactions, half-read requests and unsent
   * answers. Connections within the other's process are not taken over.
   * @param state what {@link saveState} gave, or another xenstored wrote for its live update
   * @throws Error a sentence, when the state is not in order
   */
  static restore(options: XenstoredOptions, state: Uint8Array, successor: Successor): Xenstored {
    const daemon = new Xenstored(options);
    const handler = daemon.#handler;
    restoreState(handler, decodeState(state), (peer, input, output) => {
      if (peer.kind === 'ring') {
        const mapped = successor.ring(peer.domid, peer.port);
        return handler.domains.restore(peer, mapped, input, output);
      }
      let outlet: Outlet | undefined;
      const connection = handler.open(0, {
        reply: (type, id, tx, payload) => outlet?.reply(type, id, tx, payload),
        event: (path, token) => outlet?.event(path, token) ?? false,
      });
      outlet = successor.socket(peer.fd, input, output, servedBy(handler, connection));
      if (outlet !== undefined) return connection;
      handler.close(connection);
      return undefined;
    });
    return daemon;
  }

  /**
   * Everything another daemon needs to go on from here, as a live-update state stream.
   * @param sockets what the server of each connection knows of it, by {@link ServedConnection.id}
   * @param socketFd the listening socket
   */
  saveState(sockets: ReadonlyMap<number, SocketState> = new Map(), socketFd = -1): Uint8Array {
    return encodeState(stateOf(this.#handler, sockets, socketFd));
  }

  /**
   * A synchronous connection of a program in this process.
   * @param domid 0 for dom0's own programs, which may do anything
   * @param onEvent called for each watch event, from the event queue
   */
  connect(domid: number, onEvent?: (path: string, token: string) => void): StoreClient {
    return new StoreClient(
      new LocalPort(this.#handler, domid, this.#sim, this.#latency_ns, onEvent),
    );
  }

  /** A connection whose messages somebody else carries; `domid` 0 for what comes through a socket. */
  serve(domid: number, outlet: Outlet): ServedConnection {
    return servedBy(this.#handler, this.#handler.open(domid, outlet));
  }

  /**
   * Connects a domain through a page that is mapped already: watches, transactions and whatever was under way are
   * dropped, and the ring is put at rest. XS_INTRODUCE does this with what `onIntroduce` gives.
   * @param ring the page, its struct xenstore_domain_interface at address 0
   * @param notify sends the domain an event
   */
  introduceRing(domid: number, ring: Memory, notify: () => void): void {
    this.#handler.domains.introduceRing(domid, ring, notify);
  }

  /** The domain's event arrived. Its ring is read, and replies written, `latency_ns` from now. */
  kick(domid: number): void {
    this.#handler.domains.kick(domid);
  }

  /** The domain has shut down (or crashed) and still exists: @releaseDomain, once until XS_RESUME. */
  domainShutdown(domid: number): void {
    this.#handler.domains.shutDown(domid);
  }

  /** The domain exists no more: all it holds goes, and @releaseDomain tells of it if it was introduced. */
  domainDied(domid: number): void {
    this.#handler.domains.died(domid);
  }

  /** Whether the domain broke the ring protocol, so that nothing is read from it until it is introduced again. */
  isBroken(domid: number): boolean {
    return this.#handler.domains.get(domid)?.ring?.isBroken ?? false;
  }

  /**
   * Has `observer` told of every change of the store when it is made, in order: what a node holds
   * now, or undefined when it is gone with all below it. It may look, but not ask for anything.
   */
  observe(observer: Observer): void {
    this.#handler.announcements.observe(observer);
  }

  /** Every node, parents first, children in the order in which they were made. */
  dump(): DumpedNode[] {
    const nodes: DumpedNode[] = [];
    const { store } = this.#handler;
    walk(store.root, '/', (node, path) => {
      nodes.push({ path, value: node.value, permissions: store.permissionsOf(node) });
    });
    return nodes;
  }

  /** What there is, for conservation checks. */
  counters(): Counters {
    const { connections, watches, store } = this.#handler;
    let transactions = 0;
    for (const connection of connections.values()) transactions += connection.transactions.size;
    return {
      connections: connections.size,
      watches: watches.size,
      transactions,
      domains: store.accounts.entries(),
    };
  }
}

const servedBy = (handler: RequestHandler, connection: Connection): ServedConnection => ({
  id: connection.id,
  request: (message) => handler.handle(connection, message),
  close: () => handler.close(connection),
});
