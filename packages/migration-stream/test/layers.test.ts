import {
  LIBXL_REC_CHECKPOINT_END,
  LIBXL_REC_CHECKPOINT_STATE,
  LIBXL_REC_EMULATOR_CONTEXT,
  LIBXL_REC_EMULATOR_XENSTORE_DATA,
  LIBXL_REC_END,
  LIBXL_REC_LIBXC_CONTEXT,
} from '@port-xen/abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ImageReader, StreamError } from '../src/index.ts';
import { concat, readImage, sourceOf, words } from './bytes.ts';
import {
  ascii,
  libxc,
  libxcHeaders,
  libxl,
  libxlHeader,
  NAMES,
  record,
  xlHeader,
} from './raw-image.ts';

/** Text of characters of one to four bytes of UTF-8. (A string of unit 'binary' takes seconds to set up.) */
const TEXT = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0x7f }),
      fc.integer({ min: 0x80, max: 0x7ff }),
      fc.integer({ min: 0x800, max: 0xd7ff }),
      fc.integer({ min: 0xe000, max: 0xffff }),
      fc.integer({ min: 0x10000, max: 0x10ffff }),
    ),
  )
  .map((points) => String.fromCodePoint(...points));

const NOTHING = new Uint8Array(0);
const xl = (header = xlHeader()) => concat([header, libxl()]);

describe('MIG-1: the first bytes tell what a file is', () => {
  test.each([
    ['xl', xl()],
    ['libxl', libxl()],
    ['libxc', libxc(NAMES)],
  ] as const)('%s', (kind, bytes) => {
    expect(readImage(bytes).kind).toBe(kind);
  });

  test.each([
    ['something else', ascii('\x7fELF and much more of it, as programs have')],
    ["xl's magic with a wrong end", ascii('Xen saved domain, xl format\n \0 \n')],
    ['libxl in small letters', ascii('libxlfmt--------')],
  ])("%s is refused in xl's words", (_, bytes) => {
    expect(() => readImage(bytes)).toThrow(
      'File has wrong magic number - corrupt or for a different tool? Expected',
    );
  });

  test('a bare libxl stream is refused so where only xl files are wanted', () => {
    expect(() => readImage(libxl(), {}, { accept: ['xl'] })).toThrow(
      'File has wrong magic number - corrupt or for a different tool? Expected "Xen saved domain, xl format\\n \\u0000 \\r", found "LibxlFmt" (offset 0)',
    );
    expect(() => readImage(libxc(NAMES), {}, { accept: ['xl', 'libxl'] })).toThrow('wrong magic');
    expect(() => readImage(xl(), {}, { accept: ['libxc'] })).toThrow('wrong magic');
    expect(readImage(xl(), {}, { accept: ['xl'] }).kind).toBe('xl');
  });
});

test.each([
  ['xl', xl()],
  ['libxl', libxl()],
  ['libxc', libxc(NAMES)],
])('MIG-2: of a %s file no byte after the end is asked for', (_, bytes) => {
  let asked = 0;
  const source = sourceOf(concat([bytes, ascii('domain received, ready to unpause\0')]));
  const summary = new ImageReader({
    read: (into) => {
      asked += into.length;
      return source.read(into);
    },
  }).read({});
  expect(asked).toBe(bytes.length);
  expect(summary.size).toBe(bytes.length);
});

test('MIG-2: an image is read once', () => {
  const reader = new ImageReader(sourceOf(xl()));
  reader.read({});
  expect(() => reader.read({})).toThrow('expected one read of an image, found a second');
});

test('MIG-3: an empty file and a cut one are refused, saying where', () => {
  expect(() => readImage(NOTHING)).toThrow(
    "Savefile truncated. Expected 8 bytes of a save file's magic number, found the end of the file after 0 (offset 0)",
  );
  expect(() => readImage(xl().subarray(0, 60))).toThrow(
    "Savefile truncated. Expected 8 bytes of libxl's header, found the end of the file after 5 (offset 60)",
  );
});

test('MIG-3: a source that claims to have read more than was asked is a bug, not a bad file', () => {
  expect(() => new ImageReader({ read: () => 9 }).read({})).toThrow(RangeError);
});

