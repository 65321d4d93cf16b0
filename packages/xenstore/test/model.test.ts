import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoreClient } from '../src/index.ts';
import { Model, type ModelConnection } from './model.ts';
import { makeWorld } from './world.ts';

const LIMITS = { nodes: 12, watches: 4, transactions: 2, permissions: 3 };

interface Step {
  who: number;
  name: string;
  args: string[];
  tx: number;
}

const entry = fc
  .tuple(fc.constantFrom('n', 'r', 'w', 'b'), fc.constantFrom(0, 1, 2))
  .map((parts) => parts.join(''));

/** Steps of `clients` connections on paths that `path` draws; `weights` other than 1. */
const stepsOf = (
  path: fc.Arbitrary<string>,
  clients: number,
  weights: Record<string, number>,
  maxLength: number,
): fc.Arbitrary<Step[]> => {
  const args: Record<string, fc.Arbitrary<string[]>> = {
    read: fc.tuple(path),
    directory: fc.tuple(path),
    permissions: fc.tuple(path),
    write: fc.tuple(path, fc.constantFrom('', '1', '2')),
    mkdir: fc.tuple(path),
    rm: fc.tuple(path),
    permit: fc
      .tuple(path, fc.array(entry, { minLength: 1, maxLength: 4 }))
      .map(([at, entries]) => [at, ...entries]),
    watch: fc.tuple(
      fc.oneof(
        { weight: 5, arbitrary: path },
        { weight: 1, arbitrary: fc.constant('@releaseDomain') },
      ),
      fc.constantFrom('t', 'u'),
    ),
    unwatch: fc.tuple(path, fc.constantFrom('t', 'u')),
    start: fc.constant([]),
    end: fc.constantFrom(['T'], ['T'], ['T'], ['F']),
    reset: fc.constant([]),
    target: fc.constantFrom(['1', '2'], ['2', '1'], ['2', '2']),
    die: fc.constant([]),
  };
  const step = fc.oneof(
    ...Object.entries(args).map(([name, words]) => ({
      weight: weights[name] ?? 2,
      arbitrary: fc.record({
        who: fc.nat(clients - 1),
        name: fc.constant(name),
        args: words,
        tx: fc.nat(3),
      }),
    })),
  );
  // Long sequences, too: only they fill quotas and outlive domains.
  return fc.array(step, { maxLength, size: 'max' });
};

const names = fc.constantFrom('a', 'b', 'c');
const wide = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom('/local/domain/1', '/local/domain/2', '/s', ''),
        fc.array(names, { maxLength: 3 }),
      )
      .map(([top, rest]) => [top, ...rest].join('/') || '/'),
  },
  {
    weight: 1,
    arbitrary: fc.array(names, { minLength: 1, maxLength: 2 }).map((parts) => parts.join('/')),
  },
);
const narrow = fc.constantFrom('/s', '/s/a', '/s/b', '/s/a/c');

