import {
  XC_REC_TYPE_PAGE_DATA,
  XC_REC_TYPE_X86_PV_P2M_FRAMES,
  XC_REC_TYPE_X86_PV_VCPU_XSAVE,
} from '@port-xen/abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ImageSummary, type ImageVisitor, StreamError } from '../src/index.ts';
import { concat, readImage, sample, words } from './bytes.ts';
import {
  libxc,
  libxcHeaders,
  libxl,
  NAMES,
  type RecordName,
  record,
  replaced,
  vcpu,
  xlHeader,
} from './raw-image.ts';

/** A visitor that looks at everything, and checks what a reader promises. */
const curious = (): ImageVisitor & { last: string } => {
  const visitor: ImageVisitor & { last: string } = {
    last: '',
    record: ({ name }) => {
      visitor.last = name;
    },
    config: (text) => expect(text).not.toContain('\0'),
    p2mFrames: ({ startPfn, endPfn, pfns }) => {
      expect(startPfn).toBeLessThanOrEqual(endPfn);
      expect(pfns.every((pfn) => pfn >= 0)).toBe(true);
    },
    pageData: ({ pfns, types, dataCount }, readPage) => {
      expect(pfns.every((pfn) => pfn >= 0)).toBe(true);
      expect(types.filter((type) => type < 13).length).toBe(dataCount);
      const page = new Uint8Array(4096);
      for (let i = 0; i < Math.min(dataCount, 2); i++) readPage(page);
    },
    sharedInfo: (page) => expect(page.length).toBe(4096),
    vcpuBasic: (_, context) => expect(context.length).toBe(5168),
    unknownOptional: ({ length }, readBody) => {
      if (length > 0) readBody(new Uint8Array(1));
    },
  };
  return visitor;
};

/** MIG-23: a summary or a StreamError, never anything else. */
const read = (bytes: Uint8Array): ImageSummary | StreamError => {
  try {
    const summary = readImage(bytes, curious());
    expect(summary.size).toBeLessThanOrEqual(bytes.length);
    return summary;
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    expect(error.offset).toBeLessThanOrEqual(bytes.length);
    expect(error.message).toContain(`xpected ${error.expected}, found ${error.found}`);
    return error;
  }
};

const small = concat([xlHeader(), libxl()]);
const genuine = sample('genuine-xen-4.17.libxc');
const images = fc.constantFrom(small, libxc(NAMES), genuine, sample('hand-made.xl'));

describe('MIG-23: a truncated image is refused', () => {
  test('at and around every boundary of its records', () => {
    const bounds = new Set<number>([0, 8, 16, 32, 48, 52, 55, 63, 71, 79, small.length - 8]);
    readImage(small, { record: ({ offset }) => bounds.add(offset) });
    for (const bound of bounds) {
      for (let cut = Math.max(0, bound - 3); cut < bound + 24 && cut < small.length; cut++) {
        const result = read(small.subarray(0, cut));
        expect(result, `cut at ${cut}`).toMatchObject({ words: 'Savefile truncated.' });
      }
    }
  });

  test('anywhere', () => {
    fc.assert(
      fc.property(images, fc.nat(), (image, at) => {
        const cut = at % image.length;
        expect(read(image.subarray(0, cut))).toMatchObject({ words: 'Savefile truncated.' });
      }),
    );
  });
});

describe('MIG-23: a damaged image is read or refused', () => {
  test('with bits turned over', () => {
    const bits = fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(images, bits, (image, flips) => {
        const bad = image.slice();
        for (const [at, bit] of flips) {
          const index = at % bad.length;
          bad[index] = (bad[index] ?? 0) ^ (1 << bit);
        }
        read(bad);
      }),
      { numRuns: 300 },
    );
  });

  test('with any of the bytes outside its pages and contexts turned over, one bit at a time', () => {
    const places: number[] = [];
    for (let at = 0; at < 240; at++) places.push(at);
    readImage(small, {
      record: ({ offset, length }) => {
        for (let at = offset; at < offset + 8 + Math.min(length, 64); at++) places.push(at);
      },
    });
    const bad = small.slice();
    for (const at of places) {
      for (let bit = 0; bit < 8; bit++) {
        const good = bad[at] ?? 0;
        bad[at] = good ^ (1 << bit);
        read(bad);
        bad[at] = good;
      }
    }
  });

  test('with bytes of its own in other places', () => {
    const move = fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 64 }));
    fc.assert(
      fc.property(images, fc.array(move, { minLength: 1, maxLength: 4 }), (image, moves) => {
        const bad = image.slice();
        for (const [from, to, size] of moves) {
          const start = from % (bad.length - size);
          bad.copyWithin(to % (bad.length - size), start, start + size);
        }
        read(bad);
      }),
      { numRuns: 300 },
    );
  });

  test('of nothing but noise, from any layer on', () => {
    const starts = [
      new Uint8Array(0),
      xlHeader(),
      libxl().subarray(0, 24),
      libxcHeaders(),
      libxc(NAMES.slice(0, 5)),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 200 }), (start, noise) => {
        read(concat([start, noise]));
      }),
      { numRuns: 500 },
    );
  });

  test('of records with any type, any length and any words', () => {
    const word = fc.oneof(fc.integer(), fc.nat(20), fc.constantFrom(-1, 15 << 28, 1 << 28));
    const noise = fc
      .tuple(fc.oneof(fc.nat(19), fc.integer()), fc.array(word, { maxLength: 12 }))
      .map(([type, body]) => record(type, words(...body)));
    fc.assert(
      fc.property(fc.nat(12), fc.array(noise, { maxLength: 5 }), (good, noises) => {
        read(libxc([...NAMES.slice(0, good), ...noises, ...NAMES.slice(good)]));
      }),
      { numRuns: 500 },
    );
  });
});

