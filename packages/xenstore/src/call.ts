import type { Announcements } from './announcements.ts';
import type { Connection } from './connection.ts';
import type { DomainTable } from './domain-table.ts';
import { latin1 } from './latin1.ts';
import type { NodeRequests } from './node-requests.ts';
import { isNodePath } from './path.ts';
import type { Quotas } from './quotas.ts';
import type { Store } from './store.ts';
import type { StoreNode } from './store-node.ts';
import type { Transaction } from './transaction.ts';
import type { Watches } from './watches.ts';
import type { ErrorName } from './xenstore-error.ts';

/** What the requests work on. */
export interface Daemon {
  readonly store: Store;
  readonly watches: Watches<Connection>;
  readonly announcements: Announcements;
  readonly quotas: Quotas;
  readonly domains: DomainTable;
  /** A number for the next watch, in the order in which watches are set. */
  nextOrder(): number;
  /** Drops watches and transactions of a connection. */
  forget(connection: Connection): void;
  /** Answers a control command. */
  control(words: readonly string[]): string | ErrorName;
}

/** One request being handled. */
export interface Call {
  readonly daemon: Daemon;
  readonly connection: Connection;
  readonly payload: Uint8Array;
  /** The transaction it names. */
  readonly transaction: Transaction | undefined;
  /** Requests on the nodes it sees. */
  readonly nodes: NodeRequests;
  /** Done when the reply is on its way. */
  afterwards: (() => void) | undefined;
}

/** What comes of a request: the reply's payload, an error, or undefined for "OK". */
export type Answer = Uint8Array | ErrorName | undefined;

/** The one string that the payload must be: with one NUL, at its end. */
export const onlyString = (payload: Uint8Array): string | undefined =>
  payload.length > 0 && payload.indexOf(0) === payload.length - 1
    ? latin1(payload, 0, payload.length - 1)
    : undefined;

/** The absolute path of the node that `path` names for the caller; undefined when there can be none. */
export const nodePath = (call: Call, path: string | undefined): string | undefined => {
  if (path === undefined) return undefined;
  const absolute = call.connection.absolute(path);
  return isNodePath(absolute, call.daemon.quotas.pathLength) ? absolute : undefined;
};

/** The number a string begins with, as C's atoi reads it; 0 when it begins with none. */
export const leadingNumber = (text: string): number => {
  const digits = /^\s*([+-]?\d{1,15})/.exec(text);
  return digits === null ? 0 : Number(digits[1]) | 0;
};

/** What `use` makes of the node, or why there is none. */
export const answerWith = (
  node: StoreNode | ErrorName,
  use: (node: StoreNode) => Answer,
): Answer => (typeof node === 'string' ? node : use(node));
