import { homeOf } from './path.ts';
import type { Subject } from './permissions.ts';
import type { Transaction } from './transaction.ts';
import type { Watch, Watcher } from './watches.ts';

/** Where a connection's replies and events go. */
export interface Outlet {
  /** A reply to the request with these numbers; `payload` is not to be written to. */
  reply(type: number, requestId: number, transactionId: number, payload: Uint8Array): void;
  /** @returns false when the event is left out: an equal one waits still, or too many do */
  event(path: string, token: string): boolean;
}

/** One client: a domain's ring, a program's socket, or an object of this process. */
export class Connection implements Subject, Watcher {
  readonly id: number;
  readonly domid: number;
  readonly privileged: boolean;
  /** What its relative paths start from. */
  readonly home: string;
  readonly outlet: Outlet;
  /** By path and token, in the order in which they were set. */
  readonly watches: Map<string, Watch<Connection>> = new Map();
  readonly transactions: Map<number, Transaction> = new Map();
  nextTransactionId = 1;
  /** The daemon has done with it. */
  closed = false;

  readonly #targetOf: (domid: number) => number | undefined;

  /**
   * @param privileged dom0, or a program of dom0's: may do anything, and is not limited by quotas
   * @param targetOf the domain on whose behalf a domain acts besides its own
   */
  constructor(
    id: number,
    domid: number,
    privileged: boolean,
    outlet: Outlet,
    targetOf: (domid: number) => number | undefined,
  ) {
    this.#targetOf = targetOf;
    this.id = id;
    this.domid = domid;
    this.privileged = privileged;
    this.home = homeOf(domid);
    this.outlet = outlet;
  }

  get target(): number | undefined {
    return this.#targetOf(this.domid);
  }

  /** `path` as it came, made absolute; special ones as they are. */
  absolute(path: string): string {
    return path.startsWith('/') || path.startsWith('@') ? path : `${this.home}/${path}`;
  }
}
