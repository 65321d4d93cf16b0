import { cString } from '@port-xen/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kernelImage } from '../src/kernel-image.ts';
import { ToolstackError } from '../src/toolstack-error.ts';
import { DEFAULT_BASE, handElf, IMAGE_OFFSET } from './hand-elf.ts';

const sentence = (file: Uint8Array): string => {
  try {
    kernelImage(file);
    return 'no complaint';
  } catch (error) {
    if (error instanceof ToolstackError) return error.message;
    throw error;
  }
};

describe('kernel', () => {
  test('ELF-1: segments go to p_paddr - PADDR_OFFSET + VIRT_BASE; notes say where the kernel is entered', () => {
    const image = kernelImage(handElf());
    expect(image).toMatchObject({
      virtBase: DEFAULT_BASE,
      start: DEFAULT_BASE + IMAGE_OFFSET,
      end: DEFAULT_BASE + IMAGE_OFFSET + 3 * 4096 + 100 + 5000,
      entry: DEFAULT_BASE + IMAGE_OFFSET,
      hypercallPage: DEFAULT_BASE + IMAGE_OFFSET + 0x1000,
      suspendCancel: true,
    });
    expect(image.notes).toMatchObject({ guestOs: 'hand', xenVersion: 'xen-3.0', modern: true });
    expect(image.segments[0]?.bytes.length).toBe(3 * 4096 + 100);
  });

  test.each([
    [new Uint8Array(10), 'kernel: expected an ELF64 header of 64 bytes, found a file of 10 bytes'],
    [
      handElf({ withoutNotes: true }),
      'kernel: expected ELF notes of owner Xen or a section __xen_guest, found neither: not a kernel for Xen',
    ],
    [
      handElf({ loader: 'lilo' }),
      'kernel: expected a kernel for the generic loader, found loader "lilo"',
    ],
    [
      handElf({ features: 'a|!auto_translated_physmap' }),
      'kernel: expected features that a PV domain can have, found auto_translated_physmap required',
    ],
    [
      handElf({ entry: DEFAULT_BASE }),
      'kernel: expected VIRT_BASE, start, entry and end in this order, found ffffffff80000000, ffffffff80100000, ffffffff80000000, ffffffff801043ec',
    ],
    [
      handElf({ hypercallPage: DEFAULT_BASE + 4 }),
      'kernel: expected HYPERCALL_PAGE on a page boundary, found ffffffff80000004',
    ],
    [
      handElf({ extraNotes: [[5, cString('xen-1.0')]] }),
      'kernel: expected a kernel for xen-3.0 or xen-2.0, found Xen version "xen-1.0"',
    ],
    [
      handElf({ extraNotes: [[15, new Uint8Array(3)]] }),
      'kernel: expected a Xen note with a number of 1, 2, 4 or 8 bytes, found 3 bytes',
    ],
  ])('ELF-2: what cannot be loaded is refused in a sentence (%#)', (file, text) => {
    expect(sentence(file)).toBe(text);
  });

  test('ELF-3: any file, whole or cut, with bytes changed, is a kernel or a sentence', () => {
    const good = handElf({ text: new Uint8Array(64) });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(700), fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff)), {
          maxLength: 6,
        }),
        fc.oneof(fc.constant(good.length), fc.nat(good.length)),
        (flips, length) => {
          const file = good.slice();
          for (const [at, value] of flips) file[at] = value;
          expect(sentence(file.subarray(0, length))).not.toBe('');
        },
      ),
      { numRuns: 3000 },
    );
  });
});