/** What genuine restore code takes, said in another way: the rules of MIG-11 to MIG-20 on names alone. */
const isTaken = (names: readonly RecordName[], version: number): boolean => {
  const end = names.indexOf('END');
  const until = names.slice(0, end);
  const first = (name: RecordName) => {
    const at = until.indexOf(name);
    return at < 0 ? Number.POSITIVE_INFINITY : at;
  };
  const count = (name: RecordName) => until.filter((other) => other === name).length;
  const info = first('X86_PV_INFO');
  const memory = Math.min(first('X86_PV_P2M_FRAMES'), first('PAGE_DATA'));
  const mark = first('STATIC_DATA_END');
  return (
    end >= 0 &&
    count('X86_PV_INFO') === 1 &&
    count('STATIC_DATA_END') <= 1 &&
    (version === 3 ? mark < memory : mark === Number.POSITIVE_INFINITY || mark < memory) &&
    NAMES.every(
      (name) =>
        !(
          name.startsWith('X86_PV_VCPU') ||
          name === 'SHARED_INFO' ||
          name === 'X86_PV_P2M_FRAMES'
        ) ||
        info < first(name) ||
        first(name) === Number.POSITIVE_INFINITY,
    ) &&
    count('X86_PV_P2M_FRAMES') > 0 &&
    (count('PAGE_DATA') === 0 || first('X86_PV_P2M_FRAMES') < first('PAGE_DATA')) &&
    count('X86_PV_VCPU_BASIC') > 0
  );
};

describe('MIG-23: records left out, doubled and in another order', () => {
  const check = (names: readonly RecordName[], version: number) => {
    const result = read(libxc(names, libxcHeaders({ version })));
    expect(!(result instanceof StreamError), `${names.join(' ')}: ${result}`).toBe(
      isTaken(names, version),
    );
  };
  const version = fc.constantFrom(2, 3);

  test('each left out, doubled, or changed with another', () => {
    for (const v of [2, 3]) {
      for (const [i, name] of NAMES.entries()) {
        check(NAMES.toSpliced(i, 1), v);
        check(NAMES.toSpliced(i, 0, name), v);
        for (const [j, other] of NAMES.entries()) check(NAMES.with(i, other).with(j, name), v);
      }
    }
  });

  test('a few changes to a good order', () => {
    const change = fc.tuple(fc.nat(12), fc.nat(12), fc.constantFrom('move', 'double', 'drop'));
    fc.assert(
      fc.property(version, fc.array(change, { maxLength: 4 }), (v, changes) => {
        let names: readonly RecordName[] = NAMES;
        for (const [from, to, what] of changes) {
          const name = names[from];
          if (name === undefined) continue;
          const rest = what === 'double' ? names : names.toSpliced(from, 1);
          names = what === 'drop' ? rest : rest.toSpliced(to, 0, name);
        }
        check(names, v);
      }),
      { numRuns: 1000 },
    );
  });

  test('any', () => {
    const any = fc.array(fc.constantFrom(...NAMES), { maxLength: 16 });
    fc.assert(fc.property(any, version, check), { numRuns: 500 });
  });
});

describe('MIG-22: memory follows the bytes that came, not those that were promised', () => {
  const MIB = 1024 * 1024;
  test.each([
    ['a configuration', xlHeader({ configLength: MIB - 8, dataLength: MIB })],
    [
      'pages',
      replaced({
        PAGE_DATA: [record(XC_REC_TYPE_PAGE_DATA, words(8 * MIB, 0), 8 + 8 * 8 * MIB)],
      }).subarray(0, 200),
    ],
    [
      'a P2M',
      replaced({
        X86_PV_P2M_FRAMES: [
          record(XC_REC_TYPE_X86_PV_P2M_FRAMES, words(0, 2 ** 27 - 1), 8 + 8 * 2 ** 18),
        ],
      }).subarray(0, 170),
    ],
    ['an XSAVE area', replaced({ END: [record(XC_REC_TYPE_X86_PV_VCPU_XSAVE, vcpu(0, 0), MIB)] })],
    ['an unknown record', replaced({ END: [record(-1, new Uint8Array(0), 128 * MIB)] })],
  ])('%s', (_, image) => {
    const before = process.memoryUsage().arrayBuffers;
    expect(read(image)).toMatchObject({ words: 'Savefile truncated.' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
  });
});
