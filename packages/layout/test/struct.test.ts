import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  array,
  BytesMemory,
  bytes,
  i16,
  i64,
  nest,
  packed,
  struct,
  u8,
  u16,
  u32,
  u64,
  union,
} from '../src/index.ts';

const inner = struct('inner', { a: u8, b: u32 });
const outer = struct('outer', {
  first: u8,
  word: u64,
  half: i16,
  name: bytes(5),
  inner: nest(inner),
  list: array(u16, 3),
  pairs: array(inner, 2),
  last: i64,
});

test('LAY-1: fields stand where a C compiler for x86-64 puts them', () => {
  expect(outer.offset).toEqual({
    first: 0,
    word: 8,
    half: 16,
    name: 18,
    inner: 24,
    list: 32,
    pairs: 40,
    last: 56,
  });
  expect(outer.size).toBe(64);
  expect(inner.size).toBe(8);
  expect(packed('p', { a: u8, b: u32 }).offset.b).toBe(1);
  expect(union('u', { a: u8, b: u32 })).toMatchObject({ size: 4, offset: { a: 0, b: 0 } });
});

test('LAY-2: what is written is read, and only its own bytes change', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: -32768, max: 32767 }),
      fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: 0, max: 64 }),
      (first, word, half, last, base) => {
        const raw = new Uint8Array(outer.size + 128).fill(0xa5);
        const view = outer.at(new BytesMemory(raw, 1000), 1000 + base);
        view.first = first;
        view.word = word;
        view.half = half;
        view.last = last;
        view.inner.b = 7;
        view.list.set(2, 0x1234);
        view.pairs.at(1).b = 0xffffffff;
        expect(view.first).toBe(first);
        expect(view.word).toBe(word);
        expect(view.half).toBe(half);
        expect(view.last).toBe(last);
        expect(view.inner.b).toBe(7);
        expect(view.list.get(2)).toBe(0x1234);
        expect(view.pairs.at(1).b).toBe(0xffffffff);
        const kept = (i: number): boolean =>
          i < base || i >= base + outer.size || (i > base && i < base + 8);
        expect(raw.every((byte, i) => !kept(i) || byte === 0xa5)).toBe(true);
      },
    ),
  );
});

test('LAY-3: all ones is -1 signed; a view holds nothing but its place and can be frozen', () => {
  const raw = new Uint8Array(64).fill(0xff);
  const view = outer.at(new BytesMemory(raw), 0);
  Object.freeze(view);
  expect(view.last).toBe(-1);
  view.last = -4096;
  expect(view.last).toBe(-4096);
  expect(Object.keys(view)).toEqual(['memory', 'address']);
});

test('LAY-4: an index outside an array and bytes too many are refused', () => {
  const view = outer.at(new BytesMemory(new Uint8Array(64)), 0);
  expect(() => view.list.get(3)).toThrow('expected an index within [0, 3), found 3');
  expect(() => view.pairs.at(-1)).toThrow(RangeError);
  expect(() => {
    view.name = new Uint8Array(6);
  }).toThrow('expected at most 5 bytes, found 6');
  view.name = new Uint8Array([1, 2]);
  expect([...view.name]).toEqual([1, 2, 0, 0, 0]);
});

test('LAY-5: an access outside the bytes is a RangeError, never a wrong value', () => {
  const memory = new BytesMemory(new Uint8Array(8), 100);
  for (const access of [
    () => memory.ld8(99),
    () => memory.ld32(105),
    () => memory.st16(107, 1),
    () => memory.read(104, new Uint8Array(5)),
    () => memory.write(92, new Uint8Array(8)),
  ]) {
    expect(access).toThrow(RangeError);
  }
});
