import {
  XC_REC_TYPE_END,
  XC_REC_TYPE_PAGE_DATA,
  XC_REC_TYPE_VERIFY,
  XC_REC_TYPE_X86_PV_P2M_FRAMES,
} from '@port-xen/abi';
import { MemoryImage } from '@port-xen/migration-stream';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { verifyImage } from '../src/verify-image.ts';
import { concat, cut, flipped, record, recordsOf, shuffled, withWord, words } from './damage.ts';
import { HandGuest } from './hand-guest.ts';
import { makeHost, sourceOf } from './host.ts';
import { PFN, PFNS, smallImage } from './small-image.ts';
import { judgeOn, SECONDS_2, worked_ms } from './verdict.ts';
import { wrongFields } from './wrong-fields.ts';

const image = smallImage('xl');
const host = makeHost(3, () => new HandGuest(), { mib: 32 });
const { judge, taken, withAnyWords } = judgeOn(host);
afterAll(() => expect(host.hv.accounting()).toEqual([]));

describe('RST-4: a bad image leaves nothing, in one sentence', () => {
  test('cut at and inside every record and header', () => {
    expect(taken(cut(image))).toBe(0);
  });

  test('records left out, doubled, changed with each other', () => {
    expect(taken(shuffled(image))).toBeGreaterThan(30);
  });

  test('what Xen takes for a table is looked at, and so is what that one names, whatever the file calls them', () => {
    const pages = recordsOf(image).find(({ name }) => name === 'PAGE_DATA')?.offset ?? 0;
    let bytes = image;
    const set = (pfn: number, slot: number, value: number): void => {
      const at = pages + 16 + PFNS * 8 + pfn * 4096 + slot * 8;
      bytes = withWord(bytes, at, BigInt(value));
    };
    // Xen finds the level 1 table in a level 3 one: the one page that it still names, which is no table, would be one of level 1.
    set(PFN.l2, 0, 0);
    for (let slot = 0; slot < PFN.last; slot++) set(PFN.l1, slot, 0);
    set(PFN.l3, 400, PFN.l1 * 4096 + 0x67);
    expect(judge({ name: 'tables', bytes })?.message).toContain('vcpu 0 was refused');
  });

  test('a field wrong', () => {
    expect(taken(wrongFields(image))).toBeGreaterThan(100);
  });

  test('a bit of a header, a length or a record turned over', () => {
    const images = flipped(image, 24).filter((_, i) => i % 13 === 0);
    expect(taken(images)).toBeGreaterThan(10);
  });

  test('bytes at random, from any record on', () => {
    const starts = [0, 48, ...recordsOf(image).map(({ offset }) => offset + 8)];
    const noise = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.constantFrom(...starts), noise, (start, bytes) => {
        judge({ name: `noise at ${start}`, bytes: concat(image.subarray(0, start), bytes) });
      }),
      { numRuns: 200 },
    );
  });

  test('words at random anywhere', () => {
    withAnyWords(image, 200);
  });
});

/** The bare stream up to where its memory begins, and then other records. */
const bare = (...records: readonly Uint8Array[]): Uint8Array => {
  const good = smallImage('libxc');
  const memory = recordsOf(good).find(({ name }) => name === 'X86_PV_P2M_FRAMES')?.offset ?? 0;
  return concat(good.subarray(0, memory), ...records);
};

test('RST-4: more memory than the host has', () => {
  const small = makeHost(4, () => new HandGuest(), { mib: 3 });
  const before = [small.hv.counts(), small.xenstored.counters()];
  const pages = recordsOf(image).find(({ name }) => name === 'PAGE_DATA')?.offset ?? 0;
  let bytes = image;
  for (let pfn = 16; pfn < PFNS; pfn++) {
    bytes = withWord(bytes, pages + 16 + pfn * 8, BigInt(pfn) | (14n << 60n));
  }
  expect(() => small.xl.restore(sourceOf(bytes))).toThrow(
    /^Failed to populate physmap: expected \d+ more frames .*, found \d+ \(offset \d+, record PAGE_DATA\)$/,
  );
  expect([small.hv.counts(), small.xenstored.counters()]).toEqual(before);
  // A larger host has room for them all.
  expect(verifyImage(new MemoryImage(bytes)).refusal).toBeUndefined();
});

