import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PcapngWriter } from '../src/index.ts';
import { utf8 } from '../src/utf8.ts';

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

/** A file's blocks, read as the format says, with their options. */
const blocksOf = (file: Uint8Array) => {
  const view = new DataView(file.buffer);
  const blocks = [];
  for (let at = 0; at < file.length; ) {
    const type = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    expect(length % 4).toBe(0);
    expect(view.getUint32(at + length - 4, true)).toBe(length);
    blocks.push({ type, body: file.slice(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
};

const optionsOf = (body: Uint8Array, from: number): [number, Uint8Array][] => {
  const view = new DataView(body.buffer);
  const options: [number, Uint8Array][] = [];
  for (let at = from; at < body.length; ) {
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === 0) {
      expect([length, at + 4]).toEqual([0, body.length]);
      return options;
    }
    options.push([code, body.slice(at + 4, at + 4 + length)]);
    at += 4 + ((length + 3) & ~3);
  }
  throw new Error('expected an end of options, found none');
};

/** Writes with `use` and joins what came out. */
const written = (use: (writer: PcapngWriter) => void): Uint8Array<ArrayBuffer> => {
  const chunks: Uint8Array[] = [];
  use(new PcapngWriter((chunk) => chunks.push(chunk), { application: 'test', epoch_s: 17 }));
  const file = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
};

const frames = fc.array(
  fc.record({
    time_ns: fc.maxSafeNat(),
    bytes: fc.uint8Array({ maxLength: 200 }),
    direction: fc.constantFrom('in' as const, 'out' as const),
  }),
  { maxLength: 20 },
);

test('PCAPNG-1, PCAPNG-3: whatever is written is blocks whose lengths agree, and every byte and nanosecond is in them', () => {
  fc.assert(
    fc.property(frames, fc.integer({ min: 0, max: 100 }), (captured, snaplen) => {
      const file = written((writer) => {
        const number = writer.addInterface({ name: 'vif1.0', snaplen });
        for (const frame of captured) writer.frame(number, frame);
        writer.end();
      });
      const blocks = blocksOf(file);
      expect(blocks.map(({ type }) => type)).toEqual([0x0a0d0d0a, 1, ...captured.map(() => 6), 5]);
      for (const [i, { time_ns, bytes, direction }] of captured.entries()) {
        const body = blocks[i + 2]?.body as Uint8Array<ArrayBuffer>;
        const view = new DataView(body.buffer);
        const kept = Math.min(snaplen, bytes.length);
        expect(view.getUint32(4, true) * 2 ** 32 + view.getUint32(8, true)).toBe(time_ns);
        expect([view.getUint32(12, true), view.getUint32(16, true)]).toEqual([kept, bytes.length]);
        expect(body.subarray(20, 20 + kept)).toEqual(bytes.slice(0, kept));
        const options = optionsOf(body, 20 + ((kept + 3) & ~3));
        expect(options).toEqual([[2, Uint8Array.of(direction === 'in' ? 1 : 2, 0, 0, 0)]]);
      }
    }),
  );
});

test('PCAPNG-4: a note is a comment of the next frame of its interface, and of the statistics when none follows', () => {
  const frame = { time_ns: 5, bytes: Uint8Array.of(1, 2), direction: 'in' } as const;
  const file = written((writer) => {
    const first = writer.addInterface({ name: 'a' });
    const second = writer.addInterface({ name: 'b' });
    writer.note(first, 'left');
    writer.note(first, 'came back');
    writer.frame(second, frame);
    writer.frame(first, frame);
    writer.frame(first, frame);
    writer.note(second, 'left');
    writer.end();
  });
  const blocks = blocksOf(file);
  const comments = blocks.map(({ type, body }) => {
    const from = type === 6 ? 24 : type === 5 ? 12 : body.length;
    return commentsOf(body, from).map((value) => String.fromCharCode(...value));
  });
  expect(comments).toEqual([[], [], [], [], ['left', 'came back'], [], [], ['left']]);
});

const commentsOf = (body: Uint8Array, from: number): Uint8Array[] =>
  from === body.length
    ? []
    : optionsOf(body, from)
        .filter(([code]) => code === 1)
        .map(([, value]) => value);

test('PCAPNG-5: a comment longer than an option can be is cut at the end of a character', () => {
  const file = written((writer) => {
    const number = writer.addInterface({ name: 'a' });
    writer.note(number, 'é'.repeat(40_000));
    writer.frame(number, { time_ns: 0, bytes: new Uint8Array(4), direction: 'out' });
  });
  const [comment] = optionsOf(blocksOf(file)[2]?.body as Uint8Array, 24);
  expect(comment?.[1].length).toBe(65_534);
  expect(new TextDecoder('utf-8', { fatal: true }).decode(comment?.[1])).toBe('é'.repeat(32_767));
});

test('PCAPNG-5: text is UTF-8', () => {
  fc.assert(
    fc.property(TEXT, (string) => {
      expect(utf8(string)).toEqual(new TextEncoder().encode(string));
    }),
  );
  expect(utf8('a\ud800b')).toEqual(new TextEncoder().encode('a\ufffdb'));
});

test('PCAPNG-2: addresses have six bytes, and frames an interface that was added', () => {
  const writer = new PcapngWriter(() => {}, { application: 'test' });
  expect(() => writer.addInterface({ name: 'a', mac: new Uint8Array(5) })).toThrow(
    'expected an address of 6 bytes for a, found 5',
  );
  const frame = { time_ns: 0, bytes: new Uint8Array(0), direction: 'in' } as const;
  expect(() => writer.frame(0, frame)).toThrow(
    'expected the number of an interface below 0, found 0',
  );
});
