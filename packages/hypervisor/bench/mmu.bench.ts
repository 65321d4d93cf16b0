/*
 * What a guest's memory access costs, in nanoseconds per access: TLB hits, walks, and page-table updates by hypercall.
 */
import { expect, test } from 'vitest';
import { mmuUpdate } from '../src/mmu-update.ts';
import { pteHigh, pteLow } from '../src/page-entry.ts';
import { updateVaMapping } from '../src/update-va-mapping.ts';
import { argue, BASE, buildDomain, DOMID_SELF, FLAGS, makeHost } from '../test/memory/machine.ts';

const ACCESSES = 100_000;

const report = (name: string, rounds: number, each: number): number => {
  const ns = 1e9 / rounds / each;
  console.log(`${name}: ${ns.toFixed(1)} ns`);
  return ns;
};

test('loads and stores that hit', async ({ bench }) => {
  const { mmu } = buildDomain(makeHost(), 1);
  const start = BASE + 10 * 4096;
  let sum = 0;
  const loads = await bench('ld32', () => {
    for (let i = 0; i < ACCESSES; i++) sum += mmu.ld32(start + ((i * 4) & 0xfffc));
  }).run();
  const stores = await bench('st32', () => {
    for (let i = 0; i < ACCESSES; i++) mmu.st32(start + ((i * 4) & 0xfffc), i);
  }).run();
  const bytes = await bench('ld8', () => {
    for (let i = 0; i < ACCESSES; i++) sum += mmu.ld8(start + (i & 0xffff));
  }).run();
  expect(sum).toBeGreaterThan(0);
  expect(report('ld32, hit', loads.throughput.mean, ACCESSES)).toBeLessThan(50);
  expect(report('st32, hit', stores.throughput.mean, ACCESSES)).toBeLessThan(50);
  expect(report('ld8, hit', bytes.throughput.mean, ACCESSES)).toBeLessThan(50);
});

test('walks and updates', async ({ bench }) => {
  const vcpu = buildDomain(makeHost(), 1);
  const { mmu, domain } = vcpu;
  const va = BASE + 20 * 4096;
  const l1 = domain.mfn(3);
  const [a, b] = [domain.mfn(20), domain.mfn(21)];
  const walks = await bench('walk', () => {
    for (let i = 0; i < 1000; i++) {
      mmu.invalidate(va);
      mmu.ld32(va);
    }
  }).run();
  const mappings = await bench('update_va_mapping', () => {
    for (let i = 0; i < 1000; i++) {
      const frame = i & 1 ? a : b;
      updateVaMapping(vcpu, va, pteLow(frame, FLAGS), pteHigh(frame), 2);
    }
  }).run();
  const requests = argue(
    vcpu,
    ...Array.from({ length: 64 }, (_, i) => {
      const frame = i & 1 ? a : b;
      return [(l1 << 12) | 160, l1 >>> 20, pteLow(frame, FLAGS), pteHigh(frame)];
    }).flat(),
  );
  const updates = await bench('mmu_update', () => {
    if (mmuUpdate(vcpu, requests, 64, 0, DOMID_SELF) !== 0) throw new Error('refused');
  }).run();
  expect(report('walk', walks.throughput.mean, 1000)).toBeLessThan(5000);
  expect(report('update_va_mapping', mappings.throughput.mean, 1000)).toBeLessThan(20_000);
  expect(report('mmu_update, of 64', updates.throughput.mean, 64)).toBeLessThan(20_000);
});
