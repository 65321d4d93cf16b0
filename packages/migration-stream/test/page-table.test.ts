import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalise, localise } from '../src/index.ts';

/** A domain of 4096 pages, pfn p in frame FIRST + (p * 1237 % 4096), and nothing else. */
const FIRST = 5 * 2 ** 21;
const COUNT = 4096;
const p2m = Int32Array.from({ length: COUNT }, (_, pfn) => FIRST + ((pfn * 1237) % COUNT));
const m2p = new Map([...p2m].map((mfn, pfn) => [mfn, pfn]));
const mfnToPfn = (mfn: number) => {
  expect(mfn).toBeLessThan(2 ** 31);
  return m2p.get(mfn) ?? -1;
};
const pfnToMfn = (pfn: number) => p2m[pfn] ?? -1;

const PRESENT = 1n;
const LARGE = 0x80n;
const FLAGS = 0xfff0000000000fffn;

/** A page table of these entries, by slot. */
const table = (entries: { readonly [slot: number]: bigint }): BigUint64Array => {
  const page = new BigUint64Array(512);
  for (const [slot, entry] of Object.entries(entries)) page[Number(slot)] = entry;
  return page;
};
const bytesOf = (page: BigUint64Array) => new Uint8Array(page.buffer);
const entry = (frame: number, flags: bigint) => (BigInt(frame) << 12n) | flags;

const flags = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((bits) => bits & FLAGS);
const level = fc.integer({ min: 1, max: 4 });
const slots = (flag: fc.Arbitrary<bigint>) =>
  fc.array(fc.tuple(fc.nat(511), fc.nat(COUNT - 1), flag), { maxLength: 40 });

describe('MIG-40: canonicalise', () => {
  test('puts pfns into present entries, keeps flags and the others, and leaves the table alone', () => {
    fc.assert(
      fc.property(level, slots(flags), (level, entries) => {
        const page = new BigUint64Array(512);
        const expected = new BigUint64Array(512);
        for (const [slot, pfn, bits] of entries) {
          const some = level > 1 ? bits & ~LARGE : bits;
          const mfn = pfnToMfn(pfn);
          page[slot] = entry(mfn, some);
          const xen = level === 4 && slot >= 256 && slot <= 271;
          expected[slot] = xen ? 0n : entry((some & PRESENT) !== 0n ? pfn : mfn, some);
        }
        const original = page.slice();
        const into = new BigUint64Array(512).fill(~0n);
        expect(canonicalise(bytesOf(page), level, mfnToPfn, bytesOf(into))).toBe(undefined);
        expect(into).toEqual(expected);
        expect(page).toEqual(original);
      }),
    );
  });

  test('writes pfns of 31 bits', () => {
    const page = table({ 0: entry(1, 0x8000000000000fffn) });
    const into = new BigUint64Array(512);
    expect(canonicalise(bytesOf(page), 1, () => 0x7fedcba9, bytesOf(into))).toBe(undefined);
    expect(into[0]).toBe(entry(0x7fedcba9, 0x8000000000000fffn));
  });

  test('works in place and on 32-bit words too', () => {
    const page = table({ 3: entry(pfnToMfn(7), 0x8000000000000067n) });
    expect(canonicalise(new Int32Array(page.buffer), 2, mfnToPfn, bytesOf(page))).toBe(undefined);
    expect(page).toEqual(table({ 3: entry(7, 0x8000000000000067n) }));
  });

  test('asks for a page, aligned', () => {
    const page = new Uint8Array(4096);
    expect(() => canonicalise(page.subarray(8), 1, mfnToPfn, page)).toThrow(RangeError);
    expect(() => localise(new Uint8Array(4100).subarray(2, 4098), 1, pfnToMfn)).toThrow(RangeError);
  });
});

describe('MIG-41: slots 256 to 271 of a level 4 table are Xen’s', () => {
  const page = table({ 255: 0n, 256: entry(1, 0x67n), 271: entry(2, 0xe7n), 272: 0n });

  test('they become zero, whatever is in them', () => {
    const into = new BigUint64Array(512);
    expect(canonicalise(bytesOf(page), 4, mfnToPfn, bytesOf(into))).toBe(undefined);
    expect(into).toEqual(new BigUint64Array(512));
  });

  test('those of lower tables are not, nor their neighbours', () => {
    const into = new Uint8Array(4096);
    expect(canonicalise(bytesOf(page), 3, mfnToPfn, into)).toMatchObject({ slot: 256, frame: 1 });
    for (const slot of [255, 272]) {
      const other = table({ [slot]: entry(1, 1n) });
      expect(canonicalise(bytesOf(other), 4, mfnToPfn, into)).toMatchObject({ slot });
    }
  });
});

describe('MIG-42: a large page cannot be written', () => {
  test.each([2, 3, 4])('in a table of level %i', (level) => {
    const page = table({ 17: entry(pfnToMfn(512), 0x80000000000000e7n) });
    expect(canonicalise(bytesOf(page), level, mfnToPfn, new Uint8Array(4096))).toMatchObject({
      reason: 'superpage',
      level,
      slot: 17,
      frame: pfnToMfn(512),
      message: `Cannot migrate superpage (L${level}[17]: 0x${page[17]?.toString(16)})`,
    });
  });

  test('in a level 1 table bit 7 is something else; in an entry that is not present, nothing', () => {
    const into = new Uint8Array(4096);
    const pat = table({ 17: entry(pfnToMfn(512), 0xe7n) });
    expect(canonicalise(bytesOf(pat), 1, mfnToPfn, into)).toBe(undefined);
    expect(canonicalise(bytesOf(table({ 17: 0xe6n })), 2, mfnToPfn, into)).toBe(undefined);
  });
});

describe('MIG-43: a frame that is not the domain’s cannot be written', () => {
  test.each([
    ['another domain’s', FIRST + COUNT],
    ['frame 0', 0],
    ['beyond 31 bits, where the lower bits would do', 2 ** 31 + FIRST],
    ['of 40 bits', 2 ** 40 - 1],
  ])('%s', (_, frame) => {
    const page = table({ 5: entry(pfnToMfn(1), 1n), 100: entry(frame, 1n), 101: entry(0, 1n) });
    expect(canonicalise(bytesOf(page), 1, mfnToPfn, new Uint8Array(4096))).toEqual({
      reason: 'bad frame',
      level: 1,
      slot: 100,
      frame,
      message: `Bad mfn for L1[100]: expected a frame of the domain, found 0x${frame.toString(16)}`,
    });
  });
});

describe('MIG-44: localise', () => {
  test('undoes canonicalise on another host', () => {
    const other = (pfn: number) => (pfn < COUNT ? 9 * 2 ** 21 + (COUNT - 1 - pfn) : -1);
    fc.assert(
      fc.property(level, slots(flags), (level, entries) => {
        const page = new BigUint64Array(512);
        const expected = new BigUint64Array(512);
        for (const [slot, pfn, bits] of entries) {
          page[slot] = entry(pfn, bits);
          expected[slot] = entry((bits & PRESENT) !== 0n ? other(pfn) : pfn, bits);
        }
        expect(localise(bytesOf(page), level, other)).toBe(undefined);
        expect(page).toEqual(expected);
      }),
    );
  });

  test.each([COUNT, 2 ** 31, 2 ** 31 + 5, 2 ** 40 - 1])('reports pfn %i', (frame) => {
    const page = table({ 300: entry(frame, 1n) });
    expect(localise(bytesOf(page), 4, pfnToMfn)).toMatchObject({
      reason: 'bad frame',
      level: 4,
      slot: 300,
      frame,
    });
  });
});
