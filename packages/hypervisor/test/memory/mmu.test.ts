import { PageFault } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { populate } from '../../src/domain-frames.ts';
import { copyFromGuest, copyToGuest } from '../../src/guest-copy.ts';
import { NonCanonical } from '../../src/non-canonical.ts';
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_HIGH_NX,
  PTE_RW,
  PTE_US,
  pteHigh,
  pteLow,
} from '../../src/page-entry.ts';
import { newUserRoot } from '../../src/roots.ts';
import {
  BASE,
  buildDomain,
  entryAt,
  FLAGS,
  faultOf,
  makeHost,
  READ_ONLY,
  remap,
  setEntry,
  update,
} from './machine.ts';

const M2P = -0x8000_0000_0000;

describe('MMU', () => {
  test('HV-MEM-10: loads and stores go through four levels, of any width and alignment', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    const va = BASE + 10 * 4096;
    mmu.st32(va + 4094, 0x1122_3344);
    expect(mmu.ld32(va + 4094)).toBe(0x1122_3344);
    expect(mmu.ld8(va + 4096)).toBe(0x22);
    expect(domain.host.memory.ld16(domain.mfn(10) * 4096 + 4094)).toBe(0x3344);
    mmu.st16(va + 4095, 0xabcd);
    expect(mmu.ld16(va + 4095)).toBe(0xabcd);
    mmu.st8(va, -1);
    expect(mmu.ld8(va)).toBe(255);
    const bytes = Uint8Array.from({ length: 9000 }, (_, i) => i);
    mmu.write(va + 5, bytes);
    const back = new Uint8Array(9000);
    mmu.read(va + 5, back);
    expect(back).toEqual(bytes);
    expect(mmu.fetch32(va + 6)).toBe(mmu.ld32(va + 6));
  });

  test('HV-MEM-10: words in a row are what each of them is, wherever they lie', () => {
    const { mmu } = buildDomain(makeHost(), 1);
    const va = BASE + 10 * 4096;
    mmu.write(
      va,
      Uint8Array.from({ length: 8192 }, (_, i) => i * 7),
    );
    for (const at of [va, va + 4060, va + 4072, va + 4092, va + 4096, va + 2, va + 4081]) {
      const words = new Int32Array(8);
      mmu.ldWords(at, words, 7);
      const each = Array.from({ length: 7 }, (_, k) => mmu.ld32(at + 4 * k));
      expect([...words]).toEqual([...each, 0]);
    }
    expect(faultOf(() => mmu.ldWords(0x1000, new Int32Array(2), 2))).toMatchObject({ cr2: 0x1000 });
  });

  test('HV-MEM-11: a walk sets accessed bits, a store the dirty bit', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    const l1 = domain.mfn(3);
    expect(remap(vcpu, 20, domain.mfn(20), FLAGS & ~PTE_ACCESSED)).toBe(0);
    mmu.flush();
    expect((entryAt(domain.host, l1, 20)[0] & (PTE_ACCESSED | PTE_DIRTY)) === 0).toBe(true);
    mmu.ld32(BASE + 20 * 4096);
    expect(entryAt(domain.host, l1, 20)[0] & (PTE_ACCESSED | PTE_DIRTY)).toBe(PTE_ACCESSED);
    mmu.st32(BASE + 20 * 4096, 1);
    expect((entryAt(domain.host, l1, 20)[0] & PTE_DIRTY) !== 0).toBe(true);
  });

  test('HV-MEM-12: faults carry cr2 and what Xen reports: no user bit from kernel mode', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    expect(faultOf(() => mmu.ld32(BASE + 100 * 4096))).toMatchObject({
      cr2: BASE + 100 * 4096,
      errorCode: 0,
    });
    expect(faultOf(() => mmu.st32(0x1234, 1))).toMatchObject({ cr2: 0x1234, errorCode: 2 });
    remap(vcpu, 5, domain.mfn(5), READ_ONLY);
    expect(faultOf(() => mmu.st8(BASE + 5 * 4096 + 3, 1))).toMatchObject({
      cr2: BASE + 5 * 4096 + 3,
      errorCode: 3,
    });
    update(
      vcpu,
      domain.mfn(3),
      6 * 8,
      pteLow(domain.mfn(6), FLAGS),
      pteHigh(domain.mfn(6)) | PTE_HIGH_NX,
    );
    mmu.flush();
    expect(mmu.ld32(BASE + 6 * 4096)).toBe(0);
    expect(faultOf(() => mmu.fetch32(BASE + 6 * 4096)).errorCode).toBe(17);
    mmu.kernelMode = false;
    expect(faultOf(() => mmu.ld32(BASE)).errorCode).toBe(4);
  });

  test('HV-MEM-12: an access that faults has stored nothing', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu } = vcpu;
    const last = BASE + 63 * 4096;
    expect(() => mmu.st32(last + 4094, -1)).toThrow(PageFault);
    expect(() => mmu.write(last + 4090, new Uint8Array(12).fill(9))).toThrow(PageFault);
    expect(mmu.ld32(last + 4090)).toBe(0);
    expect(faultOf(() => mmu.ld32(last + 4094)).cr2).toBe(last + 4096);
  });

  test('HV-MEM-13: an address that is not canonical is a fault of its own', () => {
    const { mmu } = buildDomain(makeHost(), 1);
    for (const va of [2 ** 47, -(2 ** 47) - 4, 2 ** 60, -(2 ** 63), Number.MAX_SAFE_INTEGER]) {
      expect(faultOf(() => mmu.ld32(va))).toBeInstanceOf(NonCanonical);
      expect(faultOf(() => mmu.write(va, new Uint8Array(8)))).toBeInstanceOf(NonCanonical);
    }
    expect(faultOf(() => mmu.read(2 ** 47 - 4, new Uint8Array(8))).cr2).toBe(2 ** 47 - 4);
  });

  test('HV-MEM-14: a translation is kept until the guest flushes it or its frame changes hands', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    const va = BASE + 12 * 4096;
    mmu.st32(va, 12);
    mmu.st32(BASE + 13 * 4096, 13);
    expect(setEntry(vcpu, domain.mfn(3), 12, domain.mfn(13), FLAGS)).toBe(0);
    expect(mmu.ld32(va)).toBe(12);
    mmu.invalidate(va + 77);
    expect(mmu.ld32(va)).toBe(13);
  });

  test('HV-MEM-14: a store that walks the tables goes where they lead, whatever loads still see', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    expect(mmu.ld32(BASE + 12 * 4096)).toBe(0);
    expect(setEntry(vcpu, domain.mfn(3), 12, domain.mfn(13), FLAGS)).toBe(0);
    mmu.st32(BASE + 12 * 4096, 5);
    expect(mmu.ld32(BASE + 13 * 4096)).toBe(5);
    expect(domain.host.memory.ld32(domain.mfn(12) * 4096)).toBe(0);
  });

  test('HV-MEM-14: an update above L1 flushes, because linear mappings show it as data', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    mmu.st32(BASE + 20 * 4096, 20);
    expect(setEntry(vcpu, domain.mfn(1), 509, domain.mfn(2), FLAGS)).toBe(0);
    expect(mmu.ld32(BASE - 2 ** 30 + 20 * 4096)).toBe(20);
    expect(setEntry(vcpu, domain.mfn(1), 509, 0, 0)).toBe(0);
    expect(() => mmu.ld32(BASE - 2 ** 30 + 20 * 4096)).toThrow(PageFault);
  });

  test('HV-MEM-14: a translation does not outlive its frame', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    mmu.st32(BASE + 40 * 4096, 40);
    expect(setEntry(vcpu, domain.mfn(3), 40, 0, 0)).toBe(0);
    expect(mmu.ld32(BASE + 40 * 4096)).toBe(40);
    domain.host.types.putAllocated(domain.mfn(40));
    expect(() => mmu.ld32(BASE + 40 * 4096)).toThrow(PageFault);
  });

  test('HV-MEM-15: user mode has its own root', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { mmu, domain } = vcpu;
    const userL4 = populate(host, domain, 0, 64);
    expect(newUserRoot(vcpu, userL4)).toBe(0);
    mmu.kernelMode = false;
    expect(() => mmu.ld32(BASE)).toThrow(PageFault);
    mmu.kernelMode = true;
    expect(mmu.ld32(BASE + 9 * 4096)).toBe(0);
    expect(mmu.root).toBe(domain.mfn(0));
  });
});

