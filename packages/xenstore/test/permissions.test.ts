import { describe, expect, test } from 'vitest';
import type { Access } from '../src/index.ts';
import { codeOf, makeWorld } from './world.ts';

describe('permissions', () => {
  test('PERM-1: the owner may all, others what their entry or the first entry says', () => {
    const { daemon, dom0 } = makeWorld();
    const [one, two, three] = [daemon.connect(1), daemon.connect(2), daemon.connect(3)];
    dom0.write('/p', 'x');
    const table: [Access, Access, string, string, string, string][] = [
      // default, domain 2's entry: 2 reads, 2 writes, 3 reads, 3 writes
      ['n', 'r', 'OK', 'EACCES', 'EACCES', 'EACCES'],
      ['r', 'w', 'EACCES', 'OK', 'OK', 'EACCES'],
      ['w', 'b', 'OK', 'OK', 'EACCES', 'OK'],
      ['b', 'n', 'EACCES', 'EACCES', 'OK', 'OK'],
    ];
    for (const [all, second, ...expected] of table) {
      dom0.setPermissions('/p', [
        { domid: 1, access: all },
        { domid: 2, access: second },
      ]);
      expect(codeOf(() => one.write('/p', one.read('/p')))).toBe('OK');
      const found = [two, three].flatMap((client) => [
        codeOf(() => client.read('/p')),
        codeOf(() => client.write('/p', 'x')),
      ]);
      expect(found).toEqual(expected);
    }
  });

  test('PERM-2: a new node inherits; what a domain makes is its own', () => {
    const { daemon, dom0 } = makeWorld();
    dom0.mkdir('/shared');
    const entries = [
      { domid: 0, access: 'n' },
      { domid: 4, access: 'b' },
    ] as const;
    dom0.setPermissions('/shared', entries);
    dom0.mkdir('/shared/zero');
    expect(dom0.getPermissions('/shared/zero')).toEqual(entries);
    daemon.connect(4).write('/shared/four/deep', '');
    expect(dom0.getPermissions('/shared/four')).toEqual([{ domid: 4, access: 'n' }, entries[1]]);
    expect(dom0.getPermissions('/shared/four/deep')).toEqual([
      { domid: 4, access: 'n' },
      entries[1],
    ]);
  });

  test('PERM-3: only dom0 gives a node away; only the owner changes entries', () => {
    const { daemon, dom0 } = makeWorld({ domainExists: (domid) => domid < 10 });
    const one = daemon.connect(1);
    dom0.mkdir('/p');
    dom0.setPermissions('/p', [{ domid: 1, access: 'b' }]);
    one.setPermissions('/p', [
      { domid: 1, access: 'n' },
      { domid: 2, access: 'b' },
    ]);
    expect(codeOf(() => one.setPermissions('/p', [{ domid: 2, access: 'n' }]))).toBe('EPERM');
    expect(codeOf(() => daemon.connect(2).setPermissions('/p', [{ domid: 2, access: 'n' }]))).toBe(
      'EACCES',
    );
    expect(codeOf(() => dom0.setPermissions('/p', [{ domid: 11, access: 'n' }]))).toBe('ENOENT');
    dom0.setPermissions('/p', [{ domid: 2, access: 'n' }]);
    expect(daemon.counters().domains.map(([domid, { nodes }]) => [domid, nodes])).toEqual([
      [0, 3],
      [2, 1],
    ]);
  });

  test('PERM-4: of what is hidden nobody learns whether it is there', () => {
    const { daemon, dom0 } = makeWorld();
    const one = daemon.connect(1);
    dom0.write('/hidden/there', '');
    for (const path of ['/hidden/there', '/hidden/missing', '/hidden/missing/deep']) {
      expect(codeOf(() => one.read(path))).toBe('EACCES');
      expect(codeOf(() => one.rm(path))).toBe('EACCES');
    }
  });

  test('PERM-5: SET_TARGET gives a domain the rights of another', () => {
    const { daemon, dom0 } = makeWorld();
    for (const domid of [1, 2]) dom0.introduce(domid, 1, 1);
    dom0.write('/one', 'x');
    dom0.setPermissions('/one', [{ domid: 1, access: 'n' }]);
    expect(codeOf(() => dom0.setTarget(2, 9))).toBe('ENOENT');
    const two = daemon.connect(2);
    expect(codeOf(() => two.read('/one'))).toBe('EACCES');
    dom0.setTarget(2, 1);
    two.write('/one', 'y');
    expect(two.read('/one')).toBe('y');
    daemon.domainDied(1);
    expect(codeOf(() => dom0.setTarget(2, 1))).toBe('ENOENT');
  });

  test('PERM-6: entries for a domain that is gone mean nothing to the next of its number', () => {
    const { daemon, dom0 } = makeWorld();
    dom0.introduce(5, 1, 1);
    dom0.write('/p', 'x');
    dom0.setPermissions('/p', [
      { domid: 0, access: 'n' },
      { domid: 5, access: 'r' },
    ]);
    expect(daemon.connect(5).read('/p')).toBe('x');
    daemon.domainDied(5);
    dom0.introduce(5, 1, 1);
    const next = daemon.connect(5);
    expect(codeOf(() => next.read('/p'))).toBe('EACCES');
    expect(dom0.getPermissions('/p')).toEqual([
      { domid: 0, access: 'n' },
      { domid: 5, access: 'r' },
    ]);
    dom0.write('/p', 'y');
    dom0.write('/p/below', 'z');
    expect(codeOf(() => next.read('/p'))).toBe('EACCES');
    expect(codeOf(() => next.read('/p/below'))).toBe('EACCES');
    dom0.setPermissions('/p', dom0.getPermissions('/p'));
    expect(next.read('/p')).toBe('y');
  });

  test('PERM-6: an entry for a domain that is not there yet means nothing once it is', () => {
    const there = new Set([0]);
    const { daemon, dom0 } = makeWorld({ domainExists: (domid) => there.has(domid) });
    dom0.write('/p', 'x');
    const entries = [
      { domid: 0, access: 'n' },
      { domid: 5, access: 'r' },
    ] as const;
    dom0.setPermissions('/p', entries);
    there.add(5);
    const five = daemon.connect(5);
    expect(codeOf(() => five.read('/p'))).toBe('EACCES');
    dom0.setPermissions('/p', entries);
    expect(five.read('/p')).toBe('x');
  });

  test('PERM-7: requests that are dom0 only', () => {
    const { daemon } = makeWorld();
    const one = daemon.connect(1);
    for (const request of [
      () => one.introduce(2, 1, 1),
      () => one.release(2),
      () => one.resume(2),
      () => one.setTarget(1, 0),
      () => one.control('help'),
      () => one.isDomainIntroduced(0),
    ]) {
      expect(codeOf(request)).toBe('EACCES');
    }
    expect(one.getDomainPath(3)).toBe('/local/domain/3');
  });
});
