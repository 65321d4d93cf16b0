import { describe, expect, test } from 'vitest';
import { cut, flipped, shuffled } from './damage.ts';
import { smallImage } from './small-image.ts';
import { judgeOn } from './verdict.ts';
import { Xen2Guest } from './xen2-guest.ts';
import { hostOf } from './xen2-host.ts';

const image = smallImage('xl', true);
const { judge, taken, withAnyWords } = judgeOn(hostOf(2, new Xen2Guest()).host);

const replaced = (from: string, to: string): Uint8Array => {
  expect(from.length).toBe(to.length);
  const bytes = image.slice();
  const at = Buffer.from(bytes.buffer).indexOf(from, 0, 'latin1');
  bytes.set(Buffer.from(to, 'latin1'), at);
  return bytes;
};

describe('RST-1, RST-4: a bad image of a domain of xen-2.0 leaves nothing, in one sentence', () => {
  test('whole it is taken', () => {
    expect(taken([{ name: 'whole', bytes: image }])).toBe(1);
  });

  test('cut at and inside every record and header', () => {
    expect(taken(cut(image))).toBe(0);
  });

  test('records left out, doubled, changed with each other', () => {
    expect(taken(shuffled(image))).toBeGreaterThan(30);
  });

  test('a bit of a header, a length or a record turned over', () => {
    const images = flipped(image, 24).filter((_, i) => i % 61 === 0);
    expect(taken(images)).toBeGreaterThan(5);
  });

  test('words at random anywhere', () => {
    withAnyWords(image, 100);
  });

  test('a configuration of a domain that there cannot be', () => {
    const words = [
      ['"max_memkb": 16384', '"max_memkb": 9e5  ', 'at most 256 MiB'],
      ['"max_vcpus": 1', '"max_vcpus": 9', 'expected one vcpu'],
      ['"interface": "xen-2.0"', '"interface": "xen-3.0"', 'shared_info page of xen-3.0'],
    ] as const;
    for (const [from, to, sentence] of words) {
      const bytes = replaced(from, to);
      expect(judge({ name: to, bytes })?.message).toContain(sentence);
    }
  });
});
