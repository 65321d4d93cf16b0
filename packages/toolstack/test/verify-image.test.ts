import { XC_REC_TYPE_PAGE_DATA, XC_REC_TYPE_X86_PV_P2M_FRAMES } from '@port-xen/abi';
import { ImageWriter, MemoryImage } from '@port-xen/migration-stream';
import { describe, expect, test } from 'vitest';
import { toJson } from '../src/config-json.ts';
import { verifyImage } from '../src/verify-image.ts';
import { concat, record, recordsOf, withWord, words } from './damage.ts';

import { testConfig } from './host.ts';
import { PFN, PFNS, smallImage } from './small-image.ts';

describe('a good image', () => {
  test.each(['xl', 'libxl', 'libxc'] as const)('RST-1: %s is taken', (kind) => {
    const verdict = verifyImage(new MemoryImage(smallImage(kind)));
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
    const { refusal } = verifyImage(new MemoryImage(entry(pfn, slot, value)));
    expect(refusal === undefined, refusal?.message).toBe(taken);
  });
});

test('CFG-7: two disks of one vdev are refused as a restore refuses them', () => {
  const header = new MemoryImage();
  const { disks, ...config } = testConfig('small');
  new ImageWriter(header).xlHeader(toJson({ ...config, disks: [...disks, ...disks] }));
  const { refusal } = verifyImage(new MemoryImage(concat(header.bytes, smallImage('libxl'))));
  expect(refusal?.message).toContain('one disk for each vdev, found two for xvda');
});

test('RST-5: a domain of 6 GiB is judged for the memory of its tables', () => {
  const pages = 6 * 2 ** 18;
  const image = smallImage('libxc');
  const records = recordsOf(image);
  const at = (record: string) => records.findIndex(({ name }) => name === record);
  const from = (index: number) => records[index]?.offset ?? 0;
  const [p2m, data] = [at('X86_PV_P2M_FRAMES'), at('PAGE_DATA')];
  const leaves = new Int32Array((pages / 512) * 2);
  for (let i = 0; i < leaves.length; i += 2) leaves[i] = PFN.p2m;
  const allocated = new Int32Array((pages - PFNS) * 2);
  for (let i = 0; i < pages - PFNS; i++) {
    allocated[i * 2] = PFNS + i;
    allocated[i * 2 + 1] = 14 << 28;
  }
  const list = new Uint8Array(allocated.buffer);
  const large = concat(
    image.subarray(0, from(p2m)),
    record(XC_REC_TYPE_X86_PV_P2M_FRAMES, words(0, pages - 1), new Uint8Array(leaves.buffer)),
    image.subarray(from(data), from(data + 1)),
    record(XC_REC_TYPE_PAGE_DATA, words(pages - PFNS, 0), list),
    image.subarray(from(data + 1)),
  );
  const verdict = verifyImage(new MemoryImage(large));
  expect(verdict.refusal).toBeUndefined();
  expect(verdict.summary).toMatchObject({ maxPfn: pages - 1, pages: 13 });
});
