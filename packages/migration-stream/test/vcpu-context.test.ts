import { cpu_user_regs, VGCF_online, vcpu_guest_context } from '@port-xen/abi';
import { BytesMemory, ldU64, st64 } from '@port-xen/layout';
import { describe, expect, test } from 'vitest';
import {
  canonicaliseVcpu,
  canonicaliseVcpu0,
  FrameError,
  localiseVcpu,
  localiseVcpu0,
  type RestoredFrames,
} from '../src/index.ts';

const { offset } = vcpu_guest_context;
const RDX = offset.user_regs + cpu_user_regs.offset.rdx;
const gdt = (i: number) => offset.gdt_frames + i * 8;
const cr = (i: number) => offset.ctrlreg + i * 8;

/** pfn p is in frame 1000 - p; pfns 0 … 99; 4 and 5 are level 4 tables, 4 pinned, 6 a level 3 table. */
const mfnToPfn = (mfn: number) => {
  expect(mfn).toBeLessThan(2 ** 31);
  return mfn > 900 && mfn <= 1000 ? 1000 - mfn : -1;
};
const frames: RestoredFrames = {
  maxPfn: 99,
  typeOf: (pfn) => ({ 4: 12, 5: 4, 6: 3 })[pfn] ?? 0,
  pfnToMfn: (pfn) => (pfn === 50 ? -1 : 5000 + pfn),
};

const context = (values: readonly (readonly [at: number, value: number])[]): Uint8Array => {
  const bytes = new Uint8Array(vcpu_guest_context.size).fill(0x5a);
  const memory = new BytesMemory(bytes);
  for (const at of [offset.flags, RDX, offset.gdt_ents, cr(1), cr(3)]) st64(memory, at, 0);
  for (const [at, value] of values) st64(memory, at, value);
  return bytes;
};
const word = (bytes: Uint8Array, at: number) => ldU64(new BytesMemory(bytes), at);

/** Bytes that differ. */
const changed = (a: Uint8Array, b: Uint8Array): number[] =>
  [...a.keys()].filter((i) => a[i] !== b[i]).map((i) => i - (i % 8));

const running = context([
  [RDX, 997],
  [offset.gdt_ents, 513],
  [gdt(0), 993],
  [gdt(1), 992],
  [gdt(2), 12345678],
  [cr(3), 996 * 4096],
  [cr(1), 995 * 4096],
]);
const saved = context([
  [RDX, 3],
  [offset.gdt_ents, 513],
  [gdt(0), 7],
  [gdt(1), 8],
  [gdt(2), 12345678],
  [cr(3), 4 * 4096],
  [cr(1), 5 * 4096 + 1],
]);

describe('MIG-50: a context on its way out', () => {
  test('has pfns in rdx, the GDT, cr3 and cr1; the rest is as it was', () => {
    const before = running.slice();
    expect(canonicaliseVcpu0(running, mfnToPfn)).toEqual(saved);
    expect(running).toEqual(before);
  });

  test('of another vCPU keeps its rdx', () => {
    const out = canonicaliseVcpu(1, running, mfnToPfn);
    expect(word(out, RDX)).toBe(997);
    expect([...new Set(changed(out, saved))]).toEqual([RDX]);
  });

  test('without user page tables keeps 0 in cr1', () => {
    const kernel = context([
      [RDX, 997],
      [cr(3), 996 * 4096],
    ]);
    expect(word(canonicaliseVcpu0(kernel, mfnToPfn), cr(1))).toBe(0);
  });

  test.each([
    ['Bad mfn for suspend record', RDX, 3],
    ['Bad mfn for frame 1 of the GDT of vcpu0', gdt(1), 2 ** 40],
    ['Bad mfn for cr3 of vcpu0', cr(3), 1001 * 4096],
    ['Bad mfn for cr1 of vcpu0', cr(1), 4096],
  ])('%s', (words, at, value) => {
    const bad = running.slice();
    st64(new BytesMemory(bad), at, value);
    expect(() => canonicaliseVcpu0(bad, mfnToPfn)).toThrow(FrameError);
    expect(() => canonicaliseVcpu0(bad, mfnToPfn)).toThrow(`${words}: expected a frame of the`);
  });
});

describe('MIG-51: a context on its way in', () => {
  test('has the new frames, and is online', () => {
    const { context: out, startInfoPfn } = localiseVcpu0(saved, frames);
    expect(startInfoPfn).toBe(3);
    expect(out).toEqual(
      context([
        [offset.flags, VGCF_online],
        [RDX, 5003],
        [offset.gdt_ents, 513],
        [gdt(0), 5007],
        [gdt(1), 5008],
        [gdt(2), 12345678],
        [cr(3), 5004 * 4096],
        [cr(1), 5005 * 4096],
      ]),
    );
  });

  test('of another vCPU keeps its rdx', () => {
    expect(word(localiseVcpu(saved, frames), RDX)).toBe(3);
  });

  test('may name the last page', () => {
    const last = saved.slice();
    st64(new BytesMemory(last), gdt(0), 99);
    expect(word(localiseVcpu(last, frames), gdt(0))).toBe(5099);
  });

  test('keeps a cr1 without bit 0', () => {
    const odd = saved.slice();
    st64(new BytesMemory(odd), cr(1), 77 * 4096);
    expect(word(localiseVcpu(odd, frames), cr(1))).toBe(77 * 4096);
  });

  test.each([
    ['Start Info (pfn 0x64) out of range: expected at most 0x63', RDX, 100],
    ['Start Info (pfn 0x4) has bad type 12: expected type 0', RDX, 4],
    ['Start Info has bad mfn: expected a frame for pfn 0x32, found none', RDX, 50],
    ['GDT frame 1 (pfn 0x6) has bad type 3', gdt(1), 6],
    ['GDT frame 0 (pfn 0xffffffffffff) out of range', gdt(0), 2 ** 48 - 1],
    ['cr3 (pfn 0x7) has bad type 0: expected type 4, found 0', cr(3), 7 * 4096],
    ['cr3 (pfn 0x6) has bad type 3: expected type 4', cr(3), 6 * 4096],
    ['cr3 (pfn 0x64) out of range', cr(3), 100 * 4096],
    ['cr1 (pfn 0x6) has bad type 3', cr(1), 6 * 4096 + 1],
  ])('%s', (words, at, value) => {
    const bad = saved.slice();
    st64(new BytesMemory(bad), at, value);
    expect(() => localiseVcpu0(bad, frames)).toThrow(FrameError);
    expect(() => localiseVcpu0(bad, frames)).toThrow(words);
  });
});

test('MIG-52: a GDT reaches at most to Xen’s own entries, both ways', () => {
  const bad = saved.slice();
  st64(new BytesMemory(bad), offset.gdt_ents, 7169);
  const words = 'GDT entry count (7169) out of range (max 7168): expected at most 7168, found 7169';
  expect(() =>
    canonicaliseVcpu0(
      context([
        [RDX, 997],
        [offset.gdt_ents, 7169],
      ]),
      mfnToPfn,
    ),
  ).toThrow(words);
  expect(() => localiseVcpu(bad, frames)).toThrow(words);
  expect(() => localiseVcpu(bad.subarray(8), frames)).toThrow(RangeError);
});
