/*
 * A daemon's tables from the records of a state stream. A record that does not fit what came before it is refused:
 * a node without its parent, a watch of no connection.
 */
import { apply, depthOf } from './change.ts';
import type { Connection } from './connection.ts';
import { isNodePath, isSpecial, namesOf, pathOf } from './path.ts';
import type { Permissions } from './permissions.ts';
import type { RequestHandler } from './request-handler.ts';
import { setWatch, transactionLimit } from './session-requests.ts';
import type { StatePeer, StateRecord } from './state-stream.ts';
import { nodeAt, StoreNode, walk, withNodeAt } from './store-node.ts';
import { Transaction } from './transaction.ts';
import { SEES_CHILDREN, SEES_SELF, SEES_SUBTREE } from './view.ts';

type Of<T extends StateRecord['type']> = Extract<StateRecord, { type: T }>;

/** Makes the connection that a record tells of; undefined when its peer is not there any more. */
export type Reconnect = (
  peer: StatePeer,
  input: Uint8Array,
  output: Uint8Array,
) => Connection | undefined;

const refuse = (what: string, record: unknown): Error =>
  new Error(`expected ${what} in the xenstore state, found ${JSON.stringify(record)}`);

/** Fills a new daemon's tables. @throws Error for a record that does not fit */
export const restoreState = (
  daemon: RequestHandler,
  records: readonly StateRecord[],
  reconnect: Reconnect,
): void => {
  const connections = new Map<number, Connection | undefined>();
  const connectionOf = (record: Of<'watch' | 'transaction' | 'node'>): Connection | undefined => {
    if (!connections.has(record.connection)) throw refuse('a connection before', record);
    return connections.get(record.connection);
  };
  const begun: Of<'transaction'>[] = [];
  let bare = true;
  // A transaction starts from the nodes of the store, which are all there when the first one of a transaction comes.
  const begin = (): void => {
    for (const { connection, id } of begun.splice(0)) {
      const owner = connections.get(connection);
      if (owner === undefined) continue;
      const limit = transactionLimit(owner, daemon.quotas);
      owner.transactions.set(id, new Transaction(id, daemon.store, limit));
    }
  };
  for (const record of records) {
    switch (record.type) {
      case 'global':
        break;
      case 'connection':
        connections.set(record.id, reconnect(record.peer, record.input, record.output));
        break;
      case 'watch':
        restoreWatch(daemon, connectionOf(record), record);
        break;
      case 'transaction':
        connectionOf(record);
        begun.push(record);
        break;
      case 'node':
        if (record.connection === 0) {
          restoreNode(daemon, record, bare);
          if (!isSpecial(record.path)) bare = false;
          break;
        }
        begin();
        restoreAccess(daemon, connectionOf(record), record);
    }
  }
  begin();
  for (const connection of connections.values()) {
    const open = connection?.transactions.size ?? 0;
    if (connection !== undefined) daemon.store.accounts.add(connection.domid, 'transactions', open);
  }
};

const restoreWatch = (
  daemon: RequestHandler,
  connection: Connection | undefined,
  { path, token, depth }: Of<'watch'>,
): void => {
  if (connection === undefined) return;
  const absolute = connection.absolute(path);
  const relative = absolute === path ? 0 : absolute.length - path.length;
  if (!isSpecial(absolute) && !isNodePath(absolute, daemon.quotas.pathLength)) {
    throw refuse('a path to watch', path);
  }
  setWatch(daemon, connection, absolute, token, relative, depth);
};

const restoreNode = (
  { store, quotas }: RequestHandler,
  record: Of<'node'>,
  first: boolean,
): void => {
  const { path, value, permissions } = record;
  if (permissions.length === 0) throw refuse('a node with an owner', record);
  if (isSpecial(path)) {
    if (!store.special.has(path)) throw refuse('a special node', path);
    store.special.set(path, permissions);
    return;
  }
  if (!isNodePath(path, quotas.pathLength)) throw refuse('the path of a node', path);
  if (first !== (path === '/')) throw refuse('"/" as the first node, once', path);
  const names = namesOf(path);
  const node = StoreNode.leaf(value, permissions, store.draw());
  if (first) {
    store.replaceAll(node);
    return;
  }
  const parent = nodeAt(store.root, names.slice(0, -1));
  if (parent === undefined)
    throw refuse(`the parent ${pathOf(names, names.length - 1)} before`, path);
  if (parent.children.get(names.at(-1) as string) !== undefined)
    throw refuse('each node once', path);
  store.root = withNodeAt(store.root, names, node, store.draw());
  store.accounts.add(node.owner, 'nodes', 1);
};

const DOM0 = { domid: 0, privileged: true, target: undefined } as const;

const same = (node: StoreNode | undefined, record: Of<'node'>): boolean => {
  if (node === undefined) return record.permissions.length === 0;
  const text = (permissions: Permissions): string =>
    permissions.map(({ access, domid }) => access + domid).join();
  return (
    text(node.permissions) === text(record.permissions) &&
    node.value.length === record.value.length &&
    node.value.every((byte, i) => byte === record.value[i])
  );
};

/** What of a node an access saw. */
const SEES = {
  read: SEES_SELF | SEES_CHILDREN,
  'read-self': SEES_SELF,
  written: SEES_SELF,
  removed: SEES_SUBTREE,
} as const;

const restoreAccess = (
  daemon: RequestHandler,
  connection: Connection | undefined,
  record: Of<'node'>,
): void => {
  if (connection === undefined) return;
  const transaction = connection.transactions.get(record.transaction);
  if (transaction === undefined) throw refuse('a transaction before', record);
  const { path, value, permissions, access, tells } = record;
  if (!isNodePath(path, daemon.quotas.pathLength)) throw refuse('the path of a node', path);
  const names = namesOf(path);
  const node = nodeAt(transaction.root, names);
  transaction.note(path, SEES[access]);
  const make = (change: Parameters<typeof apply>[1]): void => {
    apply(transaction, change, DOM0);
    transaction.keep(change, DOM0);
  };
  if (access === 'read' || access === 'read-self') {
    if (!same(node, record)) transaction.doomed = true;
  } else if (access === 'removed') {
    if (path === '/') return;
    if (node === undefined) {
      // It was made and removed; if it is made once more, those are told who may read what is above it.
      const above = names.slice(0, depthOf(transaction.root, names));
      const nearest = nodeAt(transaction.root, above) as StoreNode;
      if (tells !== 'nobody') transaction.changed(path, nearest, tells === 'exact');
      return;
    }
    if (tells !== 'nobody') {
      walk(node, path, (inner, where) =>
        transaction.changed(where, inner, where !== path || tells === 'exact'),
      );
    }
    make({ kind: 'remove', names });
  } else {
    if (permissions.length === 0) throw refuse('a written node with an owner', record);
    make({ kind: node === undefined ? 'create' : 'write', names, value });
    make({ kind: 'permit', names, permissions });
    const written = nodeAt(transaction.root, names) as StoreNode;
    if (tells !== 'nobody') {
      transaction.changed(path, written, tells === 'exact', node?.permissions);
    }
  }
};
