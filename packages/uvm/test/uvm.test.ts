import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uvm_waiter } from '../src/uvm-data.ts';
import { share, unmapAnon } from '../src/uvm-share.ts';
import { unmap } from '../src/uvm-unmap.ts';
import { PaperMachine } from './paper-machine.ts';

const PAGE = 4096;
const NR_PAGES = 700;
const BASE = 2 ** 32;

/** Free and used pages together. */
const total = (m: PaperMachine): number => m.uvm.pages.free + m.uvm.pages.d.used;

test('UVM-1, UVM-2: whatever is taken and given back, pages are conserved, have one owner, and are mapped nowhere while free', () => {
  const action = fc.tuple(
    fc.constantFrom('page', 'free', 'km', 'kmfree', 'anon', 'release'),
    fc.nat(40),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
      const m = new PaperMachine(NR_PAGES);
      const { pages, km, anons } = m.uvm;
      const all = total(m);
      const held: number[] = [];
      const kernel: [number, number][] = [];
      const owned: number[] = [];
      for (const [what, n] of actions) {
        if (what === 'page') {
          const pfn = pages.pageAlloc();
          expect(m.isMapped(pfn)).toBe(false);
          held.push(pfn);
        }
        if (what === 'free' && held.length > 0) {
          pages.pageFree(held.splice(n % held.length, 1)[0] as number);
        }
        if (what === 'km') kernel.push([km.kmAlloc(1 + (n % 5)), 1 + (n % 5)]);
        if (what === 'kmfree' && kernel.length > 0) {
          km.kmFree(...(kernel.splice(n % kernel.length, 1)[0] as [number, number]));
        }
        if (what === 'anon') {
          const pfn = pages.pageAllocUser();
          if (pfn >= 0) owned.push(anons.alloc(pfn, BASE));
        }
        if (what === 'release' && owned.length > 0) {
          anons.release(owned.splice(n % owned.length, 1)[0] as number);
        }
        expect(total(m)).toBe(all);
      }
      const inUse = [
        ...held,
        ...kernel.flatMap(([va, count]) =>
          Array.from({ length: count }, (_, i) => m.pfnAt(va + i * PAGE)),
        ),
        ...owned.map((index) => anons.at(index).an_page - 1),
      ];
      expect(new Set(inUse).size).toBe(inUse.length);
    }),
    { numRuns: 150 },
  );
});

test('UVM-3: kernel memory is zeroed, in a row, and its own', () => {
  const m = new PaperMachine(NR_PAGES);
  const { km } = m.uvm;
  const first = km.kmAlloc(3);
  const second = km.kmAlloc(2);
  for (let i = 0; i < 3; i++) {
    expect(m.page(m.pfnAt(first + i * PAGE)).every((byte) => byte === 0)).toBe(true);
  }
  expect(Math.abs(second - first)).toBeGreaterThanOrEqual(2 * PAGE);
});

test('UVM-3: addresses that are given back are used again, joined with their neighbours', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(30)), { maxLength: 80 }), (actions) => {
      const m = new PaperMachine(NR_PAGES);
      const { pages, km } = m.uvm;
      const start = pages.d.kernel_next;
      const held: [number, number][] = [];
      for (const [take, n] of actions) {
        if (take || held.length === 0) {
          const count = 1 + (n % 7);
          const va = km.kmAlloc(count);
          for (const [other, length] of held) {
            expect(va + count * PAGE <= other || va >= other + length * PAGE).toBe(true);
          }
          held.push([va, count]);
        } else km.kmFree(...(held.splice(n % held.length, 1)[0] as [number, number]));
      }
      for (const [va, count] of held) km.kmFree(va, count);
      expect(pages.d.kernel_next).toBe(start);
      expect(pages.d.nextent).toBe(0);
    }),
    { numRuns: 100 },
  );
});

test('UVM-6: programs do not get the last pages, and the page daemon is woken before', () => {
  const m = new PaperMachine(NR_PAGES);
  const { pages } = m.uvm;
  let taken = 0;
  while (pages.pageAllocUser() >= 0) taken++;
  expect(taken).toBeGreaterThan(500);
  expect(pages.free).toBeGreaterThanOrEqual(39);
  expect(m.wakeups).toContain(pages.daemonChannel);
  expect(pages.isShort(false)).toBe(true);
  expect(pages.pageAlloc()).toBeGreaterThan(0);
});

