import { shared_info, start_info, vcpu_guest_context } from '@port-xen/abi';
import { BytesMemory, ldI64 } from '@port-xen/layout';
import {
  canonicalise,
  canonicaliseVcpu0,
  ImageReader,
  MemoryImage,
  tableLevel,
} from '@port-xen/migration-stream';
import { Sim } from '@port-xen/sim';
import { describe, expect, test } from 'vitest';
import type { DomainConfig } from '../src/domain-config.ts';
import { domainLayout } from '../src/domain-layout.ts';
import { GuestFrames } from '../src/guest-frames.ts';
import { readGuestP2m } from '../src/guest-p2m.ts';
import { kernelImage } from '../src/kernel-image.ts';
import { slotHint } from '../src/slot-hint.ts';
import { handElf } from './hand-elf.ts';
import { GUEST_ELF, HandGuest, pfnOfVa, USER_L4 } from './hand-guest.ts';
import { acknowledge, makeHost, sourceOf, type TestHost, testConfig } from './host.ts';
import { without } from './without.ts';

const MINUTE = 60e9;
const LAYOUT = domainLayout(kernelImage(GUEST_ELF), 16 * 256);

/** What a suspended domain is, in terms that mean the same on every host. */
const essence = (host: TestHost, domid: number) => {
  const info = host.hv.domctl.getDomainInfo(domid);
  const frames = new GuestFrames(host.hv, domid);
  const page = new BytesMemory(frames.copy(info.sharedInfoMfn));
  const p2m = readGuestP2m(host.hv, domid, page);
  return { p2m, ...essenceOf(host, domid, p2m.mfnOf, p2m.pfnOf) };
};

const essenceOf = (
  host: TestHost,
  domid: number,
  mfnOf: Int32Array,
  pfnOf: (mfn: number) => number,
) => {
  const frames = new GuestFrames(host.hv, domid);
  const types = Array.from(host.hv.domctl.pageFrameInfo(domid, mfnOf), (info) => info >>> 28);
  const pages = types.map((type, pfn) => {
    const bytes = frames.copy(mfnOf[pfn] as number);
    const level = tableLevel(type);
    if (level === 0) return bytes;
    const into = new Uint8Array(4096);
    expect(canonicalise(bytes, level, pfnOf, into)).toBeUndefined();
    return into;
  });
  const context = canonicaliseVcpu0(host.hv.domctl.getVcpuContext(domid, 0), pfnOf);
  return { types, pages, context };
};

const boot = (host: TestHost) => {
  const domid = host.xl.create(testConfig('hand'), GUEST_ELF);
  host.run(1e9);
  return domid;
};

/** A running domain that suspends when it is asked to. */
const willing = () => {
  const guest = new HandGuest();
  const host = makeHost(0, () => guest);
  const domid = boot(host);
  acknowledge(host, domid, () => {
    guest.wish = 'suspend';
  });
  return { guest, host, domid };
};

const save = (host: TestHost, domid: number, checkpoint = false) => {
  const sink = new MemoryImage();
  let outcome: Error | null | undefined;
  host.xl.save(domid, sink, { checkpoint }, (error) => {
    outcome = error;
  });
  host.run(3 * MINUTE);
  return { outcome, image: sink.bytes };
};

/** The frames of a restored domain, as its new P2M has them. */
const restoredP2m = (host: TestHost, domid: number) => {
  const frames = new GuestFrames(host.hv, domid);
  const context = host.hv.domctl.getVcpuContext(domid, 0);
  const startInfoMfn = ldI64(new BytesMemory(context), vcpu_guest_context.offset.user_regs + 96);
  const mfnOf = new Int32Array(LAYOUT.pages).fill(-1);
  const { m2p } = host.hv;
  const first = host.hv.firstMfn;
  for (let mfn = first; mfn < first + host.hv.frames; mfn++) {
    const [info = 0] = host.hv.domctl.pageFrameInfo(domid, Int32Array.of(mfn));
    if (info >>> 28 !== 15 && m2p.get(mfn) >= 0) mfnOf[m2p.get(mfn)] = mfn;
  }
  return { frames, mfnOf, startInfoMfn, pfnOf: (mfn: number) => m2p.get(mfn) };
};

