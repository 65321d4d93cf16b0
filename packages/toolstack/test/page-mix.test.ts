/*
 * Pages of every type, in any order, again and again, in batches of any size: what is restored is what was sent last.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GuestFrames } from '../src/guest-frames.ts';
import { olderStream } from './damage.ts';
import { HandGuest } from './hand-guest.ts';
import { makeHost, sourceOf } from './host.ts';
import { rewritten } from './rewritten.ts';
import { smallImage } from './small-image.ts';

const PAGE = 4096;
/** Pfns that the small image has no page for. */
const FIRST = 100;
const PFNS = 6;
const NO_DATA = [13, 14, 15];

interface Sent {
  readonly pfn: number;
  readonly type: number;
  readonly byte: number;
}

const image = smallImage('xl');
const host = makeHost(2, () => new HandGuest());

/** The small image with more batches after its own. */
const withBatches = (batches: readonly (readonly Sent[])[], version: 2 | 3): Uint8Array => {
  const mixed = rewritten(image, ({ pfns, types, data }, writer) => {
    writer.pageData(pfns, types, [data]);
    for (const batch of batches) {
      const pages = batch.filter(({ type }) => type === 0);
      writer.pageData(
        Int32Array.from(batch, ({ pfn }) => pfn),
        Uint8Array.from(batch, ({ type }) => type),
        pages.map(({ byte }) => new Uint8Array(PAGE).fill(byte)),
      );
    }
  });
  return version === 3 ? mixed : olderStream(mixed);
};

/** The last contents of each pfn that has a frame. */
const expected = (batches: readonly (readonly Sent[])[]): Map<number, number> => {
  const contents = new Map<number, number>();
  for (const { pfn, type, byte } of batches.flat()) {
    if (type === 0) contents.set(pfn, byte);
    else if (type === 14 && !contents.has(pfn)) contents.set(pfn, 0);
  }
  return contents;
};

const sent = fc.record({
  pfn: fc.integer({ min: FIRST, max: FIRST + PFNS - 1 }),
  type: fc.oneof(fc.constant(0), fc.constantFrom(...NO_DATA)),
  byte: fc.oneof(fc.constant(0), fc.nat(255)),
});

test('RST-1, RST-6: each pfn holds what was sent last, zeroes too, and is populated once', () => {
  const batches = fc.array(fc.array(sent, { minLength: 1, maxLength: 5 }), { maxLength: 5 });
  fc.assert(
    fc.property(batches, fc.constantFrom(2 as const, 3 as const), (some, version) => {
      const { domid } = host.xl.restore(sourceOf(withBatches(some, version)));
      const { hv } = host;
      const found = new Map<number, number>();
      const frames = new GuestFrames(hv, domid);
      for (let mfn = hv.firstMfn; mfn < hv.firstMfn + hv.frames; mfn++) {
        const pfn = hv.m2p.get(mfn);
        if (pfn < FIRST || pfn >= FIRST + PFNS) continue;
        const [info = 0] = hv.domctl.pageFrameInfo(domid, Int32Array.of(mfn));
        if (info >>> 28 === 15) continue;
        expect(found.has(pfn)).toBe(false);
        const page = frames.copy(mfn);
        expect(page.every((byte) => byte === page[0])).toBe(true);
        found.set(pfn, page[0] ?? 0);
      }
      host.xl.destroy(domid);
      expect([...found].sort()).toEqual([...expected(some)].sort());
      expect(hv.accounting()).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