test('UVM-7: swap slots are given out once, in rows, until none is left', () => {
  const change = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 11 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.array(change), (slots, changes) => {
      const m = new PaperMachine(NR_PAGES);
      const { swap } = m.uvm;
      expect(swap.on(1, slots * PAGE + 100)).toBe(slots);
      const used = new Set<number>();
      for (const [take, n] of changes) {
        if (take) {
          const { slot, count } = swap.alloc(n);
          expect(count).toBeLessThanOrEqual(n);
          if (used.size === slots) expect(count).toBe(0);
          else expect(count).toBeGreaterThan(0);
          for (let i = 0; i < count; i++) {
            expect(used.has(slot + i) || slot + i >= slots).toBe(false);
            used.add(slot + i);
          }
        } else {
          const [slot] = used;
          if (slot === undefined) continue;
          swap.free(slot);
          used.delete(slot);
        }
        expect(swap.d.sw_inuse).toBe(used.size);
      }
    }),
    { numRuns: 200 },
  );
});

test('UVM-8: ranges are mapped and unmapped as a set of pages would be, and all memory for it comes back', () => {
  const range = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 20 }));
  const change = fc.tuple(fc.boolean(), range);
  fc.assert(
    fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
      const m = new PaperMachine(NR_PAGES);
      const { maps, pages } = m.uvm;
      // The tables that grow and stay are there before anything is counted.
      m.uvm.anons.release(m.uvm.anons.alloc(pages.pageAlloc(), BASE));
      const used = pages.d.used;
      const vm = maps.at(maps.create());
      const model = new Set<number>();
      for (const [map, [from, count]] of changes) {
        const start = BASE + from * PAGE;
        const wanted = Array.from({ length: count }, (_, i) => from + i);
        if (map) {
          const free = wanted.every((page) => !model.has(page));
          const done = maps.mapAnon(vm, start, count);
          // A table of entries that is full refuses too.
          if (!free) expect(done).toBe(false);
          if (done) for (const page of wanted) model.add(page);
        } else if (unmap(maps, vm, start, start + count * PAGE)) {
          for (const page of wanted) model.delete(page);
        }
        for (let page = 0; page < 85; page++) {
          expect(maps.lookup(vm, BASE + page * PAGE + 17) !== undefined).toBe(model.has(page));
        }
        const room = maps.findSpace(vm, 3);
        for (let i = 0; i < 3; i++) expect(model.has((room - BASE) / PAGE + i)).toBe(false);
      }
      m.uvm.discard(vm.address);
      expect(pages.d.used).toBe(used);
      expect(m.users.size).toBe(0);
    }),
    { numRuns: 150 },
  );
});

test('UVM-5: a shared range keeps its pages until the last space has let go of it', () => {
  const m = new PaperMachine(NR_PAGES);
  const { maps, pages, anons } = m.uvm;
  const parent = maps.at(maps.create());
  maps.mapAnon(parent, BASE, 4);
  const e = maps.lookup(parent, BASE);
  if (e === undefined) throw new Error('expected the entry');
  const index = anons.alloc(pages.pageAlloc(), BASE + PAGE);
  maps.setAnon(e, BASE + PAGE, index);
  m.uvm.pmap.users.enter(parent.vm_pmap, BASE + PAGE, (anons.at(index).an_page - 1) * PAGE, true);
  const child = maps.at(maps.create());
  expect(share(maps, parent, e, child)).toBe(true);
  expect(anons.at(index).an_ref).toBe(2);
  expect(m.uvm.pmap.users.lookup(parent.vm_pmap, BASE + PAGE)?.writable).toBe(false);
  expect(maps.anonAt(maps.lookup(child, BASE) ?? e, BASE + PAGE)).toBe(index);
  unmapAnon(maps, index);
  expect(m.uvm.pmap.users.lookup(parent.vm_pmap, BASE + PAGE)).toBe(undefined);
  unmap(maps, parent, BASE, BASE + 4 * PAGE);
  expect(anons.at(index).an_ref).toBe(1);
  m.uvm.discard(child.address);
  expect(anons.d.inuse).toBe(0);
});

