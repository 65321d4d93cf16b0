import { XC_REC_TYPE_PAGE_DATA } from '@port-xen/abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  carriesData,
  type ImageFile,
  ImageReader,
  isPageType,
  isPinned,
  isPopulated,
  type PageData,
  readFileAt,
  sourceOfFile,
  tableLevel,
} from '../src/index.ts';
import { concat, readImage, words } from './bytes.ts';
import { PAGE, pageData, record, replaced } from './raw-image.ts';

const withPages = (body: Uint8Array, length = body.length) =>
  replaced({ PAGE_DATA: [record(XC_REC_TYPE_PAGE_DATA, body, length)] });

describe('MIG-15: PAGE_DATA', () => {
  test.each([
    ['before P2M_FRAMES', replaced({ X86_PV_P2M_FRAMES: ['PAGE_DATA'] }), 'Pages of no domain'],
    ['of 4 bytes', withPages(words(0)), 'PAGE_DATA record truncated'],
    ['of no pages', withPages(words(0, 0)), 'Expected at least 1 pfn in PAGE_DATA record'],
    [
      'with a count beyond its length',
      withPages(words(2, 0, 0, 15 << 28)),
      'PAGE_DATA record too short to contain 2 pfns worth of information: expected length of at least 24, found 16',
    ],
    [
      'with a count of 2^32 - 1',
      withPages(words(-1, 0, 0, 15 << 28)),
      'PAGE_DATA record too short to contain 4294967295 pfns',
    ],
    [
      'with a page too few',
      withPages(pageData([0, 0], [1, 0]).subarray(0, -PAGE)),
      'PAGE_DATA record wrong size: expected length 24 + 2 pages of 4096, found 4120',
    ],
    [
      'with a byte too many',
      withPages(concat([pageData([0, 0]), new Uint8Array(1)])),
      'PAGE_DATA record wrong size',
    ],
    [
      'about a pfn past the end',
      withPages(pageData([3, 0], [16, 0])),
      'pfn 0x10 (index 1) outside domain maximum: expected at most 0xf, found 0x10',
    ],
    [
      'about a pfn of 52 bits',
      withPages(words(1, 0, 0, 0xfffff | (15 << 28))),
      'pfn 0xfffff00000000 (index 0) outside domain maximum',
    ],
    [
      'about a pfn of 32 bits',
      withPages(words(1, 0, -1, 15 << 28)),
      'pfn 0xffffffff (index 0) outside domain maximum',
    ],
  ])('%s is refused', (_, image, words) => {
    expect(() => readImage(image)).toThrow(words);
  });

  test.each([5, 6, 7, 8])('a type of %i is none', (type) => {
    expect(() => readImage(withPages(pageData([2, type])))).toThrow(
      `Unknown type 0x${type}0000000 for pfn 0x2 (index 0)`,
    );
  });

  test('bits 59:52 of an entry are not looked at, as in libxc', () => {
    const seen: number[] = [];
    readImage(withPages(words(1, 0, 3, (15 << 28) | 0xff00000)), {
      pageData: ({ pfns, types }) => seen.push(...pfns, ...types),
    });
    expect(seen).toEqual([3, 15]);
  });

  test('types mean what they mean to Xen', () => {
    const all = Array.from({ length: 16 }, (_, type) => type).filter(isPageType);
    expect(all).toEqual([0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15]);
    expect(all.filter(carriesData)).toEqual([0, 1, 2, 3, 4, 9, 10, 11, 12]);
    expect(all.filter(isPopulated)).toEqual([0, 1, 2, 3, 4, 9, 10, 11, 12, 14]);
    expect(all.filter(isPinned)).toEqual([9, 10, 11, 12]);
    expect(all.map(tableLevel)).toEqual([0, 1, 2, 3, 4, 1, 2, 3, 4, 0, 0, 0]);
  });
});

test('MIG-16: a pfn may come twice in a batch: both are told, in order', () => {
  const seen: unknown[] = [];
  readImage(withPages(pageData([5, 0], [5, 15], [5, 1])), {
    pageData: ({ pfns, types, dataCount }) => seen.push([...pfns], [...types], dataCount),
  });
  expect(seen).toEqual([[5, 5, 5], [0, 15, 1], 2]);
});

