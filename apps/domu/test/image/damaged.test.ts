/*
 * Whatever is in a file, it is shown as far as that goes, or refused in a sentence.
 */
import { MemoryImage, StreamError } from '@port-xen/migration-stream';
import { verifyImage } from '@port-xen/toolstack';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { diffText } from '../../src/image/diff-text.ts';
import { imageDiff } from '../../src/image/image-diff.ts';
import { showText } from '../../src/image/show-text.ts';
import { look, savedAt } from './looked-at.ts';
import { tinyImage } from './tiny-image.ts';

const tiny = tinyImage('xl');
const good = look(tiny);
const guest = savedAt(2);

const isShown = (bytes: Uint8Array): void => {
  try {
    const side = look(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: nothing of a file may move the cursor
    expect(showText(side.report)).not.toMatch(/[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]/);
    diffText(imageDiff(good, side, undefined));
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
  }
};

const words = (size: number) =>
  fc.array(
    fc.tuple(
      fc.nat(Math.floor(size / 8) - 1),
      fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0n, 2n ** 63n - 1n)),
    ),
    { minLength: 1, maxLength: 6 },
  );

const withWords = (image: Uint8Array, changes: readonly (readonly [number, bigint])[]) => {
  const bytes = image.slice();
  const view = new DataView(bytes.buffer);
  for (const [at, word] of changes) view.setBigUint64(at * 8, word, true);
  return bytes;
};

test('words at random in an image of nobody’s', () => {
  fc.assert(
    fc.property(words(tiny.length), (changes) => isShown(withWords(tiny, changes))),
    { numRuns: 300 },
  );
});

test('and in the last records of it', () => {
  const tail = 12_000;
  fc.assert(
    fc.property(words(tail), (changes) => {
      const first = Math.floor((tiny.length - tail) / 8);
      isShown(
        withWords(
          tiny,
          changes.map(([at, word]) => [first + at, word] as const),
        ),
      );
    }),
    { numRuns: 300 },
  );
});

test('cut anywhere', () => {
  fc.assert(
    fc.property(fc.nat(tiny.length - 1), (end) => isShown(tiny.slice(0, end))),
    { numRuns: 200 },
  );
});

test('words at random in our kernel’s own structures', () => {
  // The kernel's pages are pfns 0x200 … 0x2ff, and their data follows one list of 1,024.
  const start = Math.floor((guest.indexOf(0x47, 5000) + 0x200 * 4096) / 8);
  fc.assert(
    fc.property(words(0x100 * 4096), (changes) => {
      isShown(
        withWords(
          guest,
          changes.map(([at, word]) => [start + at, word] as const),
        ),
      );
    }),
    { numRuns: 6 },
  );
});

test('a configuration of nothing but lists', () => {
  const text = `{"c_info":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
  isShown(tinyImage('xl', { config: text }));
  const { refusal } = verifyImage(new MemoryImage(tinyImage('xl', { config: text })));
  expect(refusal?.message).toMatch(/^Failed to parse config: .*c_info to be an object, found /);
});

test('a configuration that cannot be read is refused in one sentence, with what was expected, found and where', () => {
  for (const [config, sentence] of [
    [
      '{"c_info":',
      'Failed to parse config: expected the configuration to be JSON, found Unexpected end of JSON input (offset 52)',
    ],
    [
      '{"c_info":{"type":"hvm"},"b_info":{}}',
      'Failed to parse config: expected the configuration.c_info.type to be one of pv, found "hvm" (offset 52)',
    ],
  ] as const) {
    const { refusal } = verifyImage(new MemoryImage(tinyImage('xl', { config })));
    expect(refusal?.message).toBe(sentence);
  }
});
