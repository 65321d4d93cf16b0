import {
  MMUEXT_NEW_BASEPTR,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_PIN_L2_TABLE,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_UNPIN_TABLE,
  XEN_EBUSY,
  XEN_EINVAL,
  XEN_EPERM,
} from '@port-xen/abi';
import { describe, expect, test } from 'vitest';
import { allocateXenFrame, populate } from '../../src/domain-frames.ts';
import { PGT_l1_page_table, PGT_writable_page } from '../../src/frame-table.ts';
import {
  PTE_ACCESSED,
  PTE_GLOBAL,
  PTE_HIGH_GUEST_KERNEL,
  PTE_PSE,
  PTE_US,
  pteFrame,
  pteHigh,
  pteLow,
} from '../../src/page-entry.ts';
import { pageFrameInfo } from '../../src/page-frame-info.ts';
import {
  BASE,
  books,
  buildDomain,
  entryAt,
  extended,
  FLAGS,
  makeHost,
  putEntry,
  READ_ONLY,
  remap,
  setEntry,
  update,
} from './machine.ts';

const machine = (slot = 3) => {
  const host = makeHost(2048, slot);
  const vcpu = buildDomain(host, 1);
  const { domain } = vcpu;
  return {
    host,
    vcpu,
    domain,
    l4: domain.mfn(0),
    l3: domain.mfn(1),
    l2: domain.mfn(2),
    l1: domain.mfn(3),
  };
};

describe('L1 entries', () => {
  test('HV-MEM-30: a writable mapping of a page table, GDT or LDT frame cannot be made', () => {
    const { host, vcpu, l1, l4 } = machine();
    for (const table of [l1, l4]) {
      expect(remap(vcpu, 20, table, FLAGS)).toBe(-XEN_EBUSY);
      expect(setEntry(vcpu, l1, 20, table, FLAGS)).toBe(-XEN_EBUSY);
      expect(remap(vcpu, 20, table, READ_ONLY)).toBe(0);
    }
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-31: a frame of nobody's or of another domain's is -EBUSY, no frame at all is -EPERM, all ones -EINVAL", () => {
    const { host, vcpu, l1 } = machine();
    const other = buildDomain(host, 2);
    expect(remap(vcpu, 20, other.domain.mfn(20), READ_ONLY)).toBe(-XEN_EBUSY);
    expect(remap(vcpu, 20, host.memory.firstMfn + 2047, READ_ONLY)).toBe(-XEN_EBUSY);
    expect(remap(vcpu, 20, host.memory.firstMfn, READ_ONLY)).toBe(-XEN_EBUSY);
    expect(remap(vcpu, 20, 5, READ_ONLY)).toBe(-XEN_EPERM);
    expect(remap(vcpu, 20, host.memory.firstMfn + 2048, READ_ONLY)).toBe(-XEN_EPERM);
    expect(update(vcpu, l1, 160, -4096 | READ_ONLY, 0x000f_ffff)).toBe(-XEN_EINVAL);
    expect(update(vcpu, l1, 160, -4096 | READ_ONLY, 0x000f_fffe)).toBe(-XEN_EPERM);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-32: caching flags are refused, global, available bits and NX are not', () => {
    const { vcpu, domain, l1 } = machine();
    const target = domain.mfn(20);
    for (const bad of [0x8, 0x10, 0x80]) {
      expect(setEntry(vcpu, l1, 20, target, FLAGS | bad)).toBe(-XEN_EINVAL);
    }
    expect(setEntry(vcpu, l1, 20, target, FLAGS | 0xf00)).toBe(0);
    const high = 0x7fe0_0000 | 0x8000_0000 | pteHigh(target);
    expect(update(vcpu, l1, 160, pteLow(target, FLAGS), high)).toBe(0);
    expect(entryAt(domain.host, l1, 20)[1]).toBe(high | PTE_HIGH_GUEST_KERNEL | 0);
  });

  test('HV-MEM-33: what is not present is not looked at, and comes back as written', () => {
    const { host, vcpu, l1 } = machine();
    expect(update(vcpu, l1, 160, 0x1234_5678 & ~1, 0x1abc_def0)).toBe(0);
    expect(entryAt(host, l1, 20)).toEqual([0x1234_5678, 0x1abc_def0]);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-34: Xen gives every present entry US, marks kernel pages and makes user pages global', () => {
    const { host, vcpu, domain, l1, l2, l4 } = machine();
    setEntry(vcpu, l1, 20, domain.mfn(20), READ_ONLY);
    let [low, high] = entryAt(host, l1, 20);
    expect([low & PTE_US, low & PTE_GLOBAL, high & PTE_HIGH_GUEST_KERNEL]).toEqual([
      PTE_US,
      0,
      PTE_HIGH_GUEST_KERNEL,
    ]);
    setEntry(vcpu, l1, 20, domain.mfn(20), READ_ONLY | PTE_US);
    [low, high] = entryAt(host, l1, 20);
    expect([low & PTE_US, low & PTE_GLOBAL, high & PTE_HIGH_GUEST_KERNEL]).toEqual([
      PTE_US,
      PTE_GLOBAL,
      0,
    ]);
    expect(entryAt(host, l2, 0)[0] & (PTE_US | PTE_GLOBAL)).toBe(PTE_US);
    expect(setEntry(vcpu, l4, 511, domain.mfn(1), 3)).toBe(0);
    expect(entryAt(host, l4, 511)[0] & (PTE_US | PTE_ACCESSED)).toBe(PTE_US | PTE_ACCESSED);
  });

  test('HV-MEM-35: machine frame numbers above 2^20 are whole in an entry', () => {
    const { host, vcpu, domain, l1 } = machine(60);
    expect(domain.mfn(20)).toBeGreaterThan(2 ** 26);
    expect(setEntry(vcpu, l1, 21, domain.mfn(20), FLAGS)).toBe(0);
    expect(pteFrame(...entryAt(host, l1, 21))).toBe(domain.mfn(20));
    vcpu.mmu.flush();
    vcpu.mmu.st32(BASE + 21 * 4096, 77);
    expect(vcpu.mmu.ld32(BASE + 20 * 4096)).toBe(77);
  });
});

