import {
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOMEM,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_increase_reservation,
  XENMEM_machphys_mapping,
  XENMEM_machphys_mfn_list,
  XENMEM_maximum_gpfn,
  XENMEM_maximum_ram_page,
  XENMEM_maximum_reservation,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
} from '@port-xen/abi';
import { ldI64 } from '@port-xen/layout';
import { describe, expect, test } from 'vitest';
import { allocateXenFrame } from '../../src/domain-frames.ts';
import { PGC_allocated, PGC_xen_heap } from '../../src/frame-table.ts';
import { memoryOp } from '../../src/memory-op.ts';
import {
  argue,
  BASE,
  books,
  buildDomain,
  DOMID_SELF,
  FLAGS,
  makeHost,
  remap,
  SCRATCH,
  type TestVcpu,
} from './machine.ts';

const LIST = BASE + 9 * 4096;

const setList = (vcpu: TestVcpu, ...values: number[]): void =>
  values.forEach((value, i) => {
    vcpu.mmu.st32(LIST + i * 8, value);
    vcpu.mmu.st32(LIST + i * 8 + 4, Math.floor(value / 2 ** 32));
  });

const reserve = (
  vcpu: TestVcpu,
  op: number,
  count: number,
  { order = 0, flags = 0, domid = DOMID_SELF, list = LIST } = {},
): number => {
  argue(vcpu, list, Math.floor(list / 2 ** 32), count, 0, order, flags, domid, 0);
  return memoryOp(vcpu, op, SCRATCH);
};

describe('reservation', () => {
  test('HV-MEM-70: populate gives frames, enters the M2P and writes the MFNs back', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    setList(vcpu, 100, 101, 500);
    expect(reserve(vcpu, XENMEM_populate_physmap, 3)).toBe(3);
    const mfn = vcpu.mmu.ld32(LIST + 16);
    expect(host.m2p.get(mfn)).toBe(500);
    expect(remap(vcpu, 20, mfn, FLAGS)).toBe(0);
    expect(vcpu.domain.totPages).toBe(67);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-70: beyond the limit the count is short', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    vcpu.domain.maxPages = 66;
    setList(vcpu, 100, 101, 102);
    expect(reserve(vcpu, XENMEM_populate_physmap, 3)).toBe(2);
    vcpu.domain.maxPages = 1e6;
    setList(vcpu, 103, 104, 105, 106);
    expect(reserve(vcpu, XENMEM_populate_physmap, 4, { order: 9 })).toBe(2);
    expect(host.m2p.get(vcpu.mmu.ld32(LIST) + 5)).toBe(108);
    setList(vcpu, 2 ** 31);
    expect(reserve(vcpu, XENMEM_populate_physmap, 1)).toBe(1);
    expect(host.m2p.get(vcpu.mmu.ld32(LIST))).toBe(-1);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-71: increase leaves the M2P to the guest and needs no list', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    expect(reserve(vcpu, XENMEM_increase_reservation, 1)).toBe(1);
    expect(host.m2p.get(vcpu.mmu.ld32(LIST))).toBe(-1);
    expect(reserve(vcpu, XENMEM_increase_reservation, 2, { list: 0 })).toBe(2);
    expect(reserve(vcpu, XENMEM_increase_reservation, 1, { flags: 30 })).toBe(0);
    expect(reserve(vcpu, XENMEM_increase_reservation, 1, { flags: 45 })).toBe(1);
    expect(vcpu.domain.totPages).toBe(68);
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-72: decrease takes the owner's reference; the frame goes with its last mapping", () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain } = vcpu;
    const [a, b] = [domain.mfn(40), domain.mfn(41)];
    remap(vcpu, 40, 0, 0);
    setList(vcpu, a, b, host.memory.firstMfn);
    expect(reserve(vcpu, XENMEM_decrease_reservation, 3)).toBe(2);
    expect(domain.totPages).toBe(63);
    expect(host.table.ownerOf(a)).toBe(-1);
    expect(host.table.ownerOf(b)).toBe(1);
    expect(books(host)).toEqual([]);
    remap(vcpu, 41, 0, 0);
    expect(domain.totPages).toBe(62);
    expect(books(host)).toEqual([]);
  });

  test("HV-MEM-72: Xen's own frames and other domains' stay", () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const other = buildDomain(host, 2);
    const shared = allocateXenFrame(host, vcpu.domain);
    for (const mfn of [shared, other.domain.mfn(40), 3, 2 ** 52]) {
      setList(vcpu, mfn);
      expect(reserve(vcpu, XENMEM_decrease_reservation, 1)).toBe(0);
    }
    expect(host.table.ownerOf(shared)).toBe(1);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-73: orders above 9, unknown domains and lists too long do nothing; others need rights', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    buildDomain(host, 2);
    expect(reserve(vcpu, XENMEM_increase_reservation, 1, { order: 10 })).toBe(0);
    expect(reserve(vcpu, XENMEM_increase_reservation, 1, { domid: 5 })).toBe(0);
    expect(reserve(vcpu, XENMEM_increase_reservation, -1)).toBe(0);
    expect(reserve(vcpu, XENMEM_increase_reservation, 1, { domid: 2 })).toBe(-XEN_EPERM);
    expect(memoryOp(vcpu, XENMEM_increase_reservation, 0x1000)).toBe(-XEN_EFAULT);
    expect(memoryOp(vcpu, XENMEM_increase_reservation | (7 << 6), SCRATCH)).toBe(7);
    expect(memoryOp(vcpu, 63, SCRATCH)).toBe(-XEN_ENOSYS);
  });

  test('HV-MEM-74: a long call continues with the extent it stopped at', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    setList(vcpu, 100, 101, 102);
    vcpu.patience = 2;
    expect(reserve(vcpu, XENMEM_populate_physmap, 3)).toBe(0);
    expect(vcpu.continuation).toEqual([12, XENMEM_populate_physmap + (2 << 6), SCRATCH]);
    vcpu.patience = 9;
    expect(memoryOp(vcpu, XENMEM_populate_physmap + (2 << 6), SCRATCH)).toBe(3);
    expect(vcpu.domain.totPages).toBe(67);
  });

  test('HV-MEM-75: reservations are told, of other domains only to those who may', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    buildDomain(host, 2);
    const ask = (op: number, domid: number): number => {
      vcpu.mmu.st16(SCRATCH, domid);
      return memoryOp(vcpu, op, SCRATCH);
    };
    expect(ask(XENMEM_current_reservation, DOMID_SELF)).toBe(64);
    expect(ask(XENMEM_maximum_reservation, 1)).toBe(1000);
    expect(ask(XENMEM_maximum_gpfn, DOMID_SELF)).toBe(63);
    expect(ask(XENMEM_current_reservation, 2)).toBe(-XEN_EPERM);
    expect(ask(XENMEM_current_reservation, 3)).toBe(-XEN_ESRCH);
    expect(memoryOp(vcpu, XENMEM_maximum_ram_page, 0)).toBe(host.memory.firstMfn + 2047);
  });
});

