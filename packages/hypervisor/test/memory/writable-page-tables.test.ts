import { describe, expect, test } from 'vitest';
import { pteHigh, pteLow } from '../../src/page-entry.ts';
import {
  BASE,
  books,
  buildDomain,
  entryAt,
  FLAGS,
  faultOf,
  makeHost,
  READ_ONLY,
} from './machine.ts';

const TABLE = BASE + 3 * 4096;

const machine = (slot = 3) => {
  const host = makeHost(2048, slot);
  const vcpu = buildDomain(host, 1);
  return { host, vcpu, mmu: vcpu.mmu, domain: vcpu.domain, l1: vcpu.domain.mfn(3) };
};

const bytesOf = (low: number, high: number): Uint8Array =>
  new Uint8Array(Int32Array.of(low, high).buffer);

describe('writable page tables', () => {
  test('HV-MEM-110: an aligned store to a read-only mapped L1 is a checked update', () => {
    const { host, mmu, domain, l1 } = machine(60);
    const target = domain.mfn(21);
    mmu.st32(BASE + 21 * 4096, 21);
    mmu.write(TABLE + 160, bytesOf(pteLow(target, READ_ONLY), pteHigh(target)));
    mmu.invalidate(BASE + 20 * 4096);
    expect(mmu.ld32(BASE + 20 * 4096)).toBe(21);
    expect(entryAt(host, l1, 20)[1]).toBe(pteHigh(target) | 0x10_0000);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-111: parts of an entry keep the rest: 1, 2 and 4 bytes', () => {
    const { host, mmu, domain, l1 } = machine();
    mmu.st8(TABLE + 160, 0);
    expect(entryAt(host, l1, 20)[0] & 0xff).toBe(0);
    mmu.st16(TABLE + 162, 0x1234);
    mmu.st32(TABLE + 164, -1);
    expect(entryAt(host, l1, 20)[1]).toBe(-1);
    expect(books(host)).toEqual([]);
    mmu.st32(TABLE + 164, pteHigh(domain.mfn(20)));
    mmu.st32(TABLE + 160, pteLow(domain.mfn(20), FLAGS));
    mmu.flush();
    mmu.st32(BASE + 20 * 4096, 5);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-112: what the check refuses, what is not aligned and what is not an L1 fault', () => {
    const { host, mmu, l1, domain } = machine();
    const before = entryAt(host, l1, 20);
    const refused = [
      () => mmu.st32(TABLE + 160, pteLow(l1, FLAGS)),
      () => mmu.write(TABLE + 160, bytesOf(0x5003, 0)),
      () => mmu.st32(TABLE + 162, 0),
      () => mmu.st16(TABLE + 161, 0),
      () => mmu.write(TABLE + 156, new Uint8Array(8)),
      () => mmu.write(TABLE + 160, new Uint8Array(16)),
      () => mmu.st32(BASE + 2 * 4096, 0),
      () => mmu.st32(BASE, 0),
    ];
    for (const store of refused) expect(faultOf(store).errorCode).toBe(3);
    expect(entryAt(host, l1, 20)).toEqual(before);
    domain.writablePagetables = false;
    expect(faultOf(() => mmu.st32(TABLE + 160, 0)).errorCode).toBe(3);
    expect(books(host)).toEqual([]);
  });

  test('HV-MEM-113: not in user mode', () => {
    const { host, mmu, domain, l1 } = machine();
    mmu.userRoot = domain.mfn(0);
    mmu.kernelMode = false;
    expect(faultOf(() => mmu.st32(TABLE + 160, 0)).errorCode).toBe(7);
    mmu.userRoot = -1;
    expect(entryAt(host, l1, 20)[0]).not.toBe(0);
    expect(books(host)).toEqual([]);
  });
});
