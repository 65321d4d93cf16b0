import {
  MMUEXT_CLEAR_PAGE,
  MMUEXT_COPY_PAGE,
  MMUEXT_FLUSH_CACHE,
  MMUEXT_INVLPG_ALL,
  MMUEXT_INVLPG_MULTI,
  MMUEXT_MARK_SUPER,
  MMUEXT_TLB_FLUSH_ALL,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_TLB_FLUSH_MULTI,
  XEN_EACCES,
  XEN_EBUSY,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import { describe, expect, test } from 'vitest';
import { mmuUpdate } from '../../src/mmu-update.ts';
import { mmuextOp } from '../../src/mmuext-op.ts';
import { PTE_ACCESSED, PTE_DIRTY, pteHigh, pteLow } from '../../src/page-entry.ts';
import { updateVaMapping, updateVaMappingOtherdomain } from '../../src/update-va-mapping.ts';
import {
  argue,
  BASE,
  books,
  buildDomain,
  DOMID_SELF,
  entryAt,
  extended,
  FLAGS,
  makeHost,
  READ_ONLY,
  remap,
  SCRATCH,
  setEntry,
  update,
} from './machine.ts';

const DOMID_IO = 0x7ff1;
const DOMID_XEN = 0x7ff2;
const DONE = SCRATCH + 2048;

const request = (mfn: number, offset: number, low: number, high: number): number[] => [
  (mfn << 12) | offset,
  mfn >>> 20,
  low,
  high,
];

describe('mmu_update', () => {
  test('HV-MEM-50: the first failure ends the batch, and pdone counts what was done', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const l1 = vcpu.domain.mfn(3);
    const requests = argue(
      vcpu,
      ...request(l1, 160, 0, 0),
      ...request(l1, 168, 0, 0),
      ...request(l1, 176, 0x5003, 0),
      ...request(l1, 184, 0, 0),
    );
    expect(mmuUpdate(vcpu, requests, 4, DONE, DOMID_SELF)).toBe(-XEN_EPERM);
    expect(vcpu.mmu.ld32(DONE)).toBe(2);
    expect(entryAt(host, l1, 21)).toEqual([0, 0]);
    expect(entryAt(host, l1, 23)).not.toEqual([0, 0]);
  });

  test('HV-MEM-50: requests that cannot be read are -EFAULT', () => {
    const vcpu = buildDomain(makeHost(), 1);
    for (const va of [0x1000, 2 ** 50, -(2 ** 47), -(2 ** 63)]) {
      expect(mmuUpdate(vcpu, va, 1, 0, DOMID_SELF)).toBe(-XEN_EFAULT);
      expect(mmuextOp(vcpu, va, 1, 0, DOMID_SELF)).toBe(-XEN_EFAULT);
    }
    expect(mmuUpdate(vcpu, 0, 0, 0, DOMID_SELF)).toBe(0);
  });

  test('HV-MEM-51: a long batch goes on where it was when the processor was wanted', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const l1 = vcpu.domain.mfn(3);
    const all = [20, 21, 22].flatMap((slot) => request(l1, slot * 8, 0, 0));
    const requests = argue(vcpu, ...all);
    vcpu.patience = 2;
    expect(mmuUpdate(vcpu, requests, 3, DONE, DOMID_SELF)).toBe(0);
    const [nr, next, count, pdone, foreigndom] = vcpu.continuation as number[];
    expect([nr, next, count]).toEqual([1, requests + 32, 0x8000_0001]);
    vcpu.patience = 9;
    expect(
      mmuUpdate(vcpu, requests + 32, count as number, pdone as number, foreigndom as number),
    ).toBe(0);
    expect(vcpu.mmu.ld32(DONE)).toBe(3);
    expect(entryAt(host, l1, 22)).toEqual([0, 0]);
  });

  test('HV-MEM-52: preserving A and D keeps the old ones', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain } = vcpu;
    const l1 = domain.mfn(3);
    vcpu.mmu.st32(BASE + 20 * 4096, 1);
    const bare = FLAGS & ~PTE_ACCESSED;
    const [low, high] = [pteLow(domain.mfn(20), bare), pteHigh(domain.mfn(20))];
    expect(update(vcpu, l1, 160 | 2, low, high)).toBe(0);
    expect(entryAt(host, l1, 20)[0] & (PTE_ACCESSED | PTE_DIRTY)).toBe(PTE_ACCESSED | PTE_DIRTY);
    expect(update(vcpu, l1, 160, low, high)).toBe(0);
    expect(entryAt(host, l1, 20)[0] & (PTE_ACCESSED | PTE_DIRTY)).toBe(0);
  });

  test('HV-MEM-53: an ordinary page takes any 64 bits; a descriptor page none', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain } = vcpu;
    expect(update(vcpu, domain.mfn(30), 0x7f8, -1, 0x7ff)).toBe(0);
    expect(entryAt(host, domain.mfn(30), 255)).toEqual([-1, 0x7ff]);
    remap(vcpu, 31, domain.mfn(31), READ_ONLY);
    expect(host.types.getPageAndType(domain.mfn(31), 1, 5)).toBe(0);
    expect(update(vcpu, domain.mfn(31), 0, 0, 0)).toBe(-XEN_EINVAL);
    host.types.putPageAndType(domain.mfn(31));
    expect(update(vcpu, host.memory.firstMfn, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(update(vcpu, 5, 0, 0, 0)).toBe(-XEN_EINVAL);
    for (const command of [4, 5, 6, 7]) {
      expect(update(vcpu, domain.mfn(30), command, 0, 0)).toBe(-XEN_ENOSYS);
    }
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-54: M2P entries are written for one's own frames, with any value", () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const other = buildDomain(host, 2);
    expect(update(vcpu, vcpu.domain.mfn(30), 1, 4711, 0)).toBe(0);
    expect(host.m2p.get(vcpu.domain.mfn(30))).toBe(4711);
    expect(update(vcpu, vcpu.domain.mfn(30), 1, -1, -1)).toBe(0);
    expect(host.m2p.get(vcpu.domain.mfn(30))).toBe(-1);
    expect(update(vcpu, other.domain.mfn(30), 1, 1, 0)).toBe(-XEN_EINVAL);
  });

  test('HV-MEM-55: other owners: -ESRCH for nobody and for oneself by number, -EPERM without rights', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain: other } = buildDomain(host, 2);
    const [low, high] = [pteLow(other.mfn(20), READ_ONLY), pteHigh(other.mfn(20))];
    const l1 = vcpu.domain.mfn(3);
    expect(update(vcpu, l1, 160, low, high, 9)).toBe(-XEN_ESRCH);
    expect(update(vcpu, l1, 160, low, high, 1)).toBe(-XEN_ESRCH);
    expect(update(vcpu, l1, 160, low, high, 2)).toBe(-XEN_EPERM);
    expect(update(vcpu, l1, 160, low, high, DOMID_XEN)).toBe(-XEN_EPERM);
    expect(update(vcpu, l1, 160, low, high, DOMID_IO)).toBe(-XEN_EBUSY);
    expect(update(vcpu, other.mfn(3), 160, 0, 0, (3 << 16) | DOMID_SELF)).toBe(-XEN_EPERM);
    expect(update(vcpu, other.mfn(3), 160, 0, 0, (9 << 16) | DOMID_SELF)).toBe(-XEN_ESRCH);
    vcpu.domain.privileged = true;
    expect(update(vcpu, l1, 160, low, high, 2)).toBe(0);
    vcpu.mmu.flush();
    expect(vcpu.mmu.ld32(BASE + 20 * 4096)).toBe(0);
    expect(update(vcpu, l1, 160, 0, 0)).toBe(0);
    expect(books(host)).toEqual([]);
  });
});