describe('exchange', () => {
  const exchange = (
    vcpu: TestVcpu,
    into: [count: number, order: number],
    out: [count: number, order: number],
    domid = DOMID_SELF,
  ): number => {
    const high = Math.floor(LIST / 2 ** 32);
    const half = ([count, order]: [number, number], list: number): number[] => [
      list,
      high,
      count,
      0,
      order,
      0,
      domid,
      0,
    ];
    argue(vcpu, ...half(into, LIST), ...half(out, LIST + 2048), 0, 0);
    return memoryOp(vcpu, XENMEM_exchange, SCRATCH);
  };

  test('HV-MEM-76: single frames for an extent and back', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    const { domain, mmu } = vcpu;
    for (let pfn = 40; pfn < 44; pfn++) remap(vcpu, pfn, 0, 0);
    setList(vcpu, ...[40, 41, 42, 43].map((pfn) => domain.mfn(pfn)));
    mmu.st32(LIST + 2048, 40);
    mmu.st32(LIST + 2052, 0);
    expect(exchange(vcpu, [4, 0], [1, 2])).toBe(0);
    expect(ldI64(mmu, SCRATCH + 64)).toBe(4);
    const first = mmu.ld32(LIST + 2048);
    expect(first % 4).toBe(0);
    expect([0, 1, 2, 3].map((i) => host.m2p.get(first + i))).toEqual([40, 41, 42, 43]);
    expect(domain.totPages).toBe(64);
    setList(vcpu, first);
    for (let i = 0; i < 4; i++) mmu.st32(LIST + 2048 + i * 8, 50 + i);
    expect(exchange(vcpu, [1, 2], [4, 0])).toBe(0);
    expect(host.m2p.get(mmu.ld32(LIST + 2048 + 24))).toBe(53);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-77: a frame that is still mapped is -EINVAL and everything stays', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    remap(vcpu, 40, 0, 0);
    setList(vcpu, vcpu.domain.mfn(40), vcpu.domain.mfn(41));
    expect(exchange(vcpu, [2, 0], [1, 1])).toBe(-XEN_EINVAL);
    expect(host.table.ownerOf(vcpu.domain.mfn(40))).toBe(1);
    expect(ldI64(vcpu.mmu, SCRATCH + 64)).toBe(0);
    expect(exchange(vcpu, [2, 0], [1, 2])).toBe(-XEN_EINVAL);
    expect(exchange(vcpu, [2, 0], [1, 10])).toBe(-XEN_EPERM);
    expect(exchange(vcpu, [2, 0], [1, 1], 9)).toBe(-XEN_ESRCH);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-76: a domain over its limit may still exchange', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    vcpu.domain.maxPages = 10;
    for (const pfn of [40, 41]) remap(vcpu, pfn, 0, 0);
    setList(vcpu, vcpu.domain.mfn(40), vcpu.domain.mfn(41));
    expect(exchange(vcpu, [2, 0], [1, 1])).toBe(0);
    setList(vcpu, vcpu.mmu.ld32(LIST + 2048), 3);
    expect(exchange(vcpu, [2, 1], [1, 2])).toBe(-XEN_EINVAL);
    expect(vcpu.domain.totPages).toBe(64);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-77: no extent of that size is -ENOMEM and everything stays', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    while (host.allocator.free > 0) {
      const mfn = host.allocator.allocate(0);
      host.table.owner[host.table.index(mfn)] = 0x7ff2;
      host.table.refs[host.table.index(mfn)] = 1;
      host.table.flags[host.table.index(mfn)] = PGC_allocated | PGC_xen_heap;
    }
    for (const pfn of [40, 41]) remap(vcpu, pfn, 0, 0);
    setList(vcpu, vcpu.domain.mfn(40), vcpu.domain.mfn(41));
    expect(exchange(vcpu, [2, 0], [1, 1])).toBe(-XEN_ENOMEM);
    expect(vcpu.domain.totPages).toBe(64);
    expect(books(host)).toEqual([]);
  });
});

