import {
  CONTROL_IF_OFFSET,
  control_if,
  shared_info,
  xen2_shared_info,
  xen2_start_info,
} from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';
import { describe, expect, test } from 'vitest';
import { isXen2SharedInfo, mergeXen2SharedInfo, patchXen2StartInfo } from '../src/index.ts';

const { offset, size } = xen2_shared_info;

describe("MIG-55: Xen 2's shared_info", () => {
  const saved = new Uint8Array(4096).fill(0x77);
  const into = new Uint8Array(4096).fill(0x11);
  mergeXen2SharedInfo(into, saved);

  test('is the saved struct without what was pending', () => {
    expect(into.subarray(0, offset.evtchn_pending).every((byte) => byte === 0x77)).toBe(true);
    expect(
      into.subarray(offset.evtchn_pending, offset.evtchn_mask).every((byte) => byte === 0),
    ).toBe(true);
    expect(into.subarray(offset.evtchn_mask, size).every((byte) => byte === 0x77)).toBe(true);
  });

  test('is zero behind it: messages of the former life are not found again', () => {
    expect(into.subarray(size).every((byte) => byte === 0)).toBe(true);
  });

  test('leaves the saved page as it was, and wants both', () => {
    expect(saved.every((byte) => byte === 0x77)).toBe(true);
    expect(() => mergeXen2SharedInfo(into, saved.subarray(0, size - 1))).toThrow(RangeError);
    expect(() => mergeXen2SharedInfo(into.subarray(0, size - 1), saved)).toThrow(RangeError);
  });
});

describe('MIG-55: a page is told from one of Xen 3', () => {
  const page = (write: (memory: BytesMemory) => void): Uint8Array => {
    const bytes = new Uint8Array(4096);
    write(new BytesMemory(bytes));
    return bytes;
  };

  test('by its frequency, whatever is in its control interface', () => {
    expect(CONTROL_IF_OFFSET + control_if.size).toBe(shared_info.offset.arch);
    const full = page((memory) => {
      memory.bytes.fill(0xff, 0, CONTROL_IF_OFFSET + control_if.size);
    });
    expect(isXen2SharedInfo(full)).toBe(true);
    expect(isXen2SharedInfo(page((memory) => st64(memory, offset.cpu_freq, 2.4e9)))).toBe(true);
  });

  test('Xen 3’s has a last pfn, also with events for vCPU 4', () => {
    const three = page((memory) => {
      memory.bytes.fill(0xff, 0, 2048);
      shared_info.at(memory, 0).arch.max_pfn = 4096;
    });
    expect(isXen2SharedInfo(three)).toBe(false);
    expect(isXen2SharedInfo(new Uint8Array(4096))).toBe(false);
  });
});

test("MIG-56: Xen 2's start_info gets what is filled on resume, and the port; the rest stays", () => {
  const page = new Uint8Array(4096).fill(0x33);
  patchXen2StartInfo(page, { maxPfn: 63 }, { shared_info: 0x123000, domain_controller_evtchn: 7 });
  const info = xen2_start_info.at(new BytesMemory(page), 0);
  expect([info.nr_pages, info.shared_info, info.flags]).toEqual([64, 0x123000, 0]);
  expect(info.domain_controller_evtchn).toBe(7);
  const { offset: at } = xen2_start_info;
  expect(page.subarray(at.__pad).every((byte) => byte === 0x33)).toBe(true);
});
