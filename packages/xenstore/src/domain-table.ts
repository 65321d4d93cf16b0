/*
 * The domains that the daemon talks with. A domain comes by XS_INTRODUCE, which maps its page and binds its port
 * (the composition's business: `onIntroduce`) and puts its ring at rest; XS_INTRODUCE again does the same to a
 * domain that is there, without an @introduceDomain. It goes by XS_RELEASE or by dying.
 */
import type { Memory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import type { Announcements } from './announcements.ts';
import type { Connection, Outlet } from './connection.ts';
import { OutgoingQueue } from './outgoing-queue.ts';
import type { Quotas } from './quotas.ts';
import { RingConnection } from './ring-connection.ts';
import type { Store } from './store.ts';
import type { Message } from './wire.ts';
import type { ErrorName } from './xenstore-error.ts';

/** A domain's page and how to send it an event. */
export interface MappedRing {
  /** The struct xenstore_domain_interface, at address 0. */
  readonly ring: Memory;
  readonly notify: () => void;
}

/** What the composition does for the daemon. */
export interface DomainOptions {
  readonly sim: Sim;
  readonly latency_ns: number;
  readonly onIntroduce:
    | ((domid: number, mfn: number, port: number) => MappedRing | ErrorName)
    | undefined;
  readonly onRelease: ((domid: number) => void) | undefined;
  readonly domainExists: ((domid: number) => boolean) | undefined;
  readonly orphans: 'remove' | 'adopt';
}

/** What of the daemon the table needs. */
export interface DomainHost {
  readonly store: Store;
  readonly announcements: Announcements;
  readonly quotas: Quotas;
  open(domid: number, outlet: Outlet): Connection;
  /** Closes every connection of the domain. */
  closeAll(domid: number): void;
  forget(connection: Connection): void;
  handle(connection: Connection, message: Message): void;
}

/** What the daemon knows of one introduced domain. */
export interface Domain {
  readonly domid: number;
  /** Its connection; its watches and transactions hang on it. */
  readonly connection: Connection;
  readonly outgoing: OutgoingQueue;
  /** Its shared page, once it is mapped. */
  ring: RingConnection | undefined;
  /** The event that is going to look at the ring. */
  wakeup: number | undefined;
  /** It was seen to have shut down, and @releaseDomain told of it. */
  shutdown: boolean;
  /** The domain on whose behalf it acts besides its own. */
  target: number | undefined;
  /** The port that XS_INTRODUCE named; 0 when nobody did. */
  port: number;
}

/** The introduced domains, in the order of introduction; dom0 always is. */
export class DomainTable {
  readonly #options: DomainOptions;
  readonly #host: DomainHost;
  readonly #domains = new Map<number, Domain>();

  constructor(options: DomainOptions, host: DomainHost) {
    this.#options = options;
    this.#host = host;
    this.#enter(0);
  }

  get(domid: number): Domain | undefined {
    return this.#domains.get(domid);
  }

  has(domid: number): boolean {
    return this.#domains.has(domid);
  }

  /** Whether Xen knows the domain. */
  exists(domid: number): boolean {
    return this.#domains.has(domid) || (this.#options.domainExists?.(domid) ?? true);
  }

  /** Every introduced domain, in the order of introduction. */
  entries(): readonly Domain[] {
    return [...this.#domains.values()];
  }

  /** XS_INTRODUCE. @returns why the page cannot be mapped or the port not bound */
  introduce(domid: number, mfn: number, port: number): ErrorName | undefined {
    const mapped = this.#options.onIntroduce?.(domid, mfn, port);
    if (typeof mapped === 'string') return mapped;
    const there = this.#domains.get(domid);
    const domain = there ?? this.#enter(domid);
    domain.port = port;
    if (mapped !== undefined) this.#connect(domain, mapped.ring, mapped.notify);
    else this.#host.forget(domain.connection);
    if (there === undefined) this.#host.announcements.special('@introduceDomain');
    return undefined;
  }

  /** Connects a domain through a page, which is put at rest; introduces the domain if it was not. */
  introduceRing(domid: number, ring: Memory, notify: () => void): void {
    const there = this.#domains.get(domid);
    this.#connect(there ?? this.#enter(domid), ring, notify);
    if (there === undefined) this.#host.announcements.special('@introduceDomain');
  }

  /**
   * A domain as the daemon before this one had it: its ring goes on where it stands.
   * @param mapped undefined when the domain has no ring, or its page cannot be had any more
   */
  restore(
    peer: { readonly domid: number; readonly target: number | undefined; readonly port: number },
    mapped: MappedRing | undefined,
    input: Uint8Array,
    output: Uint8Array,
  ): Connection {
    const domain = this.#domains.get(peer.domid) ?? this.#enter(peer.domid);
    domain.target = peer.target;
    domain.port = peer.port;
    if (mapped !== undefined) {
      domain.ring = this.#ringOf(domain, mapped.ring, mapped.notify);
      domain.ring.resume(input);
      domain.outgoing.restore(output);
      this.kick(peer.domid);
    }
    return domain.connection;
  }

  /** The domain's event came: its ring is looked at in `latency_ns`. */
  kick(domid: number): void {
    const domain = this.#domains.get(domid);
    if (domain?.ring === undefined || domain.wakeup !== undefined) return;
    domain.wakeup = this.#options.sim.after(this.#options.latency_ns, () => {
      domain.wakeup = undefined;
      domain.ring?.run();
    });
  }

  /** The domain shut down: @releaseDomain, once until XS_RESUME. */
  shutDown(domid: number): void {
    const domain = this.#domains.get(domid);
    if (domain === undefined || domain.shutdown) return;
    domain.shutdown = true;
    this.#host.announcements.special('@releaseDomain');
  }

  /** The domain is dead, or released: connection, watches and transactions go, and its nodes as configured. */
  died(domid: number): void {
    const domain = this.#domains.get(domid);
    if (domain !== undefined) {
      if (domain.wakeup !== undefined) this.#options.sim.cancel(domain.wakeup);
      domain.ring?.close();
      this.#domains.delete(domid);
      for (const other of this.#domains.values()) {
        if (other.target === domid) other.target = undefined;
      }
    }
    this.#host.closeAll(domid);
    const { store, announcements } = this.#host;
    store.depart(domid, this.#options.orphans === 'adopt', announcements);
    if (domain === undefined) return;
    if (domain.ring !== undefined) this.#options.onRelease?.(domid);
    announcements.special('@releaseDomain');
  }

  #connect(domain: Domain, memory: Memory, notify: () => void): void {
    this.#host.forget(domain.connection);
    domain.ring ??= this.#ringOf(domain, memory, notify);
    domain.ring.reset(memory, notify);
  }

  #ringOf(domain: Domain, memory: Memory, notify: () => void): RingConnection {
    const { connection, outgoing } = domain;
    const { quotas } = this.#host;
    const outstanding = connection.privileged ? Number.POSITIVE_INFINITY : quotas.outstanding;
    return new RingConnection(memory, notify, outgoing, outstanding, {
      request: (message) => this.#host.handle(connection, message),
      broken: () => this.#host.forget(connection),
    });
  }

  #enter(domid: number): Domain {
    const limit_bytes = domid === 0 ? Number.POSITIVE_INFINITY : this.#host.quotas.queuedBytes;
    const outgoing = new OutgoingQueue(limit_bytes);
    const outlet: Outlet = {
      reply: (type, requestId, transactionId, payload) =>
        outgoing.reply(type, requestId, transactionId, payload),
      event: (path, token) => {
        const domain = this.#domains.get(domid);
        if (domain?.ring === undefined || domain.ring.isBroken) return false;
        this.kick(domid);
        return outgoing.event(path, token);
      },
    };
    const domain: Domain = {
      domid,
      connection: this.#host.open(domid, outlet),
      outgoing,
      ring: undefined,
      wakeup: undefined,
      shutdown: false,
      target: undefined,
      port: 0,
    };
    this.#domains.set(domid, domain);
    return domain;
  }
}