describe('M2P', () => {
  test('HV-MEM-20: every guest reads the M2P at 0xffff800000000000 + mfn * 8 and cannot write it', () => {
    const host = makeHost();
    const { mmu, domain } = buildDomain(host, 1);
    const mfn = domain.mfn(17);
    expect(mmu.ld32(M2P + mfn * 8)).toBe(17);
    expect(mmu.ld32(M2P + mfn * 8 + 4)).toBe(0);
    expect(host.m2p.get(mfn)).toBe(17);
    expect(faultOf(() => mmu.st32(M2P + mfn * 8, 1)).errorCode).toBe(3);
    expect(faultOf(() => mmu.fetch32(M2P + mfn * 8)).errorCode).toBe(17);
  });

  test.each([
    ['in the midst of a chunk', 2 ** 17],
    ['over the end of a chunk', 2 ** 18 - 1024],
  ])('HV-MEM-20: also on a host whose frames begin %s', (_, firstMfn) => {
    const host = makeHost(2048, 0, 1, firstMfn);
    const { mmu, domain } = buildDomain(host, 1);
    for (const pfn of [0, 17, 63]) {
      expect(mmu.ld32(M2P + domain.mfn(pfn) * 8)).toBe(pfn);
      expect(host.m2p.get(domain.mfn(pfn))).toBe(pfn);
    }
    const last = firstMfn + 2047;
    expect(
      faultOf(() => mmu.ld32(M2P + (Math.floor(last / 2 ** 18) + 1) * 2 ** 21)).errorCode,
    ).toBe(0);
    host.m2p.set(last, 7);
    expect(mmu.ld32(M2P + last * 8)).toBe(7);
  });

  test('HV-MEM-21: never given is 0x55…, free again is all ones, other chunks fault', () => {
    const host = makeHost();
    const { mmu } = buildDomain(host, 1);
    const { firstMfn } = host.memory;
    expect(mmu.ld32(M2P + (firstMfn + 600) * 8)).toBe(0x5555_5555);
    expect(host.m2p.get(firstMfn + 600)).toBe(-1);
    const domain = host.domains.get(1);
    if (domain === undefined) throw new Error('no domain');
    const mfn = populate(host, domain, 0, 99);
    host.types.putAllocated(mfn);
    expect(mmu.ld32(M2P + mfn * 8 + 4)).toBe(-1);
    expect(host.m2p.get(mfn)).toBe(-1);
    expect(faultOf(() => mmu.ld32(M2P + (firstMfn + 2 ** 18) * 8)).errorCode).toBe(0);
    expect(faultOf(() => mmu.ld32(M2P)).errorCode).toBe(0);
    expect(faultOf(() => mmu.ld32(M2P + 2 ** 39)).errorCode).toBe(0);
    expect(host.m2p.maxMfn).toBe(firstMfn + 2047);
  });
});

