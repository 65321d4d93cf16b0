import { Sim } from '@port-xen/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Spindle } from '../src/spindle.ts';

const run = (seed: number, jobs: readonly { bytes: number; orders: boolean }[]) => {
  const sim = new Sim(seed);
  const spindle = new Spindle(sim, sim.random.stream('xbdback/test'));
  const done: { index: number; time_ns: number }[] = [];
  for (const [index, job] of jobs.entries()) {
    spindle.submit({ ...job, run: () => done.push({ index, time_ns: sim.now_ns }) });
  }
  sim.runUntil(() => false);
  return { done, pending: spindle.pending };
};

const jobs = fc.array(
  fc.record({ bytes: fc.integer({ min: 0, max: 45_056 }), orders: fc.boolean() }),
  { maxLength: 32 },
);

test('XBDBACK-6: each job is done once, alone, in 210 to 390 µs and a nanosecond for each byte', () => {
  fc.assert(
    fc.property(fc.integer(), jobs, (seed, list) => {
      const { done, pending } = run(seed, list);
      expect(pending).toBe(0);
      expect(done.map((d) => d.index).toSorted((a, b) => a - b)).toEqual(list.map((_, i) => i));
      let before_ns = 0;
      for (const { index, time_ns } of done) {
        const taken_ns = time_ns - before_ns - (list[index]?.bytes ?? 0);
        expect(taken_ns).toBeGreaterThanOrEqual(210_000);
        expect(taken_ns).toBeLessThanOrEqual(390_000);
        before_ns = time_ns;
      }
    }),
  );
});

test('XBDBACK-6: nothing passes a job that orders, and no job is passed more than once', () => {
  fc.assert(
    fc.property(fc.integer(), jobs, (seed, list) => {
      const order = run(seed, list).done.map((d) => d.index);
      for (const [place, index] of order.entries()) {
        expect(Math.abs(place - index)).toBeLessThanOrEqual(list.length);
        const before = order.slice(0, place);
        expect(before.filter((other) => other > index).length).toBeLessThanOrEqual(1);
        for (const other of before) {
          if (other <= index) continue;
          const between = list.slice(index, other + 1);
          expect(between.some((job) => job.orders)).toBe(false);
        }
      }
    }),
  );
});

test('XBDBACK-6: now and then two jobs change places', () => {
  const list = Array.from({ length: 32 }, () => ({ bytes: 512, orders: false }));
  const swapped = [1, 2, 3, 4, 5].filter((seed) => {
    const order = run(seed, list).done.map((d) => d.index);
    return order.some((index, place) => index !== place);
  });
  expect(swapped.length).toBeGreaterThan(0);
});

test('XBDBACK-6: the same seed serves in the same order at the same times', () => {
  const list = Array.from({ length: 20 }, (_, i) => ({ bytes: i * 512, orders: i % 7 === 0 }));
  expect(run(42, list)).toEqual(run(42, list));
  expect(run(42, list)).not.toEqual(run(43, list));
});

test('XBDBACK-9: what was abandoned is not done', () => {
  const sim = new Sim(1);
  const spindle = new Spindle(sim, sim.random.stream('xbdback/test'));
  const done: number[] = [];
  for (let i = 0; i < 3; i++) spindle.submit({ bytes: 0, orders: false, run: () => done.push(i) });
  sim.runUntil(() => done.length === 1);
  spindle.abandon();
  sim.runUntil(() => false);
  expect(done.length).toBe(1);
  spindle.submit({ bytes: 0, orders: false, run: () => done.push(9) });
  sim.runUntil(() => false);
  expect(done.at(-1)).toBe(9);
});
