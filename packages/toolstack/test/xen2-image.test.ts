import { CONTROL_IF_OFFSET, xen2_shared_info } from '@port-xen/abi';
import { BytesMemory, ldU64, st64, textOf } from '@port-xen/layout';
import { ImageReader, ImageWriter, MemoryImage } from '@port-xen/migration-stream';
import type { Vcpu } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { dumpCore } from '../src/dump-core.ts';
import { slotHint, verifyImage } from '../src/index.ts';
import { HandGuest, pfnOfVa } from './hand-guest.ts';
import { makeHost, sourceOf, testConfig } from './host.ts';
import { PATTERN, SHARED_INFO, XEN2_ELF, Xen2Guest } from './xen2-guest.ts';
import {
  CONFIG,
  hostOf,
  pageOf,
  running,
  SECOND,
  SLOT_FRAMES,
  saved,
  startInfoOf,
} from './xen2-host.ts';

const setPages = (guest: Xen2Guest, vcpu: Vcpu, pages: number): void => {
  guest.info(vcpu).nr_pages = pages;
};

const setList = (vcpu: Vcpu, mfn: number): void => {
  xen2_shared_info.at(vcpu.memory, SHARED_INFO).arch.pfn_to_mfn_frame_list = mfn;
  expect(ldU64(vcpu.memory, SHARED_INFO + xen2_shared_info.offset.arch + 8)).toBe(mfn);
};