describe('boot', () => {
  test('BLD-5: what Xen and the guest see is what the layout says', () => {
    const guest = new HandGuest();
    const host = makeHost(0, () => guest);
    const nothing = host.hv.counts();
    const domid = host.xl.create(testConfig('hand'), GUEST_ELF, { paused: true });
    expect(host.hv.accounting()).toEqual([]);
    const { mfnOf } = restoredP2m(host, domid);
    const frames = new GuestFrames(host.hv, domid);
    const info = start_info.at(
      new BytesMemory(frames.copy(mfnOf[LAYOUT.startInfoPfn] as number)),
      0,
    );
    expect(info.nr_pages).toBe(4096);
    expect(info.flags).toBe(0x10);
    expect(info.store_mfn).toBe(mfnOf[LAYOUT.storePfn]);
    expect(info.console.domU.mfn).toBe(mfnOf[LAYOUT.consolePfn]);
    expect([info.store_evtchn, info.console.domU.evtchn]).toEqual([1, 2]);
    const leaf = new BytesMemory(frames.copy(mfnOf[LAYOUT.p2mPfn] as number));
    expect(ldI64(leaf, 8 * 300)).toBe(mfnOf[300]);
    const [l4] = host.hv.domctl.pageFrameInfo(
      domid,
      Int32Array.of(mfnOf[LAYOUT.ptBasePfn] as number),
    );
    expect((l4 as number) >>> 28).toBe(0xc);
    host.xl.unpause(domid);
    host.run(1e9);
    expect(host.hv.accounting()).toEqual([]);
    expect(host.xl.list().find((row) => row.domid === domid)).toMatchObject({
      name: 'hand',
      mem_mib: 16,
    });
    host.xl.destroy(domid);
    host.run(1e9);
    expect(host.hv.accounting()).toEqual([]);
    expect(host.hv.counts()).toEqual(nothing);
  });

  test('BLD-3: a kernel with INIT_P2M finds its list there, through its own page tables', () => {
    const initP2m = 0x80_0000_0000;
    const host = makeHost(0, () => new HandGuest());
    const elf = handElf({ initP2m });
    const domid = host.xl.create(testConfig('hand'), elf, { paused: true });
    expect(host.hv.accounting()).toEqual([]);
    const layout = domainLayout(kernelImage(elf), 16 * 256);
    const { mfnOf, frames } = restoredP2m(host, domid);
    const startInfo = frames.copy(mfnOf[layout.startInfoPfn] as number);
    const info = start_info.at(new BytesMemory(startInfo), 0);
    expect(ldI64(new BytesMemory(startInfo), start_info.offset.mfn_list)).toBe(initP2m);
    expect([info.first_p2m_pfn, info.nr_p2m_frames]).toEqual([layout.p2mPfn, 8 + 3]);
    // Publish it by its address, as a guest does, and have the toolstack walk there.
    const page = new Uint8Array(4096);
    const shared = shared_info.at(new BytesMemory(page), 0);
    shared.arch.max_pfn = 4096;
    shared.arch.p2m_cr3 = (mfnOf[layout.ptBasePfn] as number) * 4096;
    shared.arch.p2m_vaddr = initP2m;
    const p2m = readGuestP2m(host.hv, domid, new BytesMemory(page));
    expect(p2m.mfnOf).toEqual(mfnOf);
    expect([...p2m.leafPfns]).toEqual(Array.from({ length: 8 }, (_, i) => layout.p2mPfn + i));
  });

  test('LIF-1: a bad kernel, a name that is taken, and too little memory leave nothing', () => {
    const host = makeHost(0, () => new HandGuest());
    const before = [host.hv.counts(), host.xenstored.counters()];
    expect(() => host.xl.create(testConfig('hand'), new Uint8Array(100))).toThrow('ELF64');
    expect(() => host.xl.create(testConfig('hand', 2), GUEST_ELF)).toThrow('expected memory');
    expect(() => host.xl.create(testConfig('hand', 1000), GUEST_ELF)).toThrow();
    expect([host.hv.counts(), host.xenstored.counters()]).toEqual(before);
    boot(host);
    expect(() => boot(host)).toThrow('A domain with name "hand" already exists');
    const [disk] = testConfig('two').disks;
    const two = { ...testConfig('two'), disks: [disk, disk] } as DomainConfig;
    expect(() => host.xl.create(two, GUEST_ELF)).toThrow(
      'one disk for each vdev, found two for xvda',
    );
  });
});

