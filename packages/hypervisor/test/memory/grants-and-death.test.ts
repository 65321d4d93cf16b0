import { GNTST_general_error, GNTST_okay } from '@port-xen/abi';
import { describe, expect, test } from 'vitest';
import {
  allocateXenFrame,
  freeXenFrame,
  giveFrame,
  populate,
  relinquishMemory,
  stealFrame,
} from '../../src/domain-frames.ts';
import {
  createGrantHostMapping,
  destroyGrantHostMapping,
  holdFrame,
  releaseFrame,
} from '../../src/grant-mapping.ts';
import type { HostMemory } from '../../src/host-memory.ts';
import {
  cleanLogDirty,
  disableLogDirty,
  enableLogDirty,
  peekLogDirty,
} from '../../src/log-dirty.ts';
import {
  BASE,
  books,
  buildDomain,
  FLAGS,
  makeHost,
  READ_ONLY,
  remap,
  type TestVcpu,
} from './machine.ts';

const kill = (host: HostMemory, vcpu: TestVcpu): void => {
  vcpu.domain.dying = true;
  relinquishMemory(host, vcpu.domain);
};

const at = (pfn: number, flags = 2) => ({ flags, va: BASE + pfn * 4096, low: 0, high: 0 });

const pteAddress = (vcpu: TestVcpu, pfn: number, flags = 2) => {
  const l1 = vcpu.domain.mfn(3);
  return { flags: flags | 0x10, va: 0, low: (l1 << 12) | (pfn * 8), high: l1 >>> 20 };
};