test('UVM-12: pages that come free wait for who asked first, in whatever order others ask, and who wants the most is refused first', () => {
  const change = fc.tuple(fc.constantFrom('ask', 'free', 'take', 'refuse'), fc.nat(30));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 80 }), (changes) => {
      const m = new PaperMachine(NR_PAGES);
      const { pages, km } = m.uvm;
      const { waiters } = pages;
      // Waiters are on stacks: a page of them.
      const stack = km.kmAlloc(1);
      const memory = m.uvm.cpu.memory;
      const held: number[] = [];
      while (pages.canSpare(1)) held.push(pages.pageAlloc());
      let queue: { at: number; wants: number }[] = [];
      let asked = 0;
      for (const [what, n] of changes) {
        const first = queue[0];
        m.wakeups.length = 0;
        if (what === 'ask' && asked < 100) {
          const at = stack + asked++ * uvm_waiter.size;
          const wants = 1 + n;
          const w = uvm_waiter.at(memory, at);
          w.w_pages = wants;
          w.w_refused = 0;
          waiters.add(at);
          queue.push({ at, wants });
        } else if (what === 'free') {
          for (let i = 0; i < n && held.length > 0; i++) pages.pageFree(held.pop() as number);
          // Nobody else is woken: they would look in vain.
          for (const { at } of queue.slice(1)) expect(m.wakeups).not.toContain(at);
          const served = n > 0 && first !== undefined && pages.free - first.wants >= 40;
          if (served) expect(m.wakeups).toContain(first.at);
        } else if (what === 'take' && first !== undefined && pages.isFirstServed) {
          waiters.remove(first.at);
          queue.shift();
          expect(pages.inTurn(() => pages.canSpare(first.wants))).toBe(true);
          for (let i = 0; i < first.wants; i++)
            held.push(pages.inTurn(() => pages.pageAllocUser()));
        } else if (what === 'refuse' && first !== undefined) {
          const most = Math.max(...queue.map(({ wants }) => wants));
          const victim = queue.find(({ wants }) => wants === most) as { at: number };
          waiters.refuse();
          expect(uvm_waiter.at(memory, victim.at).w_refused).toBe(1);
          expect(m.wakeups).toContain(victim.at);
          queue = queue.filter((w) => w !== victim);
        }
        expect(held).not.toContain(-1);
        const wanted = queue.reduce((sum, { wants }) => sum + wants, 0);
        expect(waiters.pages).toBe(wanted);
        if (queue.length > 0) {
          expect(pages.pageAllocUser()).toBe(-1);
          expect(pages.isShort(true)).toBe(pages.free < Math.max(pages.d.freetarg, wanted + 40));
        }
        expect(pages.spare).toBe(pages.free - wanted);
        expect(waiters.first).toBe(queue[0]?.wants ?? 0);
      }
    }),
    { numRuns: 150 },
  );
});

test('UVM-13: slots of several devices are apart, devices take turns, and a slot that is bad is not used again', () => {
  const m = new PaperMachine(NR_PAGES);
  const { swap } = m.uvm;
  swap.on(1, 30 * PAGE);
  swap.on(2, 20 * PAGE);
  const runs = Array.from({ length: 4 }, () => swap.alloc(11));
  expect(runs.map(({ slot }) => swap.deviceOf(slot).swd_cdev)).toEqual([1, 2, 1, 2]);
  expect(runs.map(({ slot }) => swap.offsetOf(slot) / PAGE)).toEqual([0, 0, 11, 11]);
  // The end of a device is the end of a row.
  expect(runs.map(({ count }) => count)).toEqual([11, 11, 11, 9]);
  expect(swap.spare).toBe(8);
  const bad = runs[1] as { slot: number; count: number };
  for (let i = 0; i < bad.count; i++) expect(swap.markBad(bad.slot + i)).toBe(i === 0);
  for (const { slot, count } of runs) {
    for (let i = 0; i < count && slot !== bad.slot; i++) swap.free(slot + i);
  }
  const again = new Set<number>();
  for (let run = swap.alloc(11); run.count > 0; run = swap.alloc(11)) {
    for (let i = 0; i < run.count; i++) again.add(run.slot + i);
  }
  expect(again.size).toBe(50 - bad.count);
  for (let i = 0; i < bad.count; i++) expect(again.has(bad.slot + i)).toBe(false);
});
