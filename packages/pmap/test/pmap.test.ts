import { PageFault } from '@port-xen/vcpu';
import { createHost } from '@tooling/testbed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { INVALID_P2M_ENTRY, PDIR_SLOT_PTE } from '../src/index.ts';
import { type Probe, type ProbeStep, probeKernel } from './probe-kernel.ts';

const PAGE = 4096;
const KVA = -0x5f00_0000_0000;
const TEXT = 0x40_0000;
const STACK = 0x7f7f_ffff_f000;

describe.each([
  ['plain', false],
  ['amnesia', true],
])('%s', (_, amnesia) => {
  /** Does the steps on one host. */
  const run = (...steps: readonly ProbeStep[]): void => {
    const host = createHost({ mib: 16 });
    const kernel = probeKernel(steps, amnesia);
    kernel.boot(host);
    kernel.finish(host);
    expect(host.audit()).toEqual([]);
  };

  /** Does the steps, saved on one host and restored on another wherever they say `suspend`. */
  const runOver = (...steps: readonly ProbeStep[]): void => {
    const kernel = probeKernel(steps, amnesia);
    let host = createHost({ mib: 16, slot: 0 });
    let domid = kernel.boot(host);
    const suspends = steps.filter((step) => step === 'suspend').length;
    for (let slot = 1; slot <= suspends; slot++) {
      const image = kernel.save(host, domid);
      expect(host.audit()).toEqual([]);
      host = createHost({ mib: 16, slot, seed: slot + 1 });
      domid = kernel.restore(host, image);
    }
    kernel.finish(host);
    expect(host.audit()).toEqual([]);
  };

  const fill = (p: Probe, va: number, value: number): void =>
    p.cpu.memory.write(va, new Uint8Array(PAGE).fill(value));

  test('a kernel page is where it was mapped, and gone when it was removed', () =>
    run((p) => {
      const pfn = p.page();
      p.pmap.kenterPa(KVA, pfn * PAGE, true);
      p.cpu.memory.st32(KVA + 8, 0x1234);
      expect(p.cpu.memory.ld32(KVA + 8)).toBe(0x1234);
      expect(p.pmap.extract(0, KVA + 8)).toBe(pfn * PAGE + 8);
      expect(p.pmap.extractMfn(0, KVA)).toBe(p.pmap.mfnOf(pfn * PAGE));
      expect(p.pmap.isMapped(KVA)).toBe(true);
      p.pmap.kremove(KVA);
      expect(p.pmap.isMapped(KVA)).toBe(false);
      expect(p.pmap.extract(0, KVA)).toBe(-1);
      expect(() => p.cpu.memory.ld32(KVA)).toThrow(PageFault);
    }));

  test('PMAP-9: a page gives its frame away and gets another, and is saved without one in between', () => {
    const pfns: number[] = [];
    runOver(
      (p) => {
        pfns.push(p.page(), p.page());
        p.pmap.kenterPa(KVA, (pfns[0] as number) * PAGE, true);
        fill(p, KVA, 0x77);
        p.pmap.kremove(KVA);
        p.pmap.reservation.give(pfns);
        for (const pfn of pfns) expect(p.pmap.mfnOf(pfn * PAGE)).toBe(INVALID_P2M_ENTRY);
      },
      'suspend',
      (p) => {
        for (const pfn of pfns) expect(p.pmap.mfnOf(pfn * PAGE)).toBe(INVALID_P2M_ENTRY);
        expect(p.pmap.reservation.take(pfns)).toBe(2);
        for (const pfn of pfns) {
          const mfn = p.pmap.mfnOf(pfn * PAGE);
          expect([mfn > 0, p.pmap.paOf(mfn)]).toEqual([true, pfn * PAGE]);
          p.pmap.kenterPa(KVA, pfn * PAGE, true);
          expect(p.cpu.memory.ld32(KVA)).toBe(0);
          p.pmap.kremove(KVA);
        }
      },
    );
  });

  test('a read-only kernel page cannot be stored to', () =>
    run((p) => {
      p.pmap.kenterPa(KVA, p.page() * PAGE, false);
      expect(p.cpu.memory.ld32(KVA)).toBe(0);
      expect(() => p.cpu.memory.st32(KVA, 1)).toThrow(PageFault);
    }));

  test('PMAP-1: mfnOf and paOf undo each other, for every page of the domain', () =>
    run((p) => {
      const frames = new Set<number>();
      for (let pfn = 0; pfn < p.pmap.nrPages; pfn++) {
        const mfn = p.pmap.mfnOf(pfn * PAGE);
        frames.add(mfn);
        expect(p.pmap.paOf(mfn)).toBe(pfn * PAGE);
      }
      expect(frames.size).toBe(p.pmap.nrPages);
    }));

  test('PMAP-1: no word of the kernel’s data is a machine frame or address of its own, but those of the frame list', () => {
    let frames = new Set<number>();
    const kernel = probeKernel(
      [
        (p) => {
          p.pmap.users.enter(p.pmap.users.create(), TEXT, p.page() * PAGE, true);
          frames = new Set(
            Array.from({ length: p.pmap.nrPages }, (_value, pfn) => p.pmap.mfnOf(pfn * PAGE)),
          );
          const { data } = p.cpu.image;
          for (const module of ['pmap', 'p2mFrameList', 'probe', 'sched', 'spl'] as const) {
            const start = data[module] as number;
            for (let at = start; at < start + 512; at += 8) {
              const word = p.cpu.memory.ld32(at);
              expect(frames.has(word) && p.cpu.memory.ld32(at + 4) === 0, module).toBe(false);
            }
          }
        },
      ],
      amnesia,
    );
    // A slot whose frame numbers are far above any pfn, size or count.
    const host = createHost({ mib: 16, slot: 60 });
    kernel.boot(host);
    kernel.finish(host);
    expect(Math.min(...frames)).toBeGreaterThan(60 * 2 ** 21);
  });

  test('PMAP-2: tables are read through the recursive slot, read-only', () =>
    run((p) => {
      p.pmap.kenterPa(KVA, p.page() * PAGE, true);
      const linear = KVA + 2 ** 48;
      const entry = PDIR_SLOT_PTE * 2 ** 39 + Math.floor(linear / PAGE) * 8;
      expect(p.cpu.memory.ld32(entry) >>> 12).toBe(p.pmap.extractMfn(0, KVA) % 2 ** 20);
      expect(() => p.cpu.memory.st32(entry, 0)).toThrow(PageFault);
    }));

  test('PMAP-3: a page that has a writable mapping is refused as a table, and the kernel panics', () => {
    const host = createHost({ mib: 16 });
    const kernel = probeKernel(
      [
        (p) => {
          const pfn = p.page();
          p.pmap.kenterPa(KVA, pfn * PAGE, true);
          p.free(pfn);
          p.pmap.users.enter(p.pmap.users.create(), TEXT, p.page() * PAGE, true);
        },
      ],
      amnesia,
    );
    const domid = kernel.boot(host);
    host.runUntil('the domain to crash', () => host.hv.domctl.getDomainInfo(domid).shutdown);
    expect(host.audit()).toEqual([]);
  });

  test('PMAP-4: tables cannot be read between unmapRecursive and mapRecursive', () =>
    run((p) => {
      p.pmap.unmapRecursive();
      expect(() => p.pmap.extract(0, KVA)).toThrow(PageFault);
      p.pmap.mapRecursive();
      expect(p.pmap.extract(0, KVA)).toBe(-1);
    }));

  test('PMAP-5: each user address space has pages of its own, and the current one’s are the kernel’s too', () =>
    run((p) => {
      const spaces = [1, 2, 3].map((value) => {
        const pm = p.pmap.users.create();
        for (const va of [TEXT, STACK]) {
          const pa = p.page() * PAGE;
          p.pmap.kenterPa(KVA, pa, true);
          fill(p, KVA, value);
          p.pmap.kremove(KVA);
          p.pmap.users.enter(pm, va, pa, va === STACK);
        }
        return { pm, value };
      });
      for (const { pm, value } of [...spaces, ...spaces]) {
        p.pmap.users.activate(pm);
        expect(p.cpu.memory.ld8(TEXT)).toBe(value);
        expect(p.cpu.memory.ld8(STACK + 4095)).toBe(value);
        p.cpu.memory.st8(STACK, 9);
        expect(() => p.cpu.memory.st8(TEXT, 9)).toThrow(PageFault);
        expect(() => p.cpu.memory.ld8(TEXT + PAGE)).toThrow(PageFault);
        for (const other of spaces) {
          expect(p.pmap.extract(other.pm, TEXT)).toBeGreaterThan(0);
          expect(p.pmap.extract(other.pm, TEXT + PAGE)).toBe(-1);
        }
      }
    }));

  test('PMAP-7: an address space gives all its tables back, and nothing stands in them', () =>
    run((p) => {
      // The tables for this address are the kernel's, and stay.
      p.pmap.kenterPa(KVA, p.page() * PAGE, true);
      const pages = Array.from({ length: 40 }, () => p.page());
      for (const pfn of pages) p.free(pfn);
      const before = p.d.nfree;
      for (let life = 0; life < 3; life++) {
        const pm = p.pmap.users.create();
        const pa = p.page() * PAGE;
        for (const va of [TEXT, STACK, 2 ** 33]) p.pmap.users.enter(pm, va, pa, true);
        p.pmap.users.activate(pm);
        p.pmap.users.destroy(pm);
        p.free(pa / PAGE);
        expect(p.d.nfree).toBe(before);
      }
      for (const pfn of pages) {
        p.pmap.kenterPa(KVA, pfn * PAGE, true);
        const content = new Uint8Array(PAGE);
        p.cpu.memory.read(KVA, content);
        expect(content.every((byte) => byte === 0)).toBe(true);
      }
      p.pmap.kremove(KVA);
    }));

  test('PMAP-8: protect takes the right to store away, and remove the page', () =>
    run((p) => {
      const pm = p.pmap.users.create();
      p.pmap.users.activate(pm);
      const span = 600;
      for (let i = 0; i < span; i += 150)
        p.pmap.users.enter(pm, TEXT + i * PAGE, p.page() * PAGE, true);
      p.cpu.memory.st32(TEXT + 450 * PAGE, 7);
      p.pmap.users.protect(pm, TEXT, TEXT + 300 * PAGE);
      for (let i = 0; i < span; i += 150) {
        const va = TEXT + i * PAGE;
        expect(p.pmap.users.lookup(pm, va)?.writable).toBe(i >= 300);
        if (i < 300) expect(() => p.cpu.memory.st32(va, 1)).toThrow(PageFault);
        else p.cpu.memory.st32(va, 1);
        expect(p.cpu.memory.ld32(va)).toBe(i < 300 ? 0 : 1);
      }
      p.pmap.users.remove(pm, TEXT);
      p.pmap.users.remove(pm, TEXT + PAGE);
      expect(p.pmap.users.lookup(pm, TEXT)).toBe(undefined);
      expect(() => p.cpu.memory.ld32(TEXT)).toThrow(PageFault);
    }));

  test('PMAP-8: a page says whether it was used since it was asked last', () =>
    run((p) => {
      const pm = p.pmap.users.create();
      p.pmap.users.activate(pm);
      p.pmap.users.enter(pm, TEXT, p.page() * PAGE, true);
      expect(p.pmap.users.clearReference(pm, TEXT)).toBe(true);
      expect(p.pmap.users.clearReference(pm, TEXT)).toBe(false);
      p.cpu.memory.ld32(TEXT);
      expect(p.pmap.users.clearReference(pm, TEXT)).toBe(true);
      expect(p.pmap.users.clearReference(pm, TEXT)).toBe(false);
      p.cpu.memory.st32(TEXT, 5);
      expect(p.pmap.users.clearReference(pm, TEXT)).toBe(true);
      expect(p.cpu.memory.ld32(TEXT)).toBe(5);
      expect(p.pmap.users.clearReference(pm, TEXT + PAGE)).toBe(false);
    }));

  test('PMAP-6: the toolstack finds the P2M through the frame list, restore after restore', () => {
    const check = (p: Probe): void => {
      const { memory } = p.cpu;
      const arch = p.kern.spl.sharedInfo + 3088;
      expect(memory.ld32(arch)).toBe(p.pmap.nrPages);
      // By frame number from the pointer down, as domain 0 does; each frame is looked at through a mapping made for it.
      const frame = (mfn: number): number => {
        p.pmap.kenterMa(KVA, mfn, false);
        return KVA;
      };
      const l2 = memory.ld32(frame(memory.ld32(arch + 8)));
      const leaves = Math.ceil(p.pmap.nrPages / 512);
      const mfns = Array.from({ length: leaves }, (_value, i) => memory.ld32(frame(l2) + 8 * i));
      mfns.forEach((mfn, leaf) => {
        expect(memory.ld32(frame(mfn) + 8 * 7)).toBe(p.pmap.mfnOf((512 * leaf + 7) * PAGE));
      });
      p.pmap.kremove(KVA);
    };
    runOver(check, 'suspend', check, 'suspend', check);
  });

  test('addresses mean the same before and after a restore; frames do not', () => {
    let before: number[] = [];
    runOver(
      (p) => {
        p.pmap.kenterPa(KVA, p.page() * PAGE, true);
        fill(p, KVA, 0x55);
        const pm = p.pmap.users.create();
        p.pmap.users.enter(pm, TEXT, p.page() * PAGE, true);
        p.pmap.users.activate(pm);
        fill(p, TEXT, 0x66);
        before = [p.pmap.extract(0, KVA), p.pmap.extract(0, TEXT), p.pmap.extractMfn(0, KVA)];
      },
      'suspend',
      (p) => {
        expect(p.cpu.memory.ld8(KVA + 77)).toBe(0x55);
        expect(p.cpu.memory.ld8(TEXT + 77)).toBe(0x66);
        const after = [p.pmap.extract(0, KVA), p.pmap.extract(0, TEXT), p.pmap.extractMfn(0, KVA)];
        expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
        expect(after[2]).not.toBe(before[2]);
      },
    );
  });

  test('any order of entering and removing kernel pages leaves what a table of them would', () => {
    const spot = fc.integer({ min: 0, max: 40 }).map((n) => KVA + n * PAGE * 300);
    const change = fc.tuple(spot, fc.boolean());
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        run((p) => {
          const table = new Map<number, number>();
          for (const [va, enter] of changes) {
            const old = table.get(va);
            if (enter && old === undefined) {
              const pfn = p.page();
              p.pmap.kenterPa(va, pfn * PAGE, true);
              table.set(va, pfn * PAGE);
            } else if (!enter && old !== undefined) {
              p.pmap.kremove(va);
              p.free(old / PAGE);
              table.delete(va);
            }
          }
          for (const [va] of changes) expect(p.pmap.extract(0, va)).toBe(table.get(va) ?? -1);
        });
      }),
      { numRuns: 10 },
    );
  });
});