describe('update_va_mapping', () => {
  test('HV-MEM-60: works on the current L1, -EINVAL where there is none', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const target = vcpu.domain.mfn(21);
    for (const va of [0, 2 ** 46, -(2 ** 47), 2 ** 50, BASE + 2 ** 21, -(2 ** 63)]) {
      expect(updateVaMapping(vcpu, va, pteLow(target, FLAGS), pteHigh(target), 0)).toBe(
        -XEN_EINVAL,
      );
    }
    vcpu.mmu.st32(BASE + 21 * 4096, 21);
    expect(remap(vcpu, 100, target, READ_ONLY)).toBe(0);
    expect(vcpu.mmu.ld32(BASE + 100 * 4096)).toBe(21);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-60: through a linear mapping, a table of another level is no L1', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const l4 = vcpu.domain.mfn(0);
    expect(setEntry(vcpu, l4, 100, l4, READ_ONLY)).toBe(0);
    const linear = 100 * 2 ** 39 + 511 * 2 ** 30 + 510 * 2 ** 21;
    expect(vcpu.mmu.ld32(linear + 0 * 4096)).toBe(entryAt(host, vcpu.domain.mfn(2 + 1), 0)[0]);
    expect(updateVaMapping(vcpu, linear, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-61: flush flags: none, this vCPU, all, or a bitmap whose fault is told after the update', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain, mmu } = vcpu;
    const va = BASE + 20 * 4096;
    const set = (pfn: number, flags: number): number =>
      updateVaMapping(vcpu, va, pteLow(domain.mfn(pfn), FLAGS), pteHigh(domain.mfn(pfn)), flags);
    for (const pfn of [20, 21, 22, 23]) mmu.st32(BASE + pfn * 4096, pfn);
    expect(set(21, 0)).toBe(0);
    expect(mmu.ld32(va)).toBe(20);
    expect(set(22, 1 | 4)).toBe(0);
    expect(mmu.ld32(va)).toBe(22);
    argue(vcpu, 0, 0);
    expect(set(23, 2 | SCRATCH)).toBe(0);
    expect(mmu.ld32(va)).toBe(22);
    argue(vcpu, 1, 0);
    expect(set(20, 2 | SCRATCH)).toBe(0);
    expect(mmu.ld32(va)).toBe(20);
    expect(set(23, 1 + 2 ** 40)).toBe(-XEN_EFAULT);
    expect(entryAt(host, domain.mfn(3), 20)[0] >>> 12).toBe(domain.mfn(23) & 0xf_ffff);
  });

  test('HV-MEM-62: for another domain: -ESRCH, -EPERM, or its frame', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain: other } = buildDomain(host, 2);
    const [low, high] = [pteLow(other.mfn(20), READ_ONLY), pteHigh(other.mfn(20))];
    const va = BASE + 20 * 4096;
    expect(updateVaMappingOtherdomain(vcpu, va, low, high, 0, 7)).toBe(-XEN_ESRCH);
    expect(updateVaMappingOtherdomain(vcpu, va, low, high, 0, 2)).toBe(-XEN_EPERM);
    vcpu.domain.privileged = true;
    expect(updateVaMappingOtherdomain(vcpu, va, low, high, 0, 2)).toBe(0);
    expect(books(host)).toEqual([]);
  });
});