describe('MIG-17: pages are read straight into the buffers of the visitor', () => {
  const type = fc.constantFrom(0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15);
  const batch = fc.array(fc.tuple(fc.nat(15), type), { minLength: 1, maxLength: 12 });

  test('any batch, taken in runs of any size, left anywhere', () => {
    fc.assert(
      fc.property(batch, fc.array(fc.integer({ min: 1, max: 4 })), (pages, runs) => {
        const taken: number[] = [];
        let seen: PageData | undefined;
        readImage(withPages(pageData(...pages)), {
          pageData: (data, readPage) => {
            expect([...data.pfns]).toEqual(pages.map(([pfn]) => pfn));
            expect([...data.types]).toEqual(pages.map(([, type]) => type));
            seen = data;
            for (const run of runs) {
              if (taken.length + run > data.dataCount) break;
              const bytes = new Uint8Array(run * PAGE);
              readPage(bytes);
              for (let i = 0; i < run; i++) taken.push(bytes[i * PAGE + 17] ?? 0);
            }
          },
        });
        expect(seen?.dataCount).toBe(pages.filter(([, type]) => type < 13).length);
        expect(seen?.dataOffset).toBe((seen?.offset ?? 0) + 16 + pages.length * 8);
        expect(taken).toEqual(taken.map((_, index) => index + 1));
      }),
    );
  });

  test('more than a batch has, less than a page, or after its time, is a bug of the visitor', () => {
    let late = (_: Uint8Array) => {};
    readImage(withPages(pageData([0, 0], [1, 15])), {
      pageData: (_, readPage) => {
        expect(() => readPage(new Uint8Array(2 * PAGE))).toThrow(
          'expected room for 1 … 1 pages of 4096 bytes, found 8192 bytes',
        );
        expect(() => readPage(new Uint8Array(100))).toThrow(RangeError);
        expect(() => readPage(new Uint8Array(0))).toThrow(RangeError);
        late = readPage;
      },
    });
    expect(() => late(new Uint8Array(PAGE))).toThrow(RangeError);
  });

  test('a batch of more than Xen would write is read', () => {
    const pages = Array.from({ length: 20_000 }, (_, i) => [i % 16, 15] as const);
    let last: number[] = [];
    readImage(withPages(pageData(...pages)), {
      pageData: ({ pfns, types }) => {
        last = [pfns.length, pfns[19_999] ?? -1, types[19_999] ?? -1];
      },
    });
    expect(last).toEqual([20_000, 19_999 % 16, 15]);
  });
});

describe('MIG-17: pages that are passed over', () => {
  const image = withPages(pageData([0, 0], [1, 0], [2, 0], [9, 0]));

  test('by the visitor, between those that it reads', () => {
    const seen: number[] = [];
    readImage(image, {
      pageData: (_, readPage, skipPages) => {
        const page = new Uint8Array(PAGE);
        skipPages(1);
        readPage(page);
        seen.push(page[0] ?? 0);
        skipPages(1);
        readPage(page);
        seen.push(page[0] ?? 0);
        expect(() => skipPages(1)).toThrow('expected 0 … 0 pages, found 1');
      },
    });
    expect(seen).toEqual([2, 4]);
  });

  test('are not read from a file that can be read anywhere', () => {
    const large = replaced({
      PAGE_DATA: [
        record(
          XC_REC_TYPE_PAGE_DATA,
          pageData(...Array.from({ length: 64 }, (_, i) => [i % 16, 0] as const)),
        ),
      ],
    });
    let read = 0;
    const file: ImageFile = {
      size: large.length,
      readAt: (offset, into) => {
        const some = large.subarray(offset, offset + into.length);
        into.set(some);
        read += some.length;
        return some.length;
      },
    };
    expect(new ImageReader(sourceOfFile(file)).read({}).size).toBe(large.length);
    expect(read).toBeLessThan(large.length - 63 * PAGE);
    const cut = large.length - 30_000;
    const short = {
      size: cut,
      readAt: (at: number, into: Uint8Array) => (at < cut ? file.readAt(at, into) : 0),
    };
    expect(() => new ImageReader(sourceOfFile(short)).read({})).toThrow('Savefile truncated.');
  });

  test('MIG-3: a file that ends within pages is refused in the same words, however they are read', () => {
    const pages = pageData(...Array.from({ length: 32 }, (_, i) => [i % 16, 0] as const));
    const file = withPages(pages);
    const cut = file.subarray(0, file.length - 20 * PAGE);
    const refusal = (portion: number): string => {
      let message = '';
      try {
        readImage(cut, {
          pageData: ({ dataCount }, readPage) => {
            for (let n = 0; portion > 0 && n < dataCount; n += portion) {
              readPage(new Uint8Array(portion * PAGE));
            }
          },
        });
      } catch (error) {
        message = (error as Error).message;
      }
      return message;
    };
    expect(refusal(0)).toContain(`Expected ${pages.length} bytes of PAGE_DATA, found the end`);
    expect([1, 4, 32].map(refusal)).toEqual([refusal(0), refusal(0), refusal(0)]);
  });

  test('a page is read at its place, or the file ends before', () => {
    const file: ImageFile = {
      size: 10,
      readAt: (offset, into) => {
        const some = Uint8Array.from({ length: Math.max(0, Math.min(3, 10 - offset)) }, () => 7);
        into.set(some.subarray(0, into.length));
        return Math.min(some.length, into.length);
      },
    };
    const into = new Uint8Array(8);
    readFileAt(file, 2, into);
    expect(into).toEqual(new Uint8Array(8).fill(7));
    expect(() => readFileAt(file, 4, into)).toThrow(
      'expected 8 bytes at offset 4, found the end of the file after 6',
    );
  });
});