describe('grant mappings', () => {
  test("HV-MEM-90: another domain's frame appears where the caller asks and goes again", () => {
    const host = makeHost();
    const [front, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    const frame = front.domain.mfn(20);
    front.mmu.st32(BASE + 20 * 4096, 20);
    for (const place of [at(30), pteAddress(back, 30)]) {
      expect(createGrantHostMapping(back, place, frame, 1)).toBe(GNTST_okay);
      back.mmu.flush();
      expect(back.mmu.ld32(BASE + 30 * 4096)).toBe(20);
      back.mmu.st32(BASE + 30 * 4096 + 4, 30);
      expect(front.mmu.ld32(BASE + 20 * 4096 + 4)).toBe(30);
      expect(books(host)).toEqual([]);
      expect(destroyGrantHostMapping(back, place, frame)).toBe(GNTST_okay);
      expect(() => back.mmu.ld32(BASE + 30 * 4096)).toThrow('page fault');
      expect(books(host)).toEqual([]);
      remap(back, 30, back.domain.mfn(30), FLAGS);
    }
  });

  test('HV-MEM-91: a frame granted writable cannot become a table meanwhile; a table cannot be mapped writable', () => {
    const host = makeHost();
    const [front, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    const table = front.domain.mfn(3);
    expect(createGrantHostMapping(back, at(30), table, 1)).toBe(GNTST_general_error);
    expect(createGrantHostMapping(back, at(30, 6), table, 1)).toBe(GNTST_okay);
    expect(() => back.mmu.st32(BASE + 30 * 4096, 0)).toThrow('page fault');
    const frame = front.domain.mfn(20);
    remap(front, 20, frame, READ_ONLY);
    expect(createGrantHostMapping(back, at(31), frame, 1)).toBe(GNTST_okay);
    expect(host.types.pin(frame, 1, 1)).toBeLessThan(0);
    expect(destroyGrantHostMapping(back, at(31), frame)).toBe(GNTST_okay);
    expect(host.types.pin(frame, 1, 1)).toBe(0);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-92: no place, the wrong owner or another entry than was made is a general error', () => {
    const host = makeHost();
    const [front, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    const frame = front.domain.mfn(20);
    expect(createGrantHostMapping(back, { ...at(0), va: 0x1000 }, frame, 1)).toBe(
      GNTST_general_error,
    );
    expect(createGrantHostMapping(back, { ...at(0), va: 2 ** 55 }, frame, 1)).toBe(
      GNTST_general_error,
    );
    expect(createGrantHostMapping(back, pteAddress(front, 30), frame, 1)).toBe(GNTST_general_error);
    expect(createGrantHostMapping(back, { ...pteAddress(back, 30), low: 0x5000 }, frame, 1)).toBe(
      GNTST_general_error,
    );
    expect(createGrantHostMapping(back, at(30), frame, 2)).toBe(GNTST_general_error);
    expect(createGrantHostMapping(back, at(30), frame, 1)).toBe(GNTST_okay);
    expect(destroyGrantHostMapping(back, at(30, 6), frame)).toBe(GNTST_general_error);
    expect(destroyGrantHostMapping(back, at(31), frame)).toBe(GNTST_general_error);
    expect(destroyGrantHostMapping(back, at(30), frame + 1)).toBe(GNTST_general_error);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-93: unmap and replace puts another mapping in its place', () => {
    const host = makeHost();
    const [front, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    const frame = front.domain.mfn(20);
    createGrantHostMapping(back, at(30), frame, 1);
    back.mmu.st32(BASE + 31 * 4096, 31);
    expect(destroyGrantHostMapping(back, at(30), frame, at(31))).toBe(GNTST_okay);
    expect(back.mmu.ld32(BASE + 30 * 4096)).toBe(31);
    expect(() => back.mmu.ld32(BASE + 31 * 4096)).toThrow('page fault');
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-94: an entry that the guest overwrites takes its references with it', () => {
    const host = makeHost();
    const [front, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    const frame = front.domain.mfn(20);
    createGrantHostMapping(back, at(30), frame, 1);
    expect(remap(back, 30, back.domain.mfn(30), FLAGS)).toBe(0);
    expect(destroyGrantHostMapping(back, at(30), frame)).toBe(GNTST_general_error);
    expect(books(host)).toEqual([]);
  });
});

describe('the end of a domain', () => {
  test('HV-MEM-95: everything comes back, page tables, pins, roots and descriptors included', () => {
    const host = makeHost();
    const before = host.allocator.free;
    const vcpu = buildDomain(host, 1);
    const { domain } = vcpu;
    host.types.pin(domain.mfn(3), 1, 1);
    const shared = allocateXenFrame(host, domain);
    remap(vcpu, 20, shared, FLAGS);
    kill(host, vcpu);
    expect(domain.totPages).toBe(0);
    expect(host.framesOf(1)).toBe(1);
    freeXenFrame(host, shared);
    expect(host.allocator.free).toBe(before);
    expect(host.framesOf(1)).toBe(0);
    expect(books(host)).toEqual([]);
    expect(populate(host, domain, 0, 0)).toBe(-1);
  });

  test('HV-MEM-96: a frame that another domain maps stays until it is unmapped', () => {
    const host = makeHost();
    const [front, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    const frame = front.domain.mfn(20);
    front.mmu.st32(BASE + 20 * 4096, 20);
    createGrantHostMapping(back, at(30), frame, 1);
    expect(holdFrame(host, front.domain.mfn(21), 1, true)).toBe(true);
    kill(host, front);
    expect(front.domain.totPages).toBe(2);
    back.mmu.flush();
    expect(back.mmu.ld32(BASE + 30 * 4096)).toBe(20);
    expect(books(host, [{ mfn: front.domain.mfn(21), writable: true, holder: 'dom0' }])).toEqual(
      [],
    );
    expect(destroyGrantHostMapping(back, at(30), frame)).toBe(GNTST_okay);
    releaseFrame(host, front.domain.mfn(21), true);
    expect(front.domain.totPages).toBe(0);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-97: a domain that dies lets go what it mapped of others', () => {
    const host = makeHost();
    const [front, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    createGrantHostMapping(back, at(30), front.domain.mfn(20), 1);
    kill(host, back);
    expect(back.domain.totPages).toBe(0);
    expect(host.table.typeRefs[host.table.index(front.domain.mfn(20))]).toBe(1);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-98: a frame changes hands only when nothing but its owner holds it', () => {
    const host = makeHost();
    const [from, to] = [buildDomain(host, 1), buildDomain(host, 2)];
    const frame = from.domain.mfn(20);
    from.mmu.st32(BASE + 20 * 4096, 20);
    expect(stealFrame(host, from.domain, frame)).toBe(false);
    remap(from, 20, 0, 0);
    expect(stealFrame(host, to.domain, frame)).toBe(false);
    expect(stealFrame(host, from.domain, frame)).toBe(true);
    expect(giveFrame(host, to.domain, frame)).toBe(true);
    expect(remap(to, 20, frame, FLAGS)).toBe(0);
    expect(to.mmu.ld32(BASE + 20 * 4096)).toBe(20);
    expect([from.domain.totPages, to.domain.totPages]).toEqual([63, 65]);
    expect(books(host)).toEqual([]);
  });
});

describe('log dirty', () => {
  const dirty = (vcpu: TestVcpu): number[] => {
    const bitmap = new Uint8Array(16);
    cleanLogDirty(vcpu.domain, bitmap);
    return Array.from({ length: 128 }, (_, pfn) => pfn).filter(
      (pfn) => ((bitmap[pfn >> 3] as number) >> (pfn & 7)) & 1,
    );
  };

  test('HV-MEM-100: stores are seen once each until cleaned, loads never', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { mmu, domain } = vcpu;
    mmu.st32(BASE + 20 * 4096, 1);
    expect(enableLogDirty(domain)).toBe(true);
    expect(enableLogDirty(domain)).toBe(false);
    mmu.ld32(BASE + 21 * 4096);
    dirty(vcpu);
    expect(dirty(vcpu)).toEqual([]);
    mmu.st32(BASE + 20 * 4096, 2);
    mmu.st32(BASE + 20 * 4096, 3);
    mmu.write(BASE + 21 * 4096 + 4000, new Uint8Array(200));
    expect(peekLogDirty(domain)).toBe(4);
    expect(dirty(vcpu)).toEqual([3, 20, 21, 22]);
    mmu.st8(BASE + 22 * 4096, 1);
    expect(dirty(vcpu)).toEqual([22]);
    disableLogDirty(domain);
    expect(cleanLogDirty(domain)).toBe(-1);
    expect(peekLogDirty(domain)).toBe(-1);
  });

  test('HV-MEM-101: page-table updates, pins, A and D bits and the writes of others are seen', () => {
    const host = makeHost();
    const [vcpu, back] = [buildDomain(host, 1), buildDomain(host, 2)];
    const { mmu, domain } = vcpu;
    createGrantHostMapping(back, at(30), domain.mfn(25), 1);
    back.mmu.st32(BASE + 30 * 4096, 1);
    enableLogDirty(domain);
    remap(vcpu, 20, domain.mfn(20), READ_ONLY);
    expect(dirty(vcpu)).toEqual([3]);
    host.types.pin(domain.mfn(20), 1, 1);
    expect(dirty(vcpu)).toEqual([20]);
    back.mmu.st32(BASE + 30 * 4096, 1);
    expect(dirty(vcpu)).toEqual([25]);
    mmu.st32(BASE + 26 * 4096, 1);
    dirty(vcpu);
    remap(vcpu, 26, domain.mfn(26), FLAGS);
    dirty(vcpu);
    mmu.st32(BASE + 26 * 4096, 1);
    expect(dirty(vcpu)).toEqual([3, 26]);
  });
});
