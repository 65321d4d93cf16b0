/*
 * The requests on what a connection holds: its watches and its transactions.
 */
import { XENSTORE_PAYLOAD_MAX, XENSTORE_REL_PATH_MAX } from '@port-xen/abi';
import { type Answer, type Call, nodePath, onlyString } from './call.ts';
import type { Connection } from './connection.ts';
import { bytesOf, payloadOf, stringsOf } from './latin1.ts';
import { isSpecial } from './path.ts';
import type { Quotas } from './quotas.ts';
import { Transaction } from './transaction.ts';
import { Watch } from './watches.ts';

/** Nodes a transaction of dom0's may touch: more than it has reason to, and less than fills memory. */
const DOM0_TRANSACTION_NODES = 1_048_576;

const keyOf = (path: string, token: string): string => `${path}\0${token}`;

/** XS_WATCH: `<path>|<token>|[<depth>|]`. One event comes at once, after the reply. */
export const watch = (call: Call): Answer => {
  const { connection, daemon } = call;
  const [wanted, token, levels] = stringsOf(call.payload, 3);
  if (wanted === undefined || token === undefined) return 'EINVAL';
  if (levels !== undefined && !/^\d{1,4}$/.test(levels)) return 'EINVAL';
  const depth = levels === undefined ? Number.POSITIVE_INFINITY : Number(levels);
  let path: string | undefined = wanted;
  let relative = 0;
  if (isSpecial(wanted)) {
    if (wanted.length > XENSTORE_REL_PATH_MAX) return 'EINVAL';
  } else {
    path = nodePath(call, wanted);
    if (path === undefined) return 'EINVAL';
    if (!wanted.startsWith('/')) relative = connection.home.length + 1;
  }
  const key = keyOf(path, token);
  if (connection.watches.has(key)) return 'EEXIST';
  const { watches } = daemon.store.accounts.of(connection.domid);
  if (!connection.privileged && watches > daemon.quotas.watches) return 'E2BIG';
  if (connection.watches.size >= daemon.quotas.connectionWatches) return 'E2BIG';
  setWatch(call.daemon, connection, path, token, relative, depth);
  call.afterwards = () => connection.outlet.event(wanted, token);
  return undefined;
};

/** Adds a watch that was found to be in order. */
export const setWatch = (
  daemon: Pick<Call['daemon'], 'watches' | 'store' | 'nextOrder'>,
  connection: Connection,
  path: string,
  token: string,
  relative: number,
  depth: number,
): void => {
  const made = new Watch(connection, path, token, relative, depth, daemon.nextOrder());
  connection.watches.set(keyOf(path, token), made);
  daemon.watches.add(made);
  daemon.store.accounts.add(connection.domid, 'watches', 1);
};

/** XS_UNWATCH: `<path>|<token>|`. */
export const unwatch = (call: Call): Answer => {
  const { connection, daemon } = call;
  const [path, token] = stringsOf(call.payload, 2);
  if (path === undefined || token === undefined) return 'EINVAL';
  const key = keyOf(connection.absolute(path), token);
  const found = connection.watches.get(key);
  if (found === undefined) return 'ENOENT';
  connection.watches.delete(key);
  daemon.watches.delete(found);
  daemon.store.accounts.add(connection.domid, 'watches', -1);
  return undefined;
};

/** XS_RESET_WATCHES: drops the caller's watches and transactions. */
export const resetWatches = (call: Call): Answer => {
  call.daemon.forget(call.connection);
  return undefined;
};

/** How many nodes a transaction of the connection may touch. */
export const transactionLimit = (connection: Connection, quotas: Quotas): number =>
  connection.privileged ? DOM0_TRANSACTION_NODES : quotas.transactionNodes;

/** XS_TRANSACTION_START: gives the number that the requests of the transaction carry. */
export const transactionStart = (call: Call): Answer => {
  const { connection, daemon } = call;
  if (call.transaction !== undefined) return 'EBUSY';
  const { transactions } = daemon.store.accounts.of(connection.domid);
  if (!connection.privileged && transactions > daemon.quotas.transactions) return 'ENOSPC';
  if (connection.transactions.size >= daemon.quotas.connectionTransactions) return 'ENOSPC';
  while (
    connection.nextTransactionId === 0 ||
    connection.transactions.has(connection.nextTransactionId)
  ) {
    connection.nextTransactionId = (connection.nextTransactionId + 1) >>> 0;
  }
  const id = connection.nextTransactionId;
  connection.nextTransactionId = (id + 1) >>> 0;
  connection.transactions.set(
    id,
    new Transaction(id, daemon.store, transactionLimit(connection, daemon.quotas)),
  );
  daemon.store.accounts.add(connection.domid, 'transactions', 1);
  return payloadOf([`${id}`]);
};

/** XS_TRANSACTION_END: `T|` commits, `F|` discards. The transaction is over whatever the answer. */
export const transactionEnd = (call: Call): Answer => {
  const { connection, daemon, transaction } = call;
  const word = onlyString(call.payload);
  if (word !== 'T' && word !== 'F') return 'EINVAL';
  if (transaction === undefined) return 'ENOENT';
  connection.transactions.delete(transaction.id);
  daemon.store.accounts.add(connection.domid, 'transactions', -1);
  if (word === 'F') return undefined;
  return daemon.store.commit(transaction, connection, daemon.quotas, daemon.announcements);
};

/** XS_CONTROL: `<command>|[<parameter>|…]`, for dom0. */
export const control = (call: Call): Answer => {
  const words = stringsOf(call.payload);
  if (words.length === 0) return 'EINVAL';
  const answer = call.daemon.control(words);
  if (/^E[A-Z0-9]+$/.test(answer)) return answer as Answer;
  return payloadOf([answer.slice(0, XENSTORE_PAYLOAD_MAX - 1)], bytesOf(''));
};