describe('mmuext_op', () => {
  test('HV-MEM-65: clears and copies pages that are not page tables', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain, mmu } = vcpu;
    mmu.st32(BASE + 20 * 4096, 20);
    expect(extended(vcpu, MMUEXT_COPY_PAGE, domain.mfn(21), domain.mfn(20))).toBe(0);
    expect(mmu.ld32(BASE + 21 * 4096)).toBe(20);
    expect(extended(vcpu, MMUEXT_CLEAR_PAGE, domain.mfn(20))).toBe(0);
    expect(mmu.ld32(BASE + 20 * 4096)).toBe(0);
    expect(extended(vcpu, MMUEXT_CLEAR_PAGE, domain.mfn(3))).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_COPY_PAGE, domain.mfn(3), domain.mfn(20))).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_COPY_PAGE, domain.mfn(20), 3)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_COPY_PAGE, domain.mfn(20), domain.mfn(3))).toBe(0);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-66: flushes; a bad bitmap is -EINVAL here', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const { domain, mmu } = vcpu;
    const va = BASE + 20 * 4096;
    const stale = (flush: () => number): number => {
      remap(vcpu, 20, domain.mfn(20), FLAGS);
      mmu.st32(va, 20);
      mmu.st32(BASE + 21 * 4096, 21);
      setEntry(vcpu, domain.mfn(3), 20, domain.mfn(21), FLAGS);
      expect(flush()).toBe(0);
      return mmu.ld32(va);
    };
    expect(stale(() => 0)).toBe(20);
    expect(stale(() => extended(vcpu, MMUEXT_TLB_FLUSH_LOCAL))).toBe(21);
    expect(stale(() => extended(vcpu, MMUEXT_TLB_FLUSH_ALL))).toBe(21);
    expect(stale(() => extended(vcpu, MMUEXT_INVLPG_ALL, va))).toBe(21);
    mmu.st32(SCRATCH + 1024, 1);
    mmu.st32(SCRATCH + 1032, 2);
    expect(stale(() => extended(vcpu, MMUEXT_TLB_FLUSH_MULTI, 0, SCRATCH + 1024))).toBe(21);
    expect(stale(() => extended(vcpu, MMUEXT_INVLPG_MULTI, va, SCRATCH + 1032))).toBe(20);
    expect(extended(vcpu, MMUEXT_INVLPG_MULTI, va, 0x1000)).toBe(-XEN_EINVAL);
  });

  test('HV-MEM-67: what a guest may not, and what nobody may', () => {
    const vcpu = buildDomain(makeHost(), 1);
    expect(extended(vcpu, MMUEXT_FLUSH_CACHE)).toBe(-XEN_EACCES);
    expect(extended(vcpu, MMUEXT_MARK_SUPER)).toBe(-XEN_EOPNOTSUPP);
    for (const command of [14, 21, 1000, -1]) expect(extended(vcpu, command)).toBe(-XEN_ENOSYS);
    argue(vcpu, 6, 0, 0, 0, 0, 0);
    expect(mmuextOp(vcpu, SCRATCH, 1, 0, 1)).toBe(-XEN_ESRCH);
    expect(mmuextOp(vcpu, SCRATCH, 1, 0, 2)).toBe(-XEN_ESRCH);
    expect(mmuextOp(vcpu, SCRATCH, 1, 0, DOMID_XEN)).toBe(-XEN_EPERM);
  });
});
