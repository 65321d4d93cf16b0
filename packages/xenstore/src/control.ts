import type { Connection } from './connection.ts';
import type { Quotas } from './quotas.ts';
import type { Store } from './store.ts';
import { type StoreNode, walk } from './store-node.ts';
import type { Watches } from './watches.ts';
import type { ErrorName } from './xenstore-error.ts';

/**
 * Has another process take over.
 * @returns why it cannot; otherwise it begins when the request has been answered
 */
export type Replace = (program: string, args: readonly string[]) => ErrorName | undefined;

/** What control commands can ask about, and change. */
export interface Controlled {
  readonly store: Store;
  readonly watches: Watches<Connection>;
  quotas: Quotas;
  /** Begins to replace the daemon by `program`; undefined when whoever runs the daemon cannot. */
  readonly replace: Replace | undefined;
  /** What `live-update -f` and `-c` named for `live-update -s`. */
  successor: { program: string | undefined; args: readonly string[] };
  readonly connections: ReadonlyMap<number, Connection>;
  /** Whether each message is told to the trace's story. */
  logging: boolean;
}

type Command = (daemon: Controlled, words: readonly string[]) => string | ErrorName;

const check: Command = ({ store }) => {
  const counted = new Map<number, number>();
  walk(store.root, '/', ({ owner }) => counted.set(owner, (counted.get(owner) ?? 0) + 1));
  for (const [domid, { nodes }] of store.accounts.entries()) {
    const found = counted.get(domid) ?? 0;
    if (found !== nodes) {
      return `domain ${domid}: expected ${nodes} nodes, found ${found}`;
    }
  }
  return 'OK';
};

const log: Command = (daemon, [, word]) => {
  if (word !== 'on' && word !== 'off') return 'EINVAL';
  daemon.logging = word === 'on';
  return 'OK';
};

const memreport: Command = ({ store, watches, connections }) => {
  let nodes = 0;
  let bytes = 0;
  walk(store.root, '/', (node: StoreNode) => {
    nodes++;
    bytes += node.recordSize;
  });
  let transactions = 0;
  for (const { transactions: open } of connections.values()) transactions += open.size;
  return [
    `nodes: ${nodes}`,
    `node bytes: ${bytes}`,
    `watches: ${watches.size}`,
    `transactions: ${transactions}`,
    `connections: ${connections.size}`,
    '',
  ].join('\n');
};

const setQuota = (daemon: Controlled, name: string, limit: string): string | ErrorName => {
  if (!Object.hasOwn(daemon.quotas, name) || !/^\d{1,9}$/.test(limit)) return 'EINVAL';
  daemon.quotas = { ...daemon.quotas, [name]: Number(limit) };
  return 'OK';
};

const quota: Command = (daemon, [, word, name, limit]) => {
  const { store, quotas } = daemon;
  if (word === 'set') return setQuota(daemon, name ?? '', limit ?? '');
  if (word === undefined) {
    return Object.entries(quotas)
      .map(([name, limit]) => `${name}: ${limit}\n`)
      .join('');
  }
  if (!/^\d{1,5}$/.test(word)) return 'EINVAL';
  const { nodes, watches, transactions } = store.accounts.of(Number(word));
  return `Domain ${word}:\nnodes: ${nodes}\nwatches: ${watches}\ntransactions: ${transactions}\n`;
};

/** As Xen's xenstore-control sends it: -f FILE, -c ARGUMENTS, -s (-F, -t TIMEOUT) to begin, -a to give up. */
const liveUpdate: Command = (daemon, [, option, word]) => {
  if (daemon.replace === undefined) return 'ENOSYS';
  const { program } = daemon.successor;
  if (option === '-f' && word !== undefined) {
    daemon.successor = { program: word, args: [] };
  } else if (option === '-c' && word !== undefined && program !== undefined) {
    daemon.successor = { program, args: word.split(' ').filter((part) => part !== '') };
  } else if (option === '-a') {
    daemon.successor = { program: undefined, args: [] };
  } else if (option === '-s' && program !== undefined) {
    return daemon.replace(program, daemon.successor.args) ?? 'OK';
  } else return 'EINVAL';
  return 'OK';
};

const help: Command = () => `${[...COMMANDS.keys()].join('\n')}\n`;

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['check', check],
  ['live-update', liveUpdate],
  ['log', log],
  ['memreport', memreport],
  ['quota', quota],
  ['help', help],
]);

/** Answers XS_CONTROL: the command and its parameters, as text; EINVAL for one that is not known. */
export const controlAnswer = (daemon: Controlled, words: readonly string[]): string | ErrorName =>
  COMMANDS.get(words[0] as string)?.(daemon, words) ?? 'EINVAL';
