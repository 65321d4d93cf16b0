import { describe, expect, test } from 'vitest';
import { codeOf, makeWorld } from './world.ts';

const guestOf = (world: ReturnType<typeof makeWorld>, domid: number) => {
  world.dom0.mkdir(`/local/domain/${domid}`);
  world.dom0.setPermissions(`/local/domain/${domid}`, [{ domid, access: 'n' }]);
  return world.daemon.connect(domid);
};
const account = (world: ReturnType<typeof makeWorld>, domid: number) =>
  world.daemon.counters().domains.find(([id]) => id === domid)?.[1];

describe('quotas', () => {
  test('QUOTA-1: nodes are counted for their owner, in transactions too', () => {
    const world = makeWorld({ quotas: { nodes: 5 } });
    const guest = guestOf(world, 1);
    guest.write('a/b', '');
    expect(account(world, 1)?.nodes).toBe(3);
    expect(codeOf(() => guest.write('c/d/e', ''))).toBe('ENOSPC');
    expect(guest.tryRead('c')).toBeUndefined();
    const tx = guest.transactionStart();
    guest.rm('a', tx);
    guest.write('c/d/e', '', tx);
    expect(codeOf(() => guest.write('f/g', '', tx))).toBe('ENOSPC');
    guest.transactionEnd(tx, true);
    expect(account(world, 1)?.nodes).toBe(4);
    world.dom0.write('/local/domain/1/by-dom0', '');
    expect(account(world, 1)?.nodes).toBe(5);
    expect(codeOf(() => guest.mkdir('more'))).toBe('ENOSPC');
    world.dom0.mkdir('/local/domain/1/still');
    expect(account(world, 1)?.nodes).toBe(6);
  });

  test('QUOTA-2: two transactions cannot together go beyond', () => {
    const world = makeWorld({ quotas: { nodes: 3 } });
    const guest = guestOf(world, 1);
    const [one, two] = [guest.transactionStart(), guest.transactionStart()];
    guest.write('a/b', '', one);
    guest.write('c/d', '', two);
    guest.transactionEnd(one, true);
    expect(codeOf(() => guest.transactionEnd(two, true))).toBe('ENOSPC');
    expect(account(world, 1)).toEqual({ nodes: 3, watches: 0, transactions: 0 });
  });

  test('QUOTA-3: a node of an unprivileged domain has at most 2047 bytes of record', () => {
    const world = makeWorld();
    const guest = guestOf(world, 1);
    guest.write('a', 'x'.repeat(2015));
    expect(codeOf(() => guest.write('a', 'x'.repeat(2016)))).toBe('ENOSPC');
    expect(codeOf(() => guest.write('b', 'x'.repeat(2016)))).toBe('ENOSPC');
    world.dom0.write('/local/domain/1/a', 'x'.repeat(4000));
    const name = 'n'.repeat(510);
    for (let i = 0; i < 3; i++) guest.mkdir(`${name}${i}`);
    expect(codeOf(() => guest.mkdir(`${name}4`))).toBe('ENOSPC');
  });

  test('QUOTA-4: watches, transactions, permissions, nodes of a transaction', () => {
    const quotas = { watches: 3, transactions: 2, permissions: 2, transactionNodes: 4 };
    const world = makeWorld({ quotas });
    const guest = guestOf(world, 1);
    for (let i = 0; i < 4; i++) guest.watch('a', `${i}`);
    expect(codeOf(() => guest.watch('a', '4'))).toBe('E2BIG');
    const entry = { domid: 1, access: 'n' } as const;
    expect(codeOf(() => guest.setPermissions('.', [entry, entry, entry]))).toBe('ENOSPC');
    const [tx] = [0, 1, 2].map(() => guest.transactionStart()) as [number, number, number];
    expect(codeOf(() => guest.transactionStart())).toBe('ENOSPC');
    for (let i = 0; i < 3; i++) expect(codeOf(() => guest.read(`n${i}`, tx))).toBe('ENOENT');
    expect(codeOf(() => guest.read('n3', tx))).toBe('ENOSPC');
    expect(codeOf(() => guest.transactionEnd(tx, true))).toBe('ENOMEM');
    expect(account(world, 1)).toEqual({ nodes: 1, watches: 4, transactions: 2 });
    guest.resetWatches();
    expect(account(world, 1)).toEqual({ nodes: 1, watches: 0, transactions: 0 });
  });

  test("QUOTA-5: nothing of a dead domain is left, or its nodes are dom0's", () => {
    for (const orphans of ['remove', 'adopt'] as const) {
      const world = makeWorld({ orphans });
      world.dom0.introduce(1, 1, 1);
      const guest = guestOf(world, 1);
      guest.write('data/x', 'y');
      guest.watch('data', 't');
      guest.transactionStart();
      const before = world.daemon.counters().connections;
      world.daemon.domainDied(1);
      expect(account(world, 1)).toBeUndefined();
      expect(world.daemon.counters()).toMatchObject({ watches: 0, transactions: 0 });
      expect(world.daemon.counters().connections).toBe(before - 2);
      expect(world.dom0.tryRead('/local/domain/1/data/x')).toBe(
        orphans === 'adopt' ? 'y' : undefined,
      );
      expect(world.dom0.control('check')).toBe('OK');
      expect(() => guest.read('data')).toThrow('closed');
    }
  });

  test('QUOTA-6: a transaction that changes one node for ever keeps its last value only', () => {
    const world = makeWorld();
    const guest = guestOf(world, 1);
    const tx = guest.transactionStart();
    guest.write('a', 'first', tx);
    const before = process.memoryUsage();
    const value = new Uint8Array(1900);
    for (let i = 0; i < 200_000; i++) guest.write('a', value.fill(i, 0, 8), tx);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    expect(grown).toBeLessThan(250e6);
    world.dom0.write('/elsewhere', '');
    guest.transactionEnd(tx, true);
    expect(guest.readBytes('a')).toEqual(value.fill(199_999, 0, 8));
  });

  test('QUOTA-7: a transaction that makes and removes for ever ends with ENOMEM', () => {
    const world = makeWorld({ quotas: { transactionNodes: 10 } });
    const guest = guestOf(world, 1);
    const tx = guest.transactionStart();
    for (let i = 0; i < 100; i++) {
      guest.write('a', `${i}`, tx);
      guest.rm('a', tx);
    }
    expect(codeOf(() => guest.transactionEnd(tx, true))).toBe('ENOMEM');
    expect(account(world, 1)).toEqual({ nodes: 1, watches: 0, transactions: 0 });
  });

  test("QUOTA-8: one connection, dom0's too, has watches and transactions without number no more than another", () => {
    const quotas = { connectionWatches: 3, connectionTransactions: 2 };
    const { daemon } = makeWorld({ quotas });
    const [one, two] = [daemon.connect(0), daemon.connect(0)];
    for (let i = 0; i < 3; i++) one.watch('/a', `${i}`);
    expect(codeOf(() => one.watch('/a', '3'))).toBe('E2BIG');
    for (let i = 0; i < 2; i++) one.transactionStart();
    expect(codeOf(() => one.transactionStart())).toBe('ENOSPC');
    two.watch('/a', '0');
    two.transactionStart();
  });
});
