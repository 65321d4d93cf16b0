import { StreamError } from '@port-xen/migration-stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifyImage } from '../src/verify-image.ts';
import { cut, type Damaged, flipped, shuffled, withWord } from './damage.ts';
import { fileOf, sourceOf } from './host.ts';
import { smallImage } from './small-image.ts';
import { Xen2Guest } from './xen2-guest.ts';
import { hostOf } from './xen2-host.ts';

const image = smallImage('xl', true);
const { host } = hostOf(2, new Xen2Guest());
const state = () => ({
  counts: host.hv.counts(),
  accounting: host.hv.accounting(),
  store: host.xenstored.counters(),
});
const nothing = state();

/** Restores an image and takes the domain away again. @returns the refusal, undefined when it was taken */
const restore = (bytes: Uint8Array): Error | undefined => {
  try {
    const { domid } = host.xl.restore(sourceOf(bytes));
    expect(host.hv.accounting()).toEqual([]);
    host.xl.destroy(domid);
    return undefined;
  } catch (error) {
    return error as Error;
  }
};

/** MFNs and domids in Xen's own complaints are the host's. */
const plain = (error: Error | undefined): string | undefined =>
  error?.message.replaceAll(/(mfn|domain) \d+/g, '$1');

/** The same verdict from both, in one sentence, and nothing left. @returns whether it was taken */
const judge = ({ name, bytes }: Damaged): boolean => {
  const ours = restore(bytes);
  const { refusal } = verifyImage(fileOf(bytes));
  const isNoXlFile = ours?.message.includes('wrong magic number') ?? false;
  if (plain(ours) !== plain(refusal) && !isNoXlFile) {
    expect.fail(`${name}: restore: ${ours?.message}, verify: ${refusal?.message}`);
  }
  if (ours !== undefined && !(ours instanceof StreamError)) {
    expect.fail(`${name}: ${ours.message}`);
  }
  expect(state(), name).toEqual(nothing);
  return ours === undefined;
};

const taken = (images: Iterable<Damaged>): number => {
  let count = 0;
  for (const damaged of images) if (judge(damaged)) count++;
  return count;
};

const replaced = (from: string, to: string): Uint8Array => {
  expect(from.length).toBe(to.length);
  const bytes = image.slice();
  const at = Buffer.from(bytes.buffer).indexOf(from, 0, 'latin1');
  bytes.set(Buffer.from(to, 'latin1'), at);
  return bytes;
};

describe('RST-1: a bad image of a domain of xen-2.0 leaves nothing', () => {
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
    const word = fc.tuple(
      fc.nat(Math.floor(image.length / 8) - 1),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        let bytes = image;
        for (const [at, value] of words) bytes = withWord(bytes, at * 8, value);
        judge({ name: 'words', bytes });
      }),
      { numRuns: 100 },
    );
  });

  test('a configuration of a domain that there cannot be', () => {
    const words = [
      ['"max_memkb": 16384', '"max_memkb": 9e5  ', 'at most 256 MiB'],
      ['"max_vcpus": 1', '"max_vcpus": 9', 'expected one vcpu'],
      ['"interface": "xen-2.0"', '"interface": "xen-3.0"', 'shared_info page of xen-3.0'],
    ] as const;
    for (const [from, to, sentence] of words) {
      const bytes = replaced(from, to);
      expect(judge({ name: to, bytes })).toBe(false);
      expect(restore(bytes)?.message).toContain(sentence);
    }
  });
});
