/*
 * The daemon. A request is handled at once and entirely, one after the other; what takes time is the way there and
 * back: a ring is looked at `latency_ns` after its event, and events reach in-process clients `latency_ns` after
 * the change.
 */
import type { Memory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import type { Account } from './accounts.ts';
import type { Connection, Outlet } from './connection.ts';
import type { MappedRing } from './domain-table.ts';
import { LocalPort } from './local-client.ts';
import type { Permissions } from './permissions.ts';
import { DEFAULT_QUOTAS, type Quotas } from './quotas.ts';
import { RequestHandler } from './request-handler.ts';
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
  /** Handles a message; what comes of it goes to the outlet before this returns. */
  request(message: Message): void;
  /** Drops the connection's watches and transactions. */
  close(): void;
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
    );
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
    const connection: Connection = this.#handler.open(domid, outlet);
    return {
      request: (message) => this.#handler.handle(connection, message),
      close: () => this.#handler.close(connection),
    };
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

  /** Every node, parents first, children in the order in which they were made. */
  dump(): DumpedNode[] {
    const nodes: DumpedNode[] = [];
    const { store } = this.#handler;
    walk(store.root, '/', (node, path) => {
      nodes.push({ path, value: node.value, permissions: store.live(node) });
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