describe('its save file', () => {
  test('RST-7: 344 bytes of shared_info without what was pending; start_info has the new page and port', () => {
    const guest = new Xen2Guest();
    const { host, controller } = hostOf(0, guest);
    const domid = host.xl.create(testConfig('old'), XEN2_ELF);
    host.run(SECOND);
    let shared = new Uint8Array(0);
    guest.mischief = (_, vcpu: Vcpu) => {
      const info = xen2_shared_info.at(vcpu.memory, SHARED_INFO);
      info.evtchn_pending.set(3, 0x10);
      info.evtchn_pending_sel = 8;
      info.evtchn_mask.set(3, 0xff00ff);
      vcpu.memory.st32(SHARED_INFO + CONTROL_IF_OFFSET + 1024, 7);
      vcpu.memory.st32(SHARED_INFO + 400, 7);
    };
    const sink = new MemoryImage();
    host.xl.save(domid, sink, {}, () => {});
    controller.answer(null);
    guest.wish = 'suspend';
    host.run(12 * SECOND);
    const image = sink.bytes;
    new ImageReader(sourceOf(image)).read({
      sharedInfo: (page) => {
        shared = page.slice();
      },
    });
    expect(new BytesMemory(shared).ld32(CONTROL_IF_OFFSET + 1024)).toBe(7);
    expect(slotHint(sourceOf(image), SLOT_FRAMES)).toBe(0);

    const next = Xen2Guest.restored(guest);
    const other = hostOf(3, next);
    const restored = other.host.xl.restore(sourceOf(image));
    expect(restored.config).toEqual(CONFIG);
    expect(other.controller.told).toEqual([`connect ${restored.domid} port 16 disks xvda`]);
    const page = pageOf(other.host, restored.domid);
    const info = xen2_shared_info.at(new BytesMemory(page), 0);
    const { offset, size } = xen2_shared_info;
    expect(page.subarray(offset.evtchn_pending, offset.evtchn_mask).every((b) => b === 0)).toBe(
      true,
    );
    expect(info.evtchn_mask.get(3)).toBe(0xff00ff);
    expect(page.subarray(size).every((b) => b === 0)).toBe(true);
    expect(info.time_version1).toBe(info.time_version2);
    expect(Math.abs(info.wc_sec - 1.7e9 - 1)).toBeLessThan(3);
    const start = startInfoOf(other.host, restored.domid);
    expect([start.nr_pages, start.flags, start.domain_controller_evtchn]).toEqual([4096, 0, 16]);
    const { sharedInfoMfn } = other.host.hv.domctl.getDomainInfo(restored.domid);
    expect(start.shared_info).toBe(sharedInfoMfn * 4096);
    expect(textOf(start.cmd_line)).toBe('hand made');
    expect(other.host.hv.accounting()).toEqual([]);

    other.host.xl.unpause(restored.domid);
    other.host.run(SECOND);
    expect(next.suspendResults).toEqual([0]);
    expect(other.host.hv.domctl.getDomainInfo(restored.domid).shutdown).toBe(false);
    expect(slotHint(sourceOf(image), SLOT_FRAMES)).not.toBe(3);
  });

  test('RST-5: can be judged: an xl file, and its bare stream by its shared_info page', () => {
    const { image } = saved();
    const verdict = verifyImage(new MemoryImage(image));
    expect(verdict).toMatchObject({ refusal: undefined, warnings: [] });
    expect(verdict.summary?.vcpus).toEqual([0]);
    const text = Buffer.from(image.buffer, image.byteOffset, image.length).toString('latin1');
    const libxl = image.subarray(text.indexOf('LibxlFmt'));
    expect(verifyImage(new MemoryImage(libxl)).refusal).toBeUndefined();
    expect(
      verifyImage(new MemoryImage(image.subarray(0, image.length / 2))).refusal?.message,
    ).toContain('end of the file');
  });

  test("RST-7: a configuration of another interface than the file's is refused", () => {
    const { image } = saved();
    const other = makeHost(1, () => new HandGuest());
    const before = other.hv.counts();
    expect(() => other.xl.restore(sourceOf(image), { config: testConfig('old') })).toThrow(
      'expected a shared_info page of xen-3.0',
    );
    expect(other.hv.counts()).toEqual(before);
  });

  test.each([
    [
      'no frame list',
      (_: Xen2Guest, v: Vcpu) => setList(v, 0),
      'pfn_to_mfn_frame_list to be an MFN',
    ],
    ["another domain's frame for a list", (_: Xen2Guest, v: Vcpu) => setList(v, 1), 'mfn 1 '],
    [
      'an empty list',
      (g: Xen2Guest, v: Vcpu) => st64(v.memory, g.list, 0),
      'a frame in frame_list[0]',
    ],
    [
      'fewer leaves than pages',
      (g: Xen2Guest, v: Vcpu) => st64(v.memory, g.list + 8, 0),
      'start_info.nr_pages within [1, 512]',
    ],
    [
      'a leaf that is nobody’s',
      (g: Xen2Guest, v: Vcpu) => st64(v.memory, g.list + 8, 2 ** 40),
      'start_info.nr_pages within [1, 512]',
    ],
    [
      'too many pages',
      (g: Xen2Guest, v: Vcpu) => setPages(g, v, 4097),
      'start_info.nr_pages within [1, 4096]',
    ],
    [
      'no page',
      (g: Xen2Guest, v: Vcpu) => setPages(g, v, 0),
      'start_info.nr_pages within [1, 4096]',
    ],
  ])('SAV-4: a guest that says %s is not saved, and runs on', (_, mischief, sentence) => {
    const { host, guest, domid, state, save, obey } = running();
    guest.mischief = mischief;
    const pages = 4096;
    save();
    obey();
    expect(state.outcome?.message).toContain(sentence);
    expect(guest.suspendResults).toEqual([1]);
    expect(host.hv.domctl.getDomainInfo(domid)).toMatchObject({ shutdown: false, totPages: pages });
    expect(host.hv.accounting()).toEqual([]);
  });

  test.each([0, -1, 2 ** 31, 2 ** 52, -(2 ** 63)])(
    'SAV-4: a guest that says its start_info is in frame %d is not saved, and runs on',
    (mfn) => {
      const { host, guest, domid, state, save, obey } = running();
      guest.named = mfn;
      save();
      obey();
      expect(state.outcome?.message).toMatch(/^mfn \d+ cannot be mapped/);
      save({ checkpoint: true, resume: 'reset' });
      obey();
      expect(guest.suspendResults).toEqual([1, 1]);
      expect(host.hv.domctl.getDomainInfo(domid).shutdown).toBe(false);
      expect(host.hv.accounting()).toEqual([]);
    },
  );

  test('SAV-4: a list that is longer than it has to be is read as far as there are pages', () => {
    const { guest, state, save, obey } = running();
    guest.mischief = (_, vcpu) => st64(vcpu.memory, guest.list + 8 * 8, 1);
    const sink = save() as MemoryImage;
    obey();
    expect(state.outcome).toBeNull();
    let leaves = 0;
    new ImageReader(sourceOf(sink.bytes)).read({ p2mFrames: ({ pfns }) => (leaves = pfns.length) });
    expect(leaves).toBe(8);
  });

  test('RST-5: a bare stream of more than 256 MiB cannot be one of xen-2.0', () => {
    const sink = new MemoryImage();
    const writer = new ImageWriter(sink);
    writer.imageHeader();
    writer.domainHeader(4, 17);
    writer.x86PvInfo();
    writer.staticDataEnd();
    const pages = 65_537;
    writer.p2mFrames(pages - 1, new Int32Array(Math.ceil(pages / 512)));
    writer.pageData(Int32Array.of(0), Uint8Array.of(0), [new Uint8Array(4096)]);
    writer.tscInfo({ mode: 0, khz: 1, nsec: 0n, incarnation: 0 });
    const page = new Uint8Array(4096);
    st64(new BytesMemory(page), xen2_shared_info.offset.cpu_freq, 1e9);
    writer.sharedInfo(page);
    const { refusal } = verifyImage(new MemoryImage(sink.bytes));
    expect(refusal?.message).toContain('expected memory of at most 256 MiB');
  });

  test('COR-1: a running domain’s core has all its pages', () => {
    const { host, domid } = running();
    const parts = [...dumpCore(host.hv, domid)];
    const pages = parts.slice(-4097, -1);
    expect(pages.every(({ length }) => length === 4096)).toBe(true);
    expect(new BytesMemory(pages[pfnOfVa(PATTERN)] as Uint8Array).ld32(4)).toBe(
      (4 * 2654435761) | 0,
    );
  });
});
