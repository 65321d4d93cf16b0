import { MMUEXT_NEW_BASEPTR, MMUEXT_SET_LDT, XEN_EFAULT, XEN_EINVAL } from '@port-xen/abi';
import { describe, expect, test } from 'vitest';
import { makeDescriptorSafe } from '../../src/descriptor-check.ts';
import { destroyGdt, faultLdt, setGdt, updateDescriptor } from '../../src/descriptors.ts';
import { populate } from '../../src/domain-frames.ts';
import {
  argue,
  BASE,
  books,
  buildDomain,
  extended,
  FLAGS,
  makeHost,
  putEntry,
  READ_ONLY,
  remap,
  type TestVcpu,
} from './machine.ts';

const safe = (low: number, high: number): [number, number] | null => {
  const words = Int32Array.of(low, high);
  return makeDescriptorSafe(words, 0) ? [words[0] as number, words[1] as number] : null;
};

const give = (vcpu: TestVcpu, pfns: number[], entries: number): number =>
  setGdt(vcpu, argue(vcpu, ...pfns.flatMap((pfn) => [vcpu.domain.mfn(pfn), 0])), entries);

describe('descriptors', () => {
  test('HV-MEM-80: absent is anything; code and data get DPL 3; system ones are refused but for call gates', () => {
    expect(safe(-1, 0x7fff)).toEqual([-1, 0x7fff]);
    expect(safe(0xffff, 0x00af_9b00)).toEqual([0xffff, 0x00af_fb00]);
    expect(safe(0xffff, 0x00cf_9300)).toEqual([0xffff, 0x00cf_f300]);
    expect(safe(1, 0x8000)).toEqual([1, 0x8000]);
    for (const type of [1, 2, 5, 9, 0xb, 0xe, 0xf])
      expect(safe(0, 0x8000 | (type << 8))).toBeNull();
    expect(safe(0x0008_1234, 0x1234_ec00)).toEqual([0x000b_1234, 0x1234_8c00]);
    expect(safe(0xe033 << 16, 0x8c00)).not.toBeNull();
    expect(safe(0xe010 << 16, 0x8c00)).toBeNull();
    expect(safe(0xe014 << 16, 0x8c00)).not.toBeNull();
    expect(safe(0x0008_0000, 0x8c01)).toBeNull();
  });

  test('HV-MEM-81: a GDT types its frames: not mapped writable, one holder more, old ones let go', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    expect(give(vcpu, [20], 10)).toBe(-XEN_EINVAL);
    for (const pfn of [20, 21, 22]) remap(vcpu, pfn, vcpu.domain.mfn(pfn), READ_ONLY);
    expect(give(vcpu, [20, 21], 513)).toBe(0);
    expect([...vcpu.gdtFrames.subarray(0, 3)]).toEqual([
      vcpu.domain.mfn(20),
      vcpu.domain.mfn(21),
      -1,
    ]);
    expect(remap(vcpu, 20, vcpu.domain.mfn(20), FLAGS)).not.toBe(0);
    expect(books(host)).toEqual([]);
    expect(give(vcpu, [22, 3], 1024)).toBe(-XEN_EINVAL);
    expect(vcpu.gdtEntries).toBe(513);
    expect(give(vcpu, [22], 1)).toBe(0);
    expect(remap(vcpu, 20, vcpu.domain.mfn(20), FLAGS)).toBe(0);
    expect(give(vcpu, [], 7169)).toBe(-XEN_EINVAL);
    expect(setGdt(vcpu, 0x1000, 1)).toBe(-XEN_EFAULT);
    destroyGdt(vcpu);
    expect(vcpu.gdtEntries).toBe(0);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-81: a frame with a descriptor that is not safe cannot be a GDT', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    vcpu.mmu.st32(BASE + 20 * 4096 + 0xffc, 0x8900);
    remap(vcpu, 20, vcpu.domain.mfn(20), READ_ONLY);
    expect(give(vcpu, [20], 1)).toBe(-XEN_EINVAL);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-82: update_descriptor writes safe descriptors to descriptor and ordinary pages', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain, mmu } = vcpu;
    remap(vcpu, 20, domain.mfn(20), READ_ONLY);
    expect(give(vcpu, [20], 512)).toBe(0);
    const at = (pfn: number, offset: number, low: number, high: number): number => {
      const mfn = domain.mfn(pfn);
      return updateDescriptor(vcpu, (mfn << 12) | offset, mfn >>> 20, low, high);
    };
    expect(at(20, 8, 0xffff, 0x00af_9b00)).toBe(0);
    expect(mmu.ld32(BASE + 20 * 4096 + 12)).toBe(0x00af_fb00);
    expect(at(30, 8, 1, 0)).toBe(0);
    expect(mmu.ld32(BASE + 30 * 4096 + 8)).toBe(1);
    expect(at(20, 4, 0, 0)).toBe(-XEN_EINVAL);
    expect(at(20, 8, 0, 0x8900)).toBe(-XEN_EINVAL);
    expect(at(3, 8, 0, 0)).toBe(-XEN_EINVAL);
    expect(updateDescriptor(vcpu, 0x5000, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(updateDescriptor(vcpu, -8, -1, 0, 0)).toBe(-XEN_EINVAL);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-83: the LDT is typed page by page when used, and let go with its mapping or the address space', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain } = vcpu;
    const va = BASE + 20 * 4096;
    expect(extended(vcpu, MMUEXT_SET_LDT, va, 600)).toBe(0);
    expect(faultLdt(vcpu, 0)).toBe(false);
    remap(vcpu, 20, domain.mfn(20), READ_ONLY);
    remap(vcpu, 21, domain.mfn(21), READ_ONLY);
    expect(faultLdt(vcpu, 0)).toBe(true);
    expect(faultLdt(vcpu, 1)).toBe(true);
    expect(faultLdt(vcpu, 2)).toBe(false);
    expect(books(host)).toEqual([]);
    remap(vcpu, 21, 0, 0);
    expect(vcpu.ldtFrames[1]).toBe(-1);
    expect(vcpu.ldtFrames[0]).toBe(-1);
    expect(faultLdt(vcpu, 0)).toBe(true);
    const second = populate(host, domain, 0, 64);
    putEntry(host, second, 511, domain.mfn(1), FLAGS);
    expect(extended(vcpu, MMUEXT_NEW_BASEPTR, second)).toBe(0);
    expect(vcpu.ldtFrames[0]).toBe(-1);
    expect(faultLdt(vcpu, 0)).toBe(true);
    expect(extended(vcpu, MMUEXT_SET_LDT, 0, 0)).toBe(0);
    expect(vcpu.ldtFrames[0]).toBe(-1);
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-83: an LDT is a page of the guest's and has up to 8192 entries", () => {
    const vcpu = buildDomain(makeHost(), 1);
    expect(extended(vcpu, MMUEXT_SET_LDT, BASE, 8193)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_SET_LDT, BASE + 8, 1)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_SET_LDT, -(2 ** 47), 1)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_SET_LDT, 2 ** 50, 1)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_SET_LDT, BASE, 8192)).toBe(0);
  });
});
