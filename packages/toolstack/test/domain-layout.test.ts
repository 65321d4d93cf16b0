import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { domainLayout } from '../src/domain-layout.ts';
import { kernelImage } from '../src/kernel-image.ts';
import { DEFAULT_BASE, handElf } from './hand-elf.ts';

const MIB = 256;

describe('layout', () => {
  test('BLD-1: image, P2M, start_info, xenstore, console, page tables, boot stack, in this order', () => {
    // 0x100000 + 4 pages and a bit of image: pfns 0 … 260; 16384 pages of 8 bytes: 32 pages of P2M.
    const layout = domainLayout(kernelImage(handElf()), 64 * MIB);
    expect(layout).toMatchObject({
      p2mPfn: 261,
      p2mVa: DEFAULT_BASE + 261 * 4096,
      p2mPages: 32,
      p2mFrames: 0,
      startInfoPfn: 293,
      storePfn: 294,
      consolePfn: 295,
      ptBasePfn: 296,
      ptFrames: 5,
      bootStackPfn: 301,
      virtEnd: DEFAULT_BASE + (4 << 20),
    });
    expect(
      layout.mappings[0]?.tables.map(({ level, count, firstPfn }) => [level, count, firstPfn]),
    ).toEqual([
      [4, 1, 296],
      [3, 1, 297],
      [2, 1, 298],
      [1, 2, 299],
    ]);
  });

  test('BLD-2: at least 512 KiB is mapped after the boot stack, to a 4 MiB boundary, with the tables that this takes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40 << 20 }),
        fc.integer({ min: 64, max: 4096 }),
        (bssBytes, mib) => {
          const image = kernelImage(handElf({ bssBytes }));
          const layout = domainLayout(image, mib * MIB);
          const slack = layout.virtEnd - DEFAULT_BASE - (layout.bootStackPfn + 1) * 4096;
          expect(slack).toBeGreaterThanOrEqual(512 << 10);
          expect((layout.virtEnd - DEFAULT_BASE) % (4 << 20)).toBe(0);
          expect(layout.bootStackPfn).toBe(layout.ptBasePfn + layout.ptFrames);
          const l1 = layout.mappings[0]?.tables.find(({ level }) => level === 1);
          expect(l1?.count).toBe((layout.virtEnd - DEFAULT_BASE) / (2 << 20));
          // One boundary less would not have been enough.
          const used = (layout.bootStackPfn + 1) * 4096 + (512 << 10);
          expect(layout.virtEnd - DEFAULT_BASE - used).toBeLessThanOrEqual((4 << 20) + 3 * 4096);
        },
      ),
    );
  });

  test('BLD-3: with INIT_P2M the list is last, with tables of its own that share what is there already', () => {
    const initP2m = -0x8000_0000_0000 + 0x80_0000_0000 * 32;
    const layout = domainLayout(kernelImage(handElf({ initP2m })), 64 * MIB);
    expect(layout.p2mVa).toBe(initP2m);
    expect(layout.p2mPfn).toBe((layout.virtEnd - DEFAULT_BASE) / 4096);
    // An L3, an L2 and an L1 of its own; the L4 is shared.
    expect(layout.mappings[1]?.tables.map(({ level, count }) => [level, count])).toEqual([
      [3, 1],
      [2, 1],
      [1, 1],
    ]);
    expect(layout.p2mFrames).toBe(32 + 3);
    const near = domainLayout(
      kernelImage(handElf({ virtBase: -0x4000_0000, initP2m: DEFAULT_BASE })),
      64 * MIB,
    );
    expect(near.mappings[1]?.tables.map(({ level }) => level)).toEqual([2, 1]);
  });

  test('BLD-3: an INIT_P2M above VIRT_BASE is passed over', () => {
    const image = kernelImage(handElf({ initP2m: DEFAULT_BASE + (1 << 30) }));
    expect(domainLayout(image, 64 * MIB).p2mVa).toBe(DEFAULT_BASE + 261 * 4096);
  });

  test('BLD-4: too little memory is refused, as is a base without room above', () => {
    expect(() => domainLayout(kernelImage(handElf()), 2 * MIB)).toThrow(
      'expected memory for at least 1024 pages (4 MiB): kernel, its tables and 512 KiB of slack; found 512 pages (2 MiB)',
    );
    expect(() =>
      domainLayout(kernelImage(handElf({ virtBase: -0x200000, bssBytes: 1 << 20 })), 64 * MIB),
    ).toThrow('found the end of the address space');
  });
});
