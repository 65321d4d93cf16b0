import { describe, expect, test } from 'vitest';
import { verifyImage } from '../src/verify-image.ts';
import { recordsOf, withWord } from './damage.ts';
import { fileOf } from './host.ts';
import { PFN, PFNS, smallImage } from './small-image.ts';

describe('a good image', () => {
  test.each(['xl', 'libxl', 'libxc'] as const)('RST-1: %s is taken', (kind) => {
    const verdict = verifyImage(fileOf(smallImage(kind)));
    expect(verdict.refusal).toBeUndefined();
    expect(verdict.warnings).toEqual([]);
    expect(verdict.summary).toMatchObject({ kind, maxPfn: 599, vcpus: [0] });
  });
});

describe('page tables that name themselves', () => {
  const image = smallImage('libxc');
  const pages = recordsOf(image).find(({ name }) => name === 'PAGE_DATA')?.offset ?? 0;
  const entry = (pfn: number, slot: number, value: number): Uint8Array =>
    withWord(image, pages + 16 + PFNS * 8 + pfn * 4096 + slot * 8, BigInt(value));
  const RO = 0x25;
  const RW = 0x27;

  test.each([
    [
      'a recursive slot that is read-only is taken, as by Xen',
      PFN.l4,
      400,
      PFN.l4 * 4096 + RO,
      true,
    ],
    ['one that is writable is refused', PFN.l4, 400, PFN.l4 * 4096 + RW, false],
    ['a level 2 table named twice is taken', PFN.l3, 400, PFN.l2 * 4096 + RW, true],
    ['a level 4 table in a level 3 one is refused', PFN.l3, 400, PFN.l4 * 4096 + RO, false],
  ])('RST-5: %s', (_, pfn, slot, value, taken) => {
    const { refusal } = verifyImage(fileOf(entry(pfn, slot, value)));
    expect(refusal === undefined, refusal?.message).toBe(taken);
  });
});