describe('page types', () => {
  test('HV-MEM-40: a frame that is mapped writable cannot become a table, and can once it is not', () => {
    const { host, vcpu, domain } = machine();
    const target = domain.mfn(20);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, target)).toBe(-XEN_EINVAL);
    expect(remap(vcpu, 20, target, READ_ONLY)).toBe(0);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, target)).toBe(0);
    expect(remap(vcpu, 20, target, FLAGS)).toBe(-XEN_EBUSY);
    expect(extended(vcpu, MMUEXT_UNPIN_TABLE, target)).toBe(0);
    expect(remap(vcpu, 20, target, FLAGS)).toBe(0);
    expect(host.table.type[host.table.index(target)]).toBe(PGT_writable_page);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-40: a stale writable translation does not outlive the change of type', () => {
    const { host, vcpu, domain, l1 } = machine();
    const va = BASE + 20 * 4096;
    vcpu.mmu.st32(va, 0);
    expect(setEntry(vcpu, l1, 20, domain.mfn(20), READ_ONLY)).toBe(0);
    vcpu.mmu.st32(va + 8, 4);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, domain.mfn(20))).toBe(0);
    domain.writablePagetables = false;
    expect(() => vcpu.mmu.st32(va + 8, 0x1003)).toThrow('page fault');
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-41: pinning twice and unpinning what is not pinned are -EINVAL', () => {
    const { host, vcpu, domain, l1, l4 } = machine();
    expect(extended(vcpu, MMUEXT_PIN_L4_TABLE, l4)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_UNPIN_TABLE, l1)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_UNPIN_TABLE, domain.mfn(30))).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_PIN_L2_TABLE, l1)).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, l1)).toBe(0);
    expect(extended(vcpu, MMUEXT_UNPIN_TABLE, l1)).toBe(0);
    for (const mfn of [0, -1, 2 ** 40, 2 ** 62, domain.mfn(5) + 0.5]) {
      expect(host.types.pin(mfn, 1, 1)).toBe(-XEN_EINVAL);
    }
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-42: the address space in use stays valid without its pin, and goes with its last use', () => {
    const { host, vcpu, domain, l1, l4 } = machine();
    expect(extended(vcpu, MMUEXT_UNPIN_TABLE, l4)).toBe(0);
    expect(vcpu.mmu.ld32(BASE + 9 * 4096)).toBe(0);
    const second = populate(host, domain, 0, 64);
    putEntry(host, second, 511, domain.mfn(1), FLAGS);
    expect(extended(vcpu, MMUEXT_NEW_BASEPTR, second)).toBe(0);
    const i = host.table.index(l4);
    expect(host.table.typeRefs[i]).toBe(0);
    expect(host.table.type[host.table.index(l1)]).toBe(PGT_l1_page_table);
    expect(extended(vcpu, MMUEXT_NEW_BASEPTR, domain.mfn(30))).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_NEW_BASEPTR, 0)).toBe(-XEN_EINVAL);
    expect(vcpu.mmu.kernelRoot).toBe(second);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-43: the user root takes a reference of its own; 0 is none', () => {
    const { host, vcpu, domain } = machine();
    const user = populate(host, domain, 0, 64);
    expect(extended(vcpu, MMUEXT_NEW_USER_BASEPTR, user)).toBe(0);
    expect(host.table.typeRefs[host.table.index(user)]).toBe(1);
    expect(extended(vcpu, MMUEXT_NEW_USER_BASEPTR, user)).toBe(0);
    expect(extended(vcpu, MMUEXT_NEW_USER_BASEPTR, domain.mfn(30))).toBe(-XEN_EINVAL);
    expect(extended(vcpu, MMUEXT_NEW_USER_BASEPTR, 0)).toBe(0);
    expect(host.table.typeRefs[host.table.index(user)]).toBe(0);
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-44: L4 slots 256 to 271 are Xen's: refused, and overwritten when a table becomes an L4", () => {
    const { host, vcpu, domain, l4 } = machine();
    for (const slot of [256, 260, 271]) {
      expect(setEntry(vcpu, l4, slot, domain.mfn(1), FLAGS)).toBe(-XEN_EINVAL);
      expect(update(vcpu, l4, slot * 8, 0, 0)).toBe(-XEN_EINVAL);
    }
    expect(setEntry(vcpu, l4, 272, domain.mfn(1), FLAGS)).toBe(0);
    expect(setEntry(vcpu, l4, 255, domain.mfn(1), FLAGS)).toBe(0);
    const second = populate(host, domain, 0, 64);
    for (let slot = 256; slot <= 271; slot++) putEntry(host, second, slot, domain.mfn(20), FLAGS);
    expect(extended(vcpu, MMUEXT_PIN_L4_TABLE, second)).toBe(0);
    expect(entryAt(host, second, 256)).toEqual(entryAt(host, l4, 256));
    expect(entryAt(host, second, 270)).toEqual([0, 0]);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-45: superpages and entries of the wrong level are -EINVAL above L1', () => {
    const { host, vcpu, domain, l2, l3, l4, l1 } = machine();
    expect(setEntry(vcpu, l2, 1, domain.mfn(20), FLAGS | PTE_PSE)).toBe(-XEN_EINVAL);
    expect(setEntry(vcpu, l2, 1, l3, FLAGS)).toBe(-XEN_EINVAL);
    expect(setEntry(vcpu, l3, 1, l1, FLAGS)).toBe(-XEN_EINVAL);
    expect(setEntry(vcpu, l4, 1, l2, FLAGS)).toBe(-XEN_EINVAL);
    expect(setEntry(vcpu, l2, 1, l1, FLAGS)).toBe(0);
    expect(setEntry(vcpu, l2, 2, l1, FLAGS | PTE_GLOBAL)).toBe(-XEN_EINVAL);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-46: a table maps itself and another of its level, read-only, to a depth of one', () => {
    const { host, vcpu, domain, l4 } = machine();
    expect(setEntry(vcpu, l4, 100, l4, FLAGS)).toBe(-XEN_EINVAL);
    expect(setEntry(vcpu, l4, 100, l4, READ_ONLY)).toBe(0);
    const [second, third] = [populate(host, domain, 0, 64), populate(host, domain, 0, 65)];
    expect(setEntry(vcpu, l4, 101, second, READ_ONLY)).toBe(0);
    const i = host.table.index(second);
    expect(host.table.type[i]).toBe(3);
    expect(setEntry(vcpu, l4, 101, 0, 0)).toBe(0);
    expect(extended(vcpu, MMUEXT_PIN_L4_TABLE, second)).toBe(0);
    expect(extended(vcpu, MMUEXT_PIN_L4_TABLE, third)).toBe(0);
    expect(setEntry(vcpu, l4, 101, second, READ_ONLY)).toBe(0);
    expect(setEntry(vcpu, second, 102, third, READ_ONLY)).toBe(-XEN_EINVAL);
    expect(setEntry(vcpu, third, 102, l4, READ_ONLY)).toBe(-XEN_EINVAL);
    expect(books(host)).toEqual([]);
    expect(extended(vcpu, MMUEXT_UNPIN_TABLE, second)).toBe(0);
    expect(host.table.typeRefs[i]).toBe(1);
    expect(setEntry(vcpu, l4, 101, 0, 0)).toBe(0);
    expect(host.table.typeRefs[i]).toBe(0);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-47: a table that fails its check leaves no reference behind', () => {
    const { host, vcpu, domain } = machine();
    const table = populate(host, domain, 0, 64);
    putEntry(host, table, 3, domain.mfn(20), FLAGS);
    putEntry(host, table, 4, domain.mfn(21), READ_ONLY);
    putEntry(host, table, 5, 5, READ_ONLY);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, table)).toBe(-XEN_EPERM);
    putEntry(host, table, 5, domain.mfn(0), FLAGS);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, table)).toBe(-XEN_EBUSY);
    expect(books(host)).toEqual([]);
    putEntry(host, table, 5, domain.mfn(0), READ_ONLY);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, table)).toBe(0);
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-48: Xen's frames for a domain may be mapped by it and by nobody else, and never become tables", () => {
    const { host, vcpu, domain } = machine();
    const other = buildDomain(host, 2);
    const shared = allocateXenFrame(host, domain);
    expect(remap(vcpu, 20, shared, FLAGS)).toBe(0);
    expect(remap(other, 20, shared, READ_ONLY)).toBe(-XEN_EBUSY);
    expect(extended(vcpu, MMUEXT_PIN_L1_TABLE, shared)).toBe(-XEN_EINVAL);
    expect(domain.totPages).toBe(64);
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-49: the tools see levels and pins, and XTAB for what is not the domain's", () => {
    const { host, vcpu, domain, l1, l3, l4 } = machine();
    const retired = populate(host, domain, 0, 64);
    expect(extended(vcpu, MMUEXT_PIN_L2_TABLE, retired)).toBe(0);
    expect(pageFrameInfo(host, 1, retired)).toBe(0xa000_0000);
    expect(extended(vcpu, MMUEXT_UNPIN_TABLE, retired)).toBe(0);
    expect(pageFrameInfo(host, 1, retired)).toBe(0x2000_0000);
    expect(remap(vcpu, 20, retired, FLAGS)).toBe(0);
    expect(pageFrameInfo(host, 1, retired)).toBe(0);
    expect(pageFrameInfo(host, 1, allocateXenFrame(host, domain))).toBe(0xf000_0000);
    expect(pageFrameInfo(host, 1, l4)).toBe(0xc000_0000);
    expect(pageFrameInfo(host, 1, l3)).toBe(0x3000_0000);
    expect(pageFrameInfo(host, 1, l1)).toBe(0x1000_0000);
    expect(pageFrameInfo(host, 1, domain.mfn(20))).toBe(0);
    expect(pageFrameInfo(host, 2, l4)).toBe(0xf000_0000);
    expect(pageFrameInfo(host, 1, -1)).toBe(0xf000_0000);
  });
});