describe("MIG-4: xl's header", () => {
  test('is told', () => {
    const seen: unknown[] = [];
    readImage(xl(xlHeader({ optional: 0x80 })), { xlHeader: (header) => seen.push(header) });
    expect(seen).toEqual([{ mandatory_flags: 3, optional_flags: 0x80, optional_data_len: 7 }]);
  });

  test.each([
    [{ byteorder: 0x04030201 }, 'File has wrong byte order: expected 0x1020304, found 0x4030201'],
    [
      { mandatory: 0x80000007 | 0 },
      'Savefile has mandatory flag(s) 0x80000004 which are not supported; need newer xl',
    ],
    [{ mandatory: 1 }, 'Savefile holds a stream of before Xen 4.6'],
  ])('%j is refused', (header, words) => {
    expect(() => readImage(xl(xlHeader(header)))).toThrow(words);
  });
});

describe('MIG-5: the configuration', () => {
  const configOf = (header: Uint8Array) => {
    const seen: unknown[] = [];
    readImage(xl(header), { config: (text, format) => seen.push(text, format) });
    return seen;
  };

  test.each([
    ['JSON', { config: ascii('{"a": 1}\n\0') }, ['{"a": 1}\n', 'json']],
    ['up to the first NUL', { config: ascii('{}\0 left over\0') }, ['{}', 'json']],
    ['as xl.cfg', { config: ascii('name = "a"\0'), mandatory: 2 }, ['name = "a"', 'cfg']],
    ['as xl.cfg without NUL', { config: ascii('name = "a"'), mandatory: 2 }, ['name = "a"', 'cfg']],
    ['followed by other data', { config: ascii('{}\0xyz'), configLength: 3 }, ['{}', 'json']],
    ['none', { config: NOTHING, mandatory: 2 }, []],
    ['of no length', { config: NOTHING, dataLength: 4, mandatory: 2 }, []],
  ])('%s', (_, header, seen) => {
    expect(configOf(xlHeader(header))).toEqual(seen);
  });

  test('of 300,000 bytes comes back as it was', () => {
    const text = Array.from({ length: 50_000 }, (_, i) => String(100_000 + i)).join('');
    expect(configOf(xlHeader({ config: ascii(`${text}\0`) }))).toEqual([text, 'json']);
  });

  test('of any text comes back as it was', () => {
    fc.assert(
      fc.property(TEXT, (text) => {
        fc.pre(!text.includes('\0') && text !== '');
        expect(configOf(xlHeader({ config: Buffer.from(`${text}\0`) }))).toEqual([text, 'json']);
      }),
    );
  });

  test('of bytes that are not UTF-8 is refused exactly when a TextDecoder refuses them', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const lead = fc.constantFrom(0x41, 0x80, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5);
    const more = fc.constantFrom(0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xa4, 0xbf, 0xc2, 0xff);
    fc.assert(
      fc.property(fc.array(more, { maxLength: 4 }), lead, (some, lead) => {
        const config = Uint8Array.of(lead, ...some, 0);
        let expected: unknown[] | undefined;
        try {
          expected = [decoder.decode(config.subarray(0, -1)), 'json'];
        } catch {
          expect(() => configOf(xlHeader({ config }))).toThrow('Configuration is not text');
          return;
        }
        expect(configOf(xlHeader({ config }))).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    [
      { config: NOTHING, dataLength: 3 },
      "Savefile truncated. Expected 4 bytes of a configuration's",
    ],
    [
      { configLength: 4 },
      'Savefile truncated. Expected a length of at most 3, found 4 (offset 48)',
    ],
    [{ configLength: 0x7fffffff, dataLength: 0x7fffffff }, 'Savefile truncated. Expected a length'],
    [{ configLength: 0x7ffffff0, dataLength: 0x7fffffff }, 'Configuration too long'],
    [{ config: ascii('{}') }, 'Configuration without an end: expected a NUL'],
    [
      { config: ascii('{"\xff"}\0') },
      'Configuration is not text: expected UTF-8, found byte 0xff (offset 54)',
    ],
  ])('%j is refused', (header, words) => {
    expect(() => readImage(xl(xlHeader(header)))).toThrow(words);
  });
});

describe("MIG-6: libxl's header", () => {
  test('may say that the stream was converted', () => {
    const seen: unknown[] = [];
    readImage(libxl(libxc(NAMES), libxlHeader({ options: 2 })), {
      libxlHeader: (header) => seen.push(header),
    });
    expect(seen).toEqual([{ version: 2, options: 2 }]);
  });

  test.each([
    [{ version: 1 }, 'Unexpected Version: expected 2, found 1 (offset 63)'],
    [{ options: 1 }, 'Unable to handle big endian streams'],
    [{ ident: 'LibxcFmt' }, 'Invalid ident: expected "LibxlFmt", found "LibxcFmt" (offset 55)'],
  ])('%j is refused', (header, words) => {
    const bytes = concat([xlHeader(), libxl(libxc(NAMES), libxlHeader(header))]);
    expect(() => readImage(bytes)).toThrow(words);
  });
});

describe("MIG-7: libxl's records", () => {
  const stream = (...records: Uint8Array[]) => concat([libxlHeader(), ...records]);
  const context = record(LIBXL_REC_LIBXC_CONTEXT, NOTHING);
  const end = record(LIBXL_REC_END, NOTHING);

  test('a body where none belongs is passed over, as libxl does', () => {
    const padded = record(LIBXL_REC_LIBXC_CONTEXT, ascii('?'));
    expect(readImage(stream(padded, libxc(NAMES), record(LIBXL_REC_END, ascii('!!')))).pages).toBe(
      3,
    );
  });

  test.each([
    ['END first', stream(end), 'Stream without a domain: expected LIBXC_CONTEXT before END'],
    [
      'two contexts',
      stream(context, libxc(NAMES), context, libxc(NAMES), end),
      'Stream with a second domain',
    ],
    [
      'EMULATOR_XENSTORE_DATA',
      stream(record(LIBXL_REC_EMULATOR_XENSTORE_DATA, NOTHING)),
      'Received a xenstore emulator record when none was expected',
    ],
    [
      'EMULATOR_CONTEXT',
      stream(context, libxc(NAMES), record(LIBXL_REC_EMULATOR_CONTEXT, NOTHING)),
      'Received an emulator context record when none was expected',
    ],
    [
      'CHECKPOINT_END',
      stream(record(LIBXL_REC_CHECKPOINT_END, NOTHING)),
      'Unexpected CHECKPOINT_END record in stream',
    ],
    [
      'CHECKPOINT_STATE',
      stream(record(LIBXL_REC_CHECKPOINT_STATE, NOTHING)),
      'Unexpected CHECKPOINT_STATE record in stream',
    ],
    ['an unknown one', stream(record(0x77, NOTHING)), 'Unrecognised record 0x00000077'],
    [
      'an unknown one with bit 31, which libxl has no use for',
      stream(record(0x80000001 | 0, NOTHING)),
      'Unrecognised record 0x80000001',
    ],
    ['a body of 2 GiB', stream(record(0, NOTHING, 0x7fffffff)), 'length too large'],
    [
      'no libxc stream after LIBXC_CONTEXT',
      stream(context, words(0, 0, 0, 0)),
      'Invalid marker: expected eight bytes of 0xff, found "\\u0000',
    ],
    [
      'no END',
      stream(context, libxc(NAMES)),
      "Savefile truncated. Expected 8 bytes of a libxl record's header",
    ],
  ])('%s is refused', (_, bytes, words) => {
    expect(() => readImage(bytes)).toThrow(words);
  });
});

describe("MIG-8: libxc's headers", () => {
  test('are told', () => {
    const seen: unknown[] = [];
    readImage(libxc(NAMES, libxcHeaders({ version: 2, options: 2 })), {
      imageHeader: (header) => seen.push(header),
      domainHeader: (header) => seen.push(header),
    });
    expect(seen).toEqual([
      { version: 2, options: 2 },
      { type: 1, page_shift: 12, xen_major: 4, xen_minor: 17 },
    ]);
  });

  test.each([
    [{ id: 0x46464646 }, 'Invalid ID: expected 0x58454e46, found 0x46464646 (offset 8)'],
    [{ version: 1 }, 'Invalid Version: expected 2 <= ver <= 3, found 1 (offset 12)'],
    [{ version: 4 }, 'Invalid Version: expected 2 <= ver <= 3, found 4'],
    [{ options: 1 }, 'Unable to handle big endian streams'],
    [{ type: 2 }, 'Unable to restore x86 HVM domain into an x86_pv domain'],
    [{ type: 7 }, 'Unable to restore Reserved domain into an x86_pv domain'],
    [{ shift: 14 }, 'Invalid page size for x86_pv domains: expected a shift of 12, found 14'],
  ])('%j is refused', (header, words) => {
    expect(() => readImage(libxc(NAMES, libxcHeaders(header)))).toThrow(words);
  });

  test('MIG-23: an error has its parts', () => {
    try {
      readImage(libxc(NAMES, libxcHeaders({ version: 4 })));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(StreamError);
      expect(error).toMatchObject({
        words: 'Invalid Version',
        expected: '2 <= ver <= 3',
        found: '4',
        offset: 12,
        record: undefined,
      });
    }
  });
});
