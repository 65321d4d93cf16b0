import { describe, expect, test } from 'vitest';
import { codeOf, makeWorld } from './world.ts';

describe('nodes', () => {
  test('NODE-1: a write makes the missing ancestors, with empty values', () => {
    const { dom0 } = makeWorld();
    dom0.write('/a/b/c', 'x');
    expect(dom0.read('/a/b/c')).toBe('x');
    expect(dom0.read('/a')).toBe('');
    expect(dom0.directory('/a')).toEqual(['b']);
    expect(dom0.directory('/')).toEqual(['tool', 'a']);
  });

  test('NODE-2: mkdir of what is there changes nothing', () => {
    const { dom0 } = makeWorld();
    dom0.write('/a', 'x');
    dom0.mkdir('/a');
    expect(dom0.read('/a')).toBe('x');
  });

  test('NODE-3: rm takes the subtree; of what is not there it is fine if the parent is', () => {
    const { dom0 } = makeWorld();
    dom0.write('/a/b/c', 'x');
    dom0.rm('/a/b');
    expect(dom0.tryRead('/a/b/c')).toBeUndefined();
    expect(dom0.directory('/a')).toEqual([]);
    dom0.rm('/a/b');
    expect(codeOf(() => dom0.rm('/a/b/c'))).toBe('ENOENT');
    expect(codeOf(() => dom0.rm('/'))).toBe('EINVAL');
  });

  test('NODE-4: paths are of letters, digits and -/_@, without empty names', () => {
    const { dom0 } = makeWorld();
    for (const path of [
      '',
      '/a/',
      '//a',
      '/a//b',
      '/a b',
      '/a\u00e9',
      '/a.b',
      `/${'a'.repeat(2048)}`,
    ]) {
      expect(codeOf(() => dom0.write(path, ''))).toBe('EINVAL');
    }
    dom0.write(`/${'a'.repeat(2047)}`, '');
    dom0.write(`/local/domain/65535/${'a'.repeat(2048)}`, '');
  });

  test('NODE-5: values are bytes, NULs included', () => {
    const { dom0 } = makeWorld();
    const value = Uint8Array.from({ length: 256 }, (_, i) => i);
    dom0.write('/bin', value);
    expect(dom0.readBytes('/bin')).toEqual(value);
    dom0.write('/bin2', dom0.read('/bin'));
    expect(dom0.readBytes('/bin2')).toEqual(value);
    expect(() => dom0.write('/bin', '\u20ac')).toThrow(RangeError);
  });

  test('NODE-6: a listing keeps the order of creation, and comes in parts when it is long', () => {
    const { dom0 } = makeWorld();
    const names = Array.from({ length: 2000 }, (_, i) => `n${(i * 7919) % 2000}`);
    for (const name of names) dom0.write(`/many/${name}`, '');
    expect(dom0.directory('/many')).toEqual(names);
    dom0.rm('/many/n7919');
    for (const name of names.slice(0, 1500)) dom0.rm(`/many/${name}`);
    expect(dom0.directory('/many')).toEqual(names.slice(1500));
  });

  test('NODE-7: relative paths start at the home of the caller', () => {
    const { daemon, dom0 } = makeWorld();
    dom0.mkdir('/local/domain/3');
    dom0.setPermissions('/local/domain/3', [{ domid: 3, access: 'n' }]);
    daemon.connect(3).write('data/x', 'y');
    expect(dom0.read('/local/domain/3/data/x')).toBe('y');
    dom0.write('me', '0');
    expect(dom0.read('/local/domain/0/me')).toBe('0');
  });
});