describe('RST-4: a file of 64 MiB is answered within two seconds', () => {
  const leaves = (pfns: number): Uint8Array =>
    new Uint8Array(new BigUint64Array(Math.ceil(pfns / 512)).fill(8n).buffer);
  const p2m = (pfns: number): Uint8Array =>
    record(XC_REC_TYPE_X86_PV_P2M_FRAMES, words(0, pfns - 1), leaves(pfns));
  const tables = (count: number): Uint8Array => {
    const list = new BigUint64Array(count).map((_, i) => BigInt(i) | (1n << 60n));
    const page = new BigUint64Array(512).map((_, i) => (BigInt(i) << 12n) | 0x25n);
    const pages = new Uint8Array(count * 4096);
    for (let i = 0; i < count; i++) pages.set(new Uint8Array(page.buffer), i * 4096);
    return record(XC_REC_TYPE_PAGE_DATA, words(count, 0), new Uint8Array(list.buffer), pages);
  };
  const holes = (count: number): Uint8Array => {
    const list = new Int32Array(count * 2);
    for (let i = 0; i < count; i++) {
      list[i * 2] = i % 1024;
      list[i * 2 + 1] = 15 << 28;
    }
    return record(XC_REC_TYPE_PAGE_DATA, words(count, 0), new Uint8Array(list.buffer));
  };
  const end = record(XC_REC_TYPE_END);

  test.each([
    ['a P2M of 2^27 pages in one', () => bare(p2m(2 ** 27), holes(1024), end)],
    ['8 million pages that are none', () => bare(p2m(1024), holes(8_300_000), end)],
    ['16,000 page tables', () => bare(p2m(16_384), tables(16_000), end)],
    ['zeros', () => new Uint8Array(64 << 20)],
    [
      'a JSON of nothing but brackets',
      () => {
        const bytes = image.slice(0, 52);
        const config = new Uint8Array((1 << 20) - 4).fill(0x5b);
        config[config.length - 1] = 0;
        const view = new DataView(bytes.buffer);
        view.setUint32(44, config.length + 4, true);
        view.setUint32(48, config.length, true);
        return concat(bytes, config);
      },
    ],
  ] as const)('%s', (_, make) => {
    const bytes = make();
    const start = worked_ms();
    const { refusal } = verifyImage(new MemoryImage(bytes));
    expect(refusal?.message).toMatch(/xpected .*, found /);
    expect(worked_ms() - start).toBeLessThan(SECONDS_2);
  });
});

describe('RST-3: what genuine code passes over in silence is told', () => {
  const at = recordsOf(image).find(({ name }) => name === 'PAGE_DATA')?.offset ?? 0;
  const dataOf = (pfn: number) => at + 16 + PFNS * 8 + pfn * 4096;

  test('an entry to a page that was not sent', () => {
    const bytes = withWord(image, dataOf(PFN.l1) + 100 * 8, (14n << 12n) | 0x25n);
    const { refusal, warnings } = verifyImage(new MemoryImage(bytes));
    expect(refusal).toBeUndefined();
    expect(warnings).toEqual([
      'the L1 page table at pfn 0x7 names pfn 0xe, which the image has no page for: it starts as zeroes',
    ]);
    const restored = host.xl.restore(sourceOf(bytes));
    expect(restored.warnings).toEqual(warnings);
    host.xl.destroy(restored.domid);
  });

  test('a page that the old host had a frame for', () => {
    const list = PFN.p2m * 4096;
    const entries = at + 16 + PFNS * 8 + list;
    let bytes = withWord(image, entries + 300 * 8, 0x1234n);
    bytes = withWord(bytes, entries + PFN.last * 8, 0x1235n);
    bytes = withWord(bytes, entries + 301 * 8, 2n ** 64n - 1n);
    const { refusal, warnings } = verifyImage(new MemoryImage(bytes));
    expect(refusal).toBeUndefined();
    expect(warnings).toEqual([
      'pfn 0x12c had a frame on the old host (mfn 0x1234), and the image has no page for it: its contents are lost',
    ]);
  });

  test('a hundred of them are not told one by one', () => {
    let bytes = image;
    for (let slot = 100; slot < 200; slot++) {
      bytes = withWord(bytes, dataOf(PFN.l1) + slot * 8, (BigInt(slot + 100) << 12n) | 0x25n);
    }
    const { warnings } = verifyImage(new MemoryImage(bytes));
    expect(warnings).toHaveLength(17);
    expect(warnings.at(-1)).toBe('and 84 more such warnings');
  });

  test('a page after VERIFY that is not what was sent before', () => {
    const sent = [
      [PFN.last, 0x77],
      [0, 0],
    ].map(([pfn = 0, byte = 0]) => {
      const page = new Uint8Array(4096).fill(byte);
      return record(XC_REC_TYPE_PAGE_DATA, words(1, 0, pfn, 0), page);
    });
    const end = recordsOf(image).find(({ name }) => name === 'X86_TSC_INFO')?.offset ?? 0;
    const verify = record(XC_REC_TYPE_VERIFY);
    const bytes = concat(image.subarray(0, end), verify, ...sent, image.subarray(end));
    const { refusal, warnings } = verifyImage(new MemoryImage(bytes));
    expect(refusal).toBeUndefined();
    expect(warnings).toEqual(['verify pfn 0xf failed: it is not the page that was sent before']);
    const restored = host.xl.restore(sourceOf(bytes));
    expect(restored.warnings).toEqual(warnings);
    host.xl.destroy(restored.domid);
  });
});