const ask = (client: StoreClient, name: string, words: string[], tx: number): string => {
  const [first = '', ...rest] = words;
  try {
    switch (name) {
      case 'read':
        return `=${client.read(first, tx)}`;
      case 'directory':
        return `=${client.directory(first, tx).join(',')}`;
      case 'permissions':
        return `=${client
          .getPermissions(first, tx)
          .map((p) => p.access + p.domid)
          .join(',')}`;
      case 'write':
        client.write(first, rest[0] as string, tx);
        return 'OK';
      case 'mkdir':
        client.mkdir(first, tx);
        return 'OK';
      case 'rm':
        client.rm(first, tx);
        return 'OK';
      case 'permit': {
        const entries = rest.map((text) => ({
          domid: Number(text.slice(1)),
          access: text[0] as 'n' | 'r' | 'w' | 'b',
        }));
        client.setPermissions(first, entries, tx);
        return 'OK';
      }
      case 'watch':
        client.watch(first, rest[0] as string);
        return 'OK';
      case 'unwatch':
        client.unwatch(first, rest[0] as string);
        return 'OK';
      case 'reset':
        client.resetWatches();
        return 'OK';
      case 'target':
        client.setTarget(Number(first), Number(rest[0]));
        return 'OK';
      case 'start':
        return `=${client.transactionStart()}`;
      default:
        client.transactionEnd(tx, first === 'T');
        return 'OK';
    }
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};

const sameAsModel = (steps: Step[]): void => {
  const { daemon, dom0, settle } = makeWorld({ quotas: LIMITS });
  const model = new Model(LIMITS);
  const pairs: { client: StoreClient; twin: ModelConnection; events: string[]; open: number[] }[] =
    [];
  const join = (slot: number): void => {
    const domid = [0, 0, 1, 2, 1][slot] as number;
    if (domid > 0) {
      const toolstack = daemon.connect(0);
      toolstack.introduce(domid, 1, 1);
      toolstack.close();
    }
    const events: string[] = [];
    const client = daemon.connect(domid, (at, token) => events.push(`${at} ${token}`));
    pairs[slot] = { client, twin: model.connect(domid), events, open: [] };
  };
  dom0.close();
  for (let slot = 0; slot < 5; slot++) join(slot);
  for (const domid of [1, 2]) {
    const dom0s = pairs[0] as (typeof pairs)[0];
    for (const [name, words] of [
      ['mkdir', [`/local/domain/${domid}`]],
      ['permit', [`/local/domain/${domid}`, `n${domid}`]],
    ] as const) {
      ask(dom0s.client, name, [...words], 0);
      model.request(dom0s.twin, name, [...words]);
    }
  }
  for (const { who, name, args: words, tx } of steps) {
    const pair = pairs[who] as (typeof pairs)[0];
    if (name === 'die') {
      const { domid } = pair.twin;
      if (domid === 0) continue;
      daemon.domainDied(domid);
      model.die(domid);
      for (let slot = 2; slot < 5; slot++) {
        if ((pairs[slot] as (typeof pairs)[0]).twin.domid === domid) join(slot);
      }
    } else {
      const id =
        tx === 0 || ['start', 'reset', 'target'].includes(name)
          ? 0
          : (pair.open[tx % Math.max(1, pair.open.length)] ?? 0);
      const ours = ask(pair.client, name, words, id);
      expect(`${name} ${words} ${id} ${ours}`).toBe(
        `${name} ${words} ${id} ${model.request(pair.twin, name, words, id)}`,
      );
      if (name === 'start' && ours.startsWith('=')) pair.open.push(Number(ours.slice(1)));
      if (name === 'reset') pair.open = [];
      if (name === 'end') pair.open = pair.open.filter((open) => open !== id);
    }
    settle();
    for (const { events, twin } of pairs) {
      expect(events.splice(0)).toEqual(twin.events.splice(0));
    }
  }
  const rows = daemon
    .counters()
    .domains.map(([domid, row]) => [domid, [row.nodes, row.watches, row.transactions]]);
  expect(Object.fromEntries(rows)).toEqual(model.counters());
  expect(
    daemon
      .dump()
      .map((node) => node.path)
      .sort(),
  ).toEqual([...model.table.keys()].sort());
  expect((pairs[0] as (typeof pairs)[0]).client.control('check')).toBe('OK');
};

const numRuns = Number(process.env.XENSTORE_RUNS ?? 200);

test('XS-1: random requests of many connections give the replies, events and counts of a naive store', () => {
  const weights = { write: 10, rm: 4, permit: 4, end: 6, start: 4, die: 1, reset: 1, target: 1 };
  const steps = stepsOf(wide, 5, weights, 400);
  fc.assert(fc.property(steps, sameAsModel), { numRuns });
});

test('TX-2: a transaction and what another does meanwhile end as in a naive store', () => {
  const weights = { watch: 0, unwatch: 0, start: 0, end: 0, die: 0, reset: 0, target: 0 };
  const before = stepsOf(narrow, 1, weights, 5);
  const inside = stepsOf(narrow, 1, weights, 4);
  const meanwhile = stepsOf(narrow, 1, weights, 3);
  const plain = (steps: Step[], who: number, tx: number) => steps.map((s) => ({ ...s, who, tx }));
  const one = (name: string, ...args: string[]) => ({ who: 0, name, args, tx: 1 });
  const race = fc
    .tuple(before, inside, meanwhile)
    .map(([first, own, others]) => [
      { ...one('watch', '/', 't'), who: 1 },
      ...plain(first, 1, 0),
      one('start'),
      ...plain(own, 0, 1),
      ...plain(others, 1, 0),
      one('end', 'T'),
    ]);
  fc.assert(fc.property(race, sameAsModel), { numRuns: numRuns * 10 });
});