describe('guest copy', () => {
  test('HV-MEM-25: hypercall memory is reached through the guest, whole or not at all', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const bytes = Uint8Array.of(1, 2, 3, 4);
    expect(copyToGuest(vcpu, BASE + 9 * 4096 + 4094, bytes)).toBe(true);
    const back = new Uint8Array(4);
    expect(copyFromGuest(vcpu, BASE + 9 * 4096 + 4094, back)).toBe(true);
    expect(back).toEqual(bytes);
    expect(copyToGuest(vcpu, BASE + 64 * 4096 - 2, bytes)).toBe(false);
    expect(vcpu.mmu.ld8(BASE + 64 * 4096 - 2)).toBe(0);
    expect(copyToGuest(vcpu, BASE, bytes)).toBe(false);
    for (const va of [2 ** 47, 2 ** 62, -(2 ** 62), M2P, M2P + 2 ** 42, M2P - 8, -4]) {
      expect(copyFromGuest(vcpu, va, new Uint8Array(8))).toBe(false);
    }
  });

  test('HV-MEM-25: a page table is no place for a result, even with writable page tables', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const before = entryAt(vcpu.domain.host, vcpu.domain.mfn(3), 5);
    expect(copyToGuest(vcpu, BASE + 3 * 4096 + 40, new Uint8Array(8))).toBe(false);
    expect(entryAt(vcpu.domain.host, vcpu.domain.mfn(3), 5)).toEqual(before);
    expect(before[0] & PTE_US).toBe(PTE_US);
    expect(before[0] & PTE_RW).toBe(PTE_RW);
  });
});
