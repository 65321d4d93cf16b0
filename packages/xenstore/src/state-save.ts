/*
 * The daemon's tables as records of a state stream: connections, oldest first, each with its watches and
 * transactions; then the nodes, parents first, in the order of listings; then what transactions have read and done.
 *
 * A transaction is written against the store of the moment. If it conflicts already, one record says so: that it
 * read "/" and found none. Otherwise its changes are made again on the store of the moment, and the differences are
 * what it wrote and removed. In order: what it read; nodes that it made and removed again; what it changed, in the
 * order of the tree.
 */
import { apply } from './change.ts';
import type { Connection } from './connection.ts';
import type { DomainTable } from './domain-table.ts';
import { namesOf } from './path.ts';
import type { StatePeer, StateRecord } from './state-stream.ts';
import type { Store } from './store.ts';
import { nodeAt, type StoreNode, walk } from './store-node.ts';
import type { Transaction } from './transaction.ts';
import { SEES_SELF } from './view.ts';

const NOTHING = new Uint8Array(0);

/** What the server of a socket connection knows of it. */
export interface SocketState {
  readonly fd: number;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  readonly partial: number;
}

/** What there is to save. */
export interface Saved {
  readonly store: Store;
  readonly domains: DomainTable;
  readonly connections: ReadonlyMap<number, Connection>;
}

type NodeRecord = Extract<StateRecord, { type: 'node' }>;

/**
 * All records of a daemon. Connections of its own process, which cannot outlive it, are left out.
 * @param sockets the connections that somebody else serves, by number
 */
export const stateOf = (
  { store, domains, connections }: Saved,
  sockets: ReadonlyMap<number, SocketState>,
  socketFd: number,
): StateRecord[] => {
  const records: StateRecord[] = [{ type: 'global', socketFd, eventChannelFd: -1 }];
  const kept: Connection[] = [];
  for (const connection of connections.values()) {
    const state = connectionState(connection, domains, sockets);
    if (state === undefined) continue;
    kept.push(connection);
    records.push({ type: 'connection', id: connection.id, ...state });
    for (const { path, relative, token, depth } of connection.watches.values()) {
      const given = path.slice(relative);
      records.push({ type: 'watch', connection: connection.id, path: given, token, depth });
    }
    for (const id of connection.transactions.keys()) {
      records.push({ type: 'transaction', connection: connection.id, id });
    }
  }
  const node = (path: string, of: StoreNode): NodeRecord => ({
    type: 'node',
    connection: 0,
    transaction: 0,
    access: 'written',
    path,
    value: of.value,
    permissions: store.permissionsOf(of),
  });
  walk(store.root, '/', (of, path) => records.push(node(path, of)));
  for (const [path, permissions] of store.special) {
    records.push({ ...node(path, store.root), value: NOTHING, permissions });
  }
  for (const connection of kept) {
    for (const [id, transaction] of connection.transactions) {
      for (const record of transactionState(transaction, store, node)) {
        records.push({ ...record, connection: connection.id, transaction: id });
      }
    }
  }
  return records;
};

const connectionState = (
  connection: Connection,
  domains: DomainTable,
  sockets: ReadonlyMap<number, SocketState>,
): { peer: StatePeer; input: Uint8Array; output: Uint8Array; partial: number } | undefined => {
  const socket = sockets.get(connection.id);
  if (socket !== undefined) return { ...socket, peer: { kind: 'socket', fd: socket.fd } };
  const domain = domains.get(connection.domid);
  if (domain?.connection !== connection) return undefined;
  const { domid, target, port, ring, outgoing } = domain;
  if (domid === 0 && ring === undefined) return undefined;
  const input = ring?.partial ?? NOTHING;
  const { bytes: output, partial } = outgoing.pending();
  return { peer: { kind: 'ring', domid, target, port }, input, output, partial };
};

const transactionState = (
  transaction: Transaction,
  store: Store,
  node: (path: string, of: StoreNode) => NodeRecord,
): NodeRecord[] => {
  const absent = (path: string, access: NodeRecord['access']): NodeRecord => ({
    ...node(path, store.root),
    access,
    value: NOTHING,
    permissions: [],
  });
  if (transaction.conflictsWith(store.root)) return [absent('/', 'read')];
  const scratch = store.scratch();
  for (const { change, subject } of transaction.changes) apply(scratch, change, subject);
  const records: NodeRecord[] = [];
  const done = new Set<string>();
  const due = new Map(transaction.fired().map(({ path, exact }) => [path, exact]));
  const tells = (path: string): Pick<NodeRecord, 'tells'> => {
    const exact = due.get(path);
    return exact === undefined ? { tells: 'nobody' } : exact ? { tells: 'exact' } : {};
  };
  for (const { path, before, now } of differences('/', store.root, scratch.root)) {
    done.add(path);
    if (now === undefined) {
      records.push({ ...absent(path, 'removed'), ...tells(path) });
      // Who took a node's parent away tells of the very node only; one that was changed before that tells all.
      if (before === undefined) continue;
      walk(before, path, (_, inner) => {
        if (inner !== path && due.get(inner) === false) records.push(absent(inner, 'removed'));
      });
    } else if (before?.generation !== now.generation) {
      records.push({ ...node(path, now), ...tells(path) });
    } else done.delete(path);
  }
  // What was read comes first: it is compared with the store before the changes are made again.
  const seen: NodeRecord[] = [];
  for (const [path, sees] of transaction.seen()) {
    if (sees === 0 || done.has(path)) continue;
    const there = nodeAt(store.root, namesOf(path));
    const access = sees === SEES_SELF ? 'read-self' : 'read';
    seen.push(there === undefined ? absent(path, access) : { ...node(path, there), access });
  }
  const passing = [...due.keys()]
    .filter((path) => {
      const names = namesOf(path);
      return nodeAt(store.root, names) === undefined && nodeAt(scratch.root, names) === undefined;
    })
    .map((path): NodeRecord => ({ ...absent(path, 'removed'), ...tells(path) }));
  return [...seen, ...passing, ...records];
};

interface Difference {
  readonly path: string;
  readonly before: StoreNode | undefined;
  readonly now: StoreNode | undefined;
}

/**
 * The nodes in which two trees differ, parents first; of a subtree that went, the top. A node that
 * went and came again, so that others are listed before it now, is there twice: as gone, then as
 * new.
 */
const differences = (
  path: string,
  before: StoreNode | undefined,
  now: StoreNode | undefined,
): Difference[] => {
  if (before === now) return [];
  const found: Difference[] = [{ path, before, now }];
  if (now === undefined) return found;
  const prefix = path === '/' ? '/' : `${path}/`;
  const old = before?.children.names() ?? [];
  const stayed = stayedOf(old, now.children.names());
  for (const name of old) {
    const child = before?.children.get(name);
    const inner = differences(
      prefix + name,
      child,
      stayed.has(name) ? now.children.get(name) : undefined,
    );
    for (const difference of inner) found.push(difference);
  }
  for (const name of now.children.names()) {
    if (stayed.has(name)) continue;
    const inner = differences(prefix + name, undefined, now.children.get(name));
    for (const difference of inner) found.push(difference);
  }
  return found;
};

/** Of the names now, those that can have been there all the time: the first ones, as long as they keep the old order. */
const stayedOf = (old: readonly string[], now: readonly string[]): ReadonlySet<string> => {
  const places = new Map(old.map((name, place) => [name, place]));
  const stayed = new Set<string>();
  let last = -1;
  for (const name of now) {
    const place = places.get(name);
    if (place === undefined || place < last) break;
    last = place;
    stayed.add(name);
  }
  return stayed;
};
