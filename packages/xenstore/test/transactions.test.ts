import { describe, expect, test } from 'vitest';
import { codeOf, makeWorld } from './world.ts';

describe('transactions', () => {
  test('TX-1: a transaction sees the store as it was, and its own changes', () => {
    const { dom0 } = makeWorld();
    dom0.write('/a', '1');
    const tx = dom0.transactionStart();
    dom0.write('/a', '2');
    dom0.write('/new', '');
    expect(dom0.read('/a', tx)).toBe('1');
    expect(dom0.tryRead('/new', tx)).toBeUndefined();
    dom0.write('/own', 'x', tx);
    expect(dom0.read('/own', tx)).toBe('x');
    expect(dom0.tryRead('/own')).toBeUndefined();
    dom0.transactionEnd(tx, false);
    expect(dom0.tryRead('/own')).toBeUndefined();
  });

  test('TX-2: what it read or wrote and another changed makes its end EAGAIN', () => {
    const { dom0 } = makeWorld();
    dom0.write('/a', '1');
    for (const disturb of [
      () => dom0.write('/a', '2'),
      () => dom0.setPermissions('/a', [{ domid: 0, access: 'r' }]),
      () => dom0.rm('/a'),
      () => dom0.write('/a', ''),
    ]) {
      const tx = dom0.transactionStart();
      dom0.tryRead('/a', tx);
      dom0.write('/b', 'x', tx);
      disturb();
      expect(codeOf(() => dom0.transactionEnd(tx, true))).toBe('EAGAIN');
      expect(codeOf(() => dom0.transactionEnd(tx, true))).toBe('ENOENT');
    }
    expect(dom0.tryRead('/b')).toBeUndefined();
  });

  test('TX-3: a transaction that cannot conflict never fails', () => {
    const { dom0 } = makeWorld();
    dom0.write('/dir/a', '1');
    const one = dom0.transactionStart();
    const two = dom0.transactionStart();
    const reader = dom0.transactionStart();
    expect(dom0.directory('/dir', reader)).toEqual(['a']);
    dom0.write('/dir/b', '', one);
    dom0.write('/dir/c', '', two);
    dom0.write('/elsewhere', '');
    dom0.transactionEnd(one, true);
    dom0.transactionEnd(two, true);
    dom0.transactionEnd(reader, true);
    expect(dom0.directory('/dir')).toEqual(['a', 'b', 'c']);
    const lister = dom0.transactionStart();
    dom0.directory('/dir', lister);
    dom0.write('/z', '', lister);
    dom0.write('/dir/d', '');
    expect(codeOf(() => dom0.transactionEnd(lister, true))).toBe('EAGAIN');
  });

  test('TX-2: permissions given to a domain that dies before the end are not for the next of its number', () => {
    const { daemon, dom0 } = makeWorld();
    dom0.introduce(5, 1, 1);
    dom0.write('/a', '1');
    const tx = dom0.transactionStart();
    const entries = [
      { domid: 0, access: 'n' },
      { domid: 5, access: 'r' },
    ] as const;
    dom0.setPermissions('/a', entries, tx);
    daemon.domainDied(5);
    dom0.introduce(5, 1, 1);
    expect(codeOf(() => dom0.transactionEnd(tx, true))).toBe('EAGAIN');
    expect(codeOf(() => daemon.connect(5).read('/a'))).toBe('EACCES');
  });

  test('TX-1: values given again and again, with removals between, end as they were given', () => {
    const { dom0 } = makeWorld();
    dom0.write('/a/b', 'old');
    dom0.transaction((tx) => {
      dom0.write('/a/b', '1', tx);
      dom0.rm('/a', tx);
      dom0.write('/a/b/c', '2', tx);
      dom0.write('/a/b', '3', tx);
      dom0.write('/a/b/c', '4', tx);
      dom0.write('/other', '', tx);
      dom0.write('/elsewhere', '');
    });
    expect([dom0.read('/a'), dom0.read('/a/b'), dom0.read('/a/b/c')]).toEqual(['', '3', '4']);
  });

  test('TX-4: transaction() tries again until it fits', () => {
    const { dom0 } = makeWorld();
    dom0.write('/n', '0');
    let disturbances = 3;
    dom0.transaction((tx) => {
      const n = Number(dom0.read('/n', tx));
      if (disturbances-- > 0) dom0.write('/n', `${Number(dom0.read('/n')) + 10}`);
      dom0.write('/n', `${n + 1}`, tx);
    });
    expect(dom0.read('/n')).toBe('31');
  });

  test('TX-5: events come at the end, one a node, in the order of first touch', () => {
    const { daemon, dom0, settle } = makeWorld();
    const seen: string[] = [];
    const client = daemon.connect(0, (path) => seen.push(path));
    client.watch('/', 't');
    settle();
    seen.length = 0;
    dom0.transaction((tx) => {
      dom0.tryRead('/b', tx);
      dom0.write('/a', '1', tx);
      dom0.write('/b', '1', tx);
      dom0.write('/a', '2', tx);
      settle();
      expect(seen).toEqual([]);
    });
    settle();
    expect(seen).toEqual(['/b', '/a']);
  });
});
