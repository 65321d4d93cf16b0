import { shared_info, start_info, vcpu_info } from '@port-xen/abi';
import { BytesMemory, ldU64 } from '@port-xen/layout';
import { describe, expect, test } from 'vitest';
import { mergeSharedInfo, patchStartInfo, type RestoredFrames } from '../src/index.ts';

const frames: RestoredFrames = { maxPfn: 63, typeOf: () => 0, pfnToMfn: (pfn) => 7000 + pfn };
const life = { shared_info: 0x123000, store_evtchn: 1, console_evtchn: 2 };

describe('MIG-53: start_info', () => {
  const page = new Uint8Array(4096).fill(0x33);
  const info = start_info.at(new BytesMemory(page), 0);
  info.store_mfn = 60;
  info.console.domU.mfn = 61;

  test('gets the new frames, ports and size; the rest stays', () => {
    const patched = page.slice();
    expect(patchStartInfo(patched, frames, life)).toEqual({ store_mfn: 7060, console_mfn: 7061 });
    const view = start_info.at(new BytesMemory(patched), 0);
    expect([view.nr_pages, view.shared_info, view.flags]).toEqual([64, 0x123000, 0]);
    expect([view.store_mfn, view.store_evtchn]).toEqual([7060, 1]);
    expect([view.console.domU.mfn, view.console.domU.evtchn]).toEqual([7061, 2]);
    const kept = [...page.keys()].filter((i) => (i < 32 || i >= 84) && patched[i] !== page[i]);
    expect(kept).toEqual([]);
  });

  test.each([
    ['XenStore (pfn 0x40) out of range: expected at most 0x3f, found 0x40', 64, 61],
    ['Console (pfn 0x3333) out of range', 60, 0x3333],
  ])('%s', (words, store, console) => {
    const patched = page.slice();
    const view = start_info.at(new BytesMemory(patched), 0);
    view.store_mfn = store;
    view.console.domU.mfn = console;
    const before = patched.slice();
    expect(() => patchStartInfo(patched, frames, life)).toThrow(words);
    expect(patched).toEqual(before);
  });
});

describe('MIG-54: shared_info', () => {
  const saved = new Uint8Array(4096).fill(0x77);
  const into = new Uint8Array(4096).fill(0x11);
  mergeSharedInfo(into, saved);
  const memory = new BytesMemory(into);
  const { offset } = shared_info;

  test('takes vcpu_info and arch from the saved one', () => {
    for (const vcpu of [0, 31]) {
      const at = vcpu * vcpu_info.size;
      expect(into[at + vcpu_info.offset.evtchn_upcall_pending]).toBe(0x77);
      expect(into[at + vcpu_info.offset.evtchn_upcall_mask]).toBe(0x77);
      expect(into[at + vcpu_info.size - 1]).toBe(0x77);
    }
    expect(into[offset.arch]).toBe(0x77);
    expect(into[shared_info.size - 1]).toBe(0x77);
  });

  test('has no event pending, every channel masked, no frame list', () => {
    for (const vcpu of [0, 31]) {
      expect(ldU64(memory, vcpu * vcpu_info.size + vcpu_info.offset.evtchn_pending_sel)).toBe(0);
    }
    expect(
      into.subarray(offset.evtchn_pending, offset.evtchn_mask).every((byte) => byte === 0),
    ).toBe(true);
    expect(into.subarray(offset.evtchn_mask, offset.wc_version).every((byte) => byte === 255)).toBe(
      true,
    );
    expect(ldU64(memory, offset.arch + 8)).toBe(0);
  });

  test('keeps the new host’s wall clock and all that Xen has behind', () => {
    expect(into.subarray(offset.wc_version, offset.arch).every((byte) => byte === 0x11)).toBe(true);
    expect(into.subarray(shared_info.size).every((byte) => byte === 0x11)).toBe(true);
  });

  test('wants both', () => {
    expect(() => mergeSharedInfo(into, saved.subarray(0, 3000))).toThrow(RangeError);
    expect(() => mergeSharedInfo(into.subarray(0, 3000), saved)).toThrow(RangeError);
  });
});
