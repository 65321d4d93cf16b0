import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Random, Sim } from '../src/index.ts';

test('SIM-1: events run by time, then by order of scheduling; cancelled ones never', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ at: fc.nat(50), cancel: fc.boolean() }), { maxLength: 200 }),
      (wanted) => {
        const sim = new Sim(1);
        const ran: number[] = [];
        const events = wanted.map(({ at }, i) => sim.at(at, () => ran.push(i)));
        wanted.forEach(({ cancel }, i) => {
          if (cancel) sim.cancel(events[i] as number);
        });
        while (sim.step());
        const expected = wanted
          .map((w, i) => ({ ...w, i }))
          .filter((w) => !w.cancel)
          .sort((a, b) => a.at - b.at || a.i - b.i)
          .map((w) => w.i);
        expect(ran).toEqual(expected);
        expect(sim.events).toBe(expected.length);
        expect(sim.nextTime_ns).toBe(Number.POSITIVE_INFINITY);
      },
    ),
  );
});

test('SIM-1: events keep their order while thousands of others come and are cancelled', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(50), { minLength: 20, maxLength: 40 }),
      fc.nat(60),
      (kept, time) => {
        const sim = new Sim(1);
        const ran: number[] = [];
        let timer = 0;
        kept.forEach((at, i) => {
          sim.at(at, () => ran.push(i));
          for (let k = 0; k < 50; k++) {
            sim.cancel(timer);
            timer = sim.at(time + k, () => ran.push(-1));
          }
        });
        sim.cancel(timer);
        while (sim.step());
        const expected = kept
          .map((at, i) => [at, i] as const)
          .sort(([a, i], [b, j]) => a - b || i - j)
          .map(([, i]) => i);
        expect(ran).toEqual(expected);
      },
    ),
  );
});

test('SIM-1: what an event schedules takes its place among the others', () => {
  const sim = new Sim(1);
  const ran: string[] = [];
  sim.at(10, () => {
    ran.push('a');
    sim.after(5, () => ran.push('c'));
    sim.at(3, () => ran.push('b'));
  });
  sim.at(15, () => ran.push('d'));
  while (sim.step());
  expect(ran).toEqual(['a', 'b', 'd', 'c']);
});

test('SIM-2: time spent within an event moves what it schedules, not the next event', () => {
  const sim = new Sim(1);
  const times: number[] = [];
  sim.at(10, () => {
    sim.spend(100);
    sim.after(1, () => times.push(sim.now_ns));
  });
  sim.at(20, () => times.push(sim.now_ns));
  while (sim.step());
  expect(times).toEqual([20, 111]);
});

test('SIM-3: streams are functions of seed and name', () => {
  const first = (seed: number, name: string): number[] => {
    const random = new Random(seed, name);
    return Array.from({ length: 4 }, () => random.next());
  };
  expect(first(42, '')).toMatchInlineSnapshot(`
    [
      3264830480,
      3866967580,
      2217849601,
      422238379,
    ]
  `);
  expect(first(42, '')).toEqual(first(42, ''));
  expect(first(42, 'a')).not.toEqual(first(42, 'b'));
  expect(first(2 ** 40, 'a')).not.toEqual(first(2 ** 41, 'a'));
  const random = new Random(7);
  const other = random.stream('x').next();
  random.next();
  expect(random.stream('x').next()).toBe(other);
});

test('SIM-3: draws stay in their range, and a shuffle loses nothing', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.integer({ min: 1, max: 2 ** 50 }), (seed, limit) => {
      const random = new Random(seed);
      for (let i = 0; i < 20; i++) {
        const drawn = random.below(limit);
        expect(Number.isInteger(drawn) && drawn >= 0 && drawn < limit).toBe(true);
      }
      const list = Array.from({ length: 20 }, (_, i) => i);
      expect([...random.shuffle([...list])].sort((a, b) => a - b)).toEqual(list);
    }),
  );
});

test('SIM-4: nothing is reported and nothing fails until somebody asks for it', () => {
  const sim = new Sim(1);
  expect(sim.trace.on).toBe(false);
  expect(sim.faults.hit('disk.answer', 3)).toBe(false);
  const seen: unknown[] = [];
  sim.trace.listen((...event) => seen.push(event));
  sim.faults.arm('disk.answer', ([id]) => id === 3);
  sim.trace.emit('upcall', 5, 1, 'x');
  expect(seen).toEqual([['upcall', 5, [1, 'x']]]);
  expect([sim.faults.hit('disk.answer', 2), sim.faults.hit('disk.answer', 3)]).toEqual([
    false,
    true,
  ]);
  sim.faults.disarm('disk.answer');
  expect(sim.faults.hit('disk.answer', 3)).toBe(false);
});

test('SIM-5: runFor handles what comes before its end, what that scheduled too, and the clock has gone on', () => {
  const sim = new Sim(1);
  const ran: string[] = [];
  sim.runFor(7);
  expect(sim.now_ns).toBe(7);
  sim.after(4, () => {
    ran.push('early');
    sim.after(6, () => ran.push('at the end, scheduled since'));
    sim.after(5, () => ran.push('scheduled since'));
  });
  sim.after(10, () => ran.push('at the end'));
  sim.after(11, () => ran.push('late'));
  sim.runFor(10);
  expect([ran, sim.now_ns]).toEqual([['early', 'scheduled since', 'at the end'], 17]);
  sim.runFor(2);
  expect(ran.slice(3)).toEqual(['at the end, scheduled since', 'late']);
});