describe('save and restore', () => {
  test('SAV-1: a domain restored on another host is the same in all that means something there', () => {
    const { guest, host, domid } = willing();
    let before: ReturnType<typeof essence> | undefined;
    host.hv.onDomainShutdown(() => {});
    const sink = new MemoryImage();
    let outcome: Error | null | undefined;
    const write = sink.write.bind(sink);
    sink.write = (chunks) => {
      before ??= essence(host, domid);
      write(chunks);
    };
    host.xl.save(domid, sink, {}, (error) => {
      outcome = error;
    });
    host.run(MINUTE);
    expect(outcome).toBeNull();
    expect(host.hv.domctl.listDomains().some((info) => info.domid === domid)).toBe(false);
    expect(host.hv.accounting()).toEqual([]);
    expect(slotHint(sourceOf(sink.bytes))).toBe(0);

    const other = makeHost(3, () => HandGuest.restored(guest), { sim: new Sim(99) });
    const restored = other.xl.restore(sourceOf(sink.bytes));
    expect(restored.config).toEqual(testConfig('hand'));
    expect(restored.domid).toBe(31);
    expect(other.hv.accounting()).toEqual([]);
    const { mfnOf, pfnOf, startInfoMfn, frames } = restoredP2m(other, restored.domid);
    const after = essenceOf(other, restored.domid, mfnOf, pfnOf);
    expect(before).toBeDefined();
    if (before === undefined) return;
    expect(after.types).toEqual(before.types);
    expect(after.types[pfnOfVa(USER_L4)]).toBe(0xc);
    const p2mPages = new Set(before.p2m.leafPfns);
    for (const [pfn, page] of after.pages.entries()) {
      if (p2mPages.has(pfn) || pfn === LAYOUT.startInfoPfn) continue;
      if (Buffer.compare(page, before.pages[pfn] as Uint8Array) !== 0) {
        expect.fail(`page ${pfn} differs`);
      }
    }
    for (const [page, pfn] of before.p2m.leafPfns.entries()) {
      const leaf = new BytesMemory(after.pages[pfn] as Uint8Array);
      for (let i = 0; i < 512; i++) expect(ldI64(leaf, i * 8)).toBe(mfnOf[page * 512 + i] ?? -1);
    }
    expect(after.context).toEqual(before.context);
    const info = start_info.at(new BytesMemory(frames.copy(startInfoMfn)), 0);
    expect(info.flags).toBe(0);
    expect(info.store_mfn).toBe(mfnOf[LAYOUT.storePfn]);
    expect(info.store_evtchn).toBe(16);
    expect(info.console.domU.evtchn).toBe(17);
    expect(other.store.read(`/local/domain/31/store/ring-ref`)).toBe(String(info.store_mfn));

    other.xl.unpause(restored.domid);
    other.run(1e9);
    expect(other.hv.accounting()).toEqual([]);
    expect(other.hv.domctl.getDomainInfo(restored.domid).shutdown).toBe(false);
  });

  test('SAV-5: the file says what the domain is now: the target that its memory has, the disks that it got', () => {
    const { guest, host, domid } = willing();
    host.xl.setMemoryTarget(domid, 12);
    host.xl.attachDisk(domid, { pdevPath: '/more', vdev: 'xvdb', format: 'raw', readwrite: false });
    const { image } = save(host, domid);
    const other = makeHost(3, () => HandGuest.restored(guest), { sim: new Sim(99) });
    const restored = other.xl.restore(sourceOf(image));
    expect(restored.config).toMatchObject({ maxMem_kib: 16384, targetMem_kib: 12288 });
    expect(restored.config.disks.map(({ vdev }) => vdev)).toEqual(['xvda', 'xvdb']);
    const memory = `/local/domain/${restored.domid}/memory`;
    expect(other.store.read(`${memory}/target`)).toBe('12288');
    expect(other.store.read(`${memory}/static-max`)).toBe('16384');
  });

  test('SAV-1: MSRs of a vCPU go over, one that is none is refused', () => {
    const { guest, host, domid } = willing();
    const msrs = (index: number): Uint8Array =>
      new Uint8Array(Int32Array.of(index, 0, 7, 0).buffer);
    host.hv.domctl.setVcpuMsrs(domid, 0, msrs(0xc000_0103));
    const { image } = save(host, domid);
    const other = makeHost(3, () => HandGuest.restored(guest), { sim: new Sim(99) });
    const { domctl } = other.hv;
    const restored = other.xl.restore(sourceOf(image));
    expect(domctl.getVcpuMsrs(restored.domid, 0)).toEqual(msrs(0xc000_0103));
    expect(() => domctl.setVcpuMsrs(restored.domid, 0, msrs(0x10))).toThrow(
      'found MSR 0x10 with 0x7',
    );
  });

  test('SAV-2: with -c the domain goes on, its hypercall returns 1, and it can be saved again', () => {
    const { guest, host, domid } = willing();
    const first = save(host, domid, true);
    expect(first.outcome).toBeNull();
    expect(guest.suspendResults).toEqual([1]);
    expect(host.hv.domctl.getDomainInfo(domid).shutdown).toBe(false);
    const second = save(host, domid, true);
    expect(second.outcome).toBeNull();
    expect(guest.suspendResults).toEqual([1, 1]);
    expect(host.hv.accounting()).toEqual([]);
    expect(new ImageReader(sourceOf(second.image)).read({}).pages).toBe(4096);
  });

  test('SAV-3: what cannot be canonicalised is an error, and the domain goes on', () => {
    const { guest, host, domid } = willing();
    guest.careless = true;
    const { outcome } = save(host, domid);
    expect(outcome?.message).toContain(
      `pfn 0x${(LAYOUT.bootStackPfn - 2).toString(16)} cannot be saved: Bad mfn for L1[`,
    );
    expect(guest.suspendResults).toEqual([1]);
    expect(host.hv.domctl.getDomainInfo(domid)).toMatchObject({ shutdown: false, paused: false });
    expect(host.hv.accounting()).toEqual([]);
    // It runs on: once it takes care, it can be saved.
    guest.careless = false;
    const again = save(host, domid);
    expect(again.outcome).toBeNull();
    expect(new ImageReader(sourceOf(again.image)).read({}).pages).toBe(4096);
  });

  test('SUS-1: a guest that does not acknowledge is not suspended, and the request is taken back', () => {
    const host = makeHost(0, () => new HandGuest());
    const domid = boot(host);
    const { outcome } = save(host, domid);
    expect(outcome?.message).toBe("guest didn't acknowledge suspend, cancelling request");
    expect(host.store.read(`/local/domain/${domid}/control/shutdown`)).toBe('');
    expect(host.hv.domctl.getDomainInfo(domid).shutdown).toBe(false);
  });

  test('SUS-2: a guest that acknowledges and then does nothing is given up', () => {
    const host = makeHost(0, () => new HandGuest());
    const domid = boot(host);
    acknowledge(host, domid, () => {});
    expect(save(host, domid).outcome?.message).toBe('guest did not suspend, timed out');
  });

  test('SUS-3: a guest that reboots instead is told of, and started again', () => {
    const guests: HandGuest[] = [];
    const host = makeHost(0, () => {
      const guest = new HandGuest();
      guests.push(guest);
      return guest;
    });
    const domid = boot(host);
    acknowledge(host, domid, () => {
      (guests[0] as HandGuest).wish = 'reboot';
    });
    const { outcome } = save(host, domid);
    expect(outcome?.message).toBe(
      'guest we were suspending has shut down with unexpected reason code 1',
    );
    expect(guests.length).toBe(2);
    expect(host.xl.list().map(({ domid: id, name }) => [id, name])).toContainEqual([
      domid + 1,
      'hand',
    ]);
  });

  test('RST-1: an image that is cut or changed anywhere is refused and leaves nothing, or makes a domain that is sound', () => {
    const { guest, host, domid } = willing();
    const { image } = save(host, domid);
    const other = makeHost(3, () => HandGuest.restored(guest));
    const nothing = other.hv.counts();
    const { random } = other.sim;
    for (let trial = 0; trial < 60; trial++) {
      const bytes = image.slice(0, trial % 3 === 0 ? random.below(image.length) : image.length);
      // The interesting places: the headers, the first pages' list, and what follows the pages.
      const tail = image.length - 12000;
      for (let i = 0; i < 3; i++) {
        const at = trial % 2 === 0 ? random.below(12000) : tail + random.below(12000);
        bytes[at] = random.below(256);
      }
      try {
        const { domid: restored } = other.xl.restore(sourceOf(bytes));
        expect(other.hv.accounting()).toEqual([]);
        other.xl.destroy(restored);
      } catch (error) {
        expect((error as Error).name).toMatch(/^(StreamError|FrameError|ToolstackError|XenError)$/);
      }
      expect(other.hv.counts()).toEqual(nothing);
      expect(other.hv.accounting()).toEqual([]);
    }
    const { domid: whole } = other.xl.restore(sourceOf(image));
    expect(whole).toBeGreaterThan(0);
  });

  test('RST-2: a kernel that does not know the image refuses it, and nothing is left', () => {
    const { host, domid } = willing();
    const { image } = save(host, domid);
    const before = [host.hv.counts(), host.store.directory('/local/domain')];
    const checkKernel = (pageAt: (pfn: number) => Uint8Array | undefined): void => {
      expect(pageAt(256)?.[1]).toBe(7);
      throw new Error('another kernel');
    };
    expect(() => host.xl.restore(sourceOf(image), { checkKernel })).toThrow('another kernel');
    expect([host.hv.counts(), host.store.directory('/local/domain')]).toEqual(before);
  });

  test('RST-3: a page that a table names and the file lacks starts as zeroes, and is told of', () => {
    const { guest, host, domid } = willing();
    const missing = pfnOfVa(USER_L4) + 1;
    const image = without(save(host, domid).image, missing);
    const other = makeHost(3, () => HandGuest.restored(guest));
    const { domid: restored } = other.xl.restore(sourceOf(image));
    const { mfnOf, frames } = restoredP2m(other, restored);
    expect(frames.copy(mfnOf[missing] as number)).toEqual(new Uint8Array(4096));
    expect(other.story.filter((line) => line.includes('starts as zeroes'))).toHaveLength(1);
    expect(other.hv.accounting()).toEqual([]);
  });
});
