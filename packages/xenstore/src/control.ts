import type { Connection } from './connection.ts';
import type { Quotas } from './quotas.ts';
import type { Store } from './store.ts';
import { type StoreNode, walk } from './store-node.ts';
import type { Watches } from './watches.ts';
import type { ErrorName } from './xenstore-error.ts';

/** What control commands can ask about. */
export interface Controlled {
  readonly store: Store;
  readonly watches: Watches<Connection>;
  readonly quotas: Quotas;
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

const quota: Command = ({ store, quotas }, [, word]) => {
  if (word === undefined) {
    return Object.entries(quotas)
      .map(([name, limit]) => `${name}: ${limit}\n`)
      .join('');
  }
  if (!/^\d{1,5}$/.test(word)) return 'EINVAL';
  const { nodes, watches, transactions } = store.accounts.of(Number(word));
  return `Domain ${word}:\nnodes: ${nodes}\nwatches: ${watches}\ntransactions: ${transactions}\n`;
};

const help: Command = () => `${[...COMMANDS.keys()].join('\n')}\n`;

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['check', check],
  ['log', log],
  ['memreport', memreport],
  ['quota', quota],
  ['help', help],
]);

/** Answers XS_CONTROL: the command and its parameters, as text; EINVAL for one that is not known. */
export const controlAnswer = (daemon: Controlled, words: readonly string[]): string | ErrorName =>
  COMMANDS.get(words[0] as string)?.(daemon, words) ?? 'EINVAL';