describe('what the machine tells', () => {
  test('HV-MEM-78: the M2P window and its chunks', () => {
    const host = makeHost();
    const vcpu = buildDomain(host, 1);
    expect(memoryOp(vcpu, XENMEM_machphys_mapping, SCRATCH)).toBe(0);
    expect(ldI64(vcpu.mmu, SCRATCH)).toBe(-0x8000_0000_0000);
    expect(ldI64(vcpu.mmu, SCRATCH + 8)).toBe(-0x7fc0_0000_0000);
    expect(ldI64(vcpu.mmu, SCRATCH + 16)).toBe(host.m2p.maxMfn);
    argue(vcpu, 1000, 0, LIST, Math.floor(LIST / 2 ** 32), 0, 0);
    expect(memoryOp(vcpu, XENMEM_machphys_mfn_list, SCRATCH)).toBe(0);
    const count = vcpu.mmu.ld32(SCRATCH + 16);
    expect(count).toBe(host.memory.firstMfn / 2 ** 18 + 1);
    expect(vcpu.mmu.ld32(LIST + (count - 1) * 8)).toBe(host.memory.firstMfn);
  });

  test('HV-MEM-79: the e820 is -ENOSYS until the toolstack sets one', () => {
    const vcpu = buildDomain(makeHost(), 1);
    const ask = (): number => {
      argue(vcpu, 5, 0, LIST, Math.floor(LIST / 2 ** 32));
      return memoryOp(vcpu, XENMEM_memory_map, SCRATCH);
    };
    expect(ask()).toBe(-XEN_ENOSYS);
    vcpu.domain.e820 = Uint8Array.from({ length: 40 }, (_, i) => i);
    expect(ask()).toBe(0);
    expect(vcpu.mmu.ld32(SCRATCH)).toBe(2);
    expect(vcpu.mmu.ld8(LIST + 39)).toBe(39);
  });
});
