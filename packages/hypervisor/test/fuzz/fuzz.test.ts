import { Sim } from '@port-xen/sim';
import { describe, expect, test } from 'vitest';
import { Machine, va } from '../cpu/machine.ts';
import { Attacker } from './attacker.ts';
import { Fuzz, MOVES, NEVER, type Tally } from './fuzz.ts';
import { StoreWatch } from './store-watch.ts';

/** Moves of each of the four runs: a million hypercalls in all. */
const MOVES_EACH = Number(process.env.HV_FUZZ_MOVES ?? 265_000);

describe('attackers', () => {
  const successes = new Map<string, number>();
  for (const seed of [1, 2, 3, 4]) {
    test(`HV-ATK-1: whatever two guests do, nothing is thrown, stores hit only their own, the books balance (seed ${seed})`, () => {
      const fuzz = new Fuzz(seed);
      fuzz.run(MOVES_EACH);
      fuzz.finish();
      expect(fuzz.calls).toBeGreaterThan((MOVES_EACH * 250) / 265);
      expect(fuzz.changes).toBeGreaterThan(MOVES_EACH / 20);
      for (const [name, tally] of fuzz.tallies) {
        successes.set(name, (successes.get(name) ?? 0) + tally.successes);
      }
    }, 300_000);
  }

  test('HV-ATK-1: nor when one or both have Xen 2’s shared_info', () => {
    for (const other of ['xen-3.0', 'xen-2.0'] as const) {
      const fuzz = new Fuzz(5, ['xen-2.0', other]);
      fuzz.run(MOVES_EACH / 8);
      fuzz.finish();
      expect(fuzz.changes).toBeGreaterThan(MOVES_EACH / 160);
    }
  }, 120_000);

  test('HV-ATK-2: every sub-operation was reached: it succeeded, but for those that no guest is given', () => {
    for (const { name } of MOVES) {
      if (NEVER.has(name)) expect([name, successes.get(name)]).toEqual([name, 0]);
      else expect([name, (successes.get(name) ?? 0) >= MOVES_EACH / 10_000]).toEqual([name, true]);
    }
  });

  test('HV-ATK-3: the same seed is the same run, another is another', () => {
    const tallies = (seed: number) => {
      const fuzz = new Fuzz(seed);
      fuzz.run(20_000);
      return [...fuzz.tallies].map(([name, { successes: s, errors }]: [string, Tally]) => [
        name,
        s,
        [...errors],
      ]);
    };
    expect(tallies(9)).toEqual(tallies(9));
    expect(tallies(9)).not.toEqual(tallies(10));
  });
});

describe('the watch on stores', () => {
  const world = () => {
    const sim = new Sim(1);
    const memory = new ArrayBuffer(1536 * 4096);
    const machine = new Machine({ sim, memory, frames: 1536 });
    const guests = [new Attacker(machine, sim.random), new Attacker(machine, sim.random)] as const;
    return { machine, guests, watch: new StoreWatch(machine, memory) };
  };

  test('HV-ATK-4: it sees a store to another domain’s frame, by whatever means', () => {
    const { machine, guests, watch } = world();
    const [a, b] = guests;
    watch.begin(a);
    a.words(va(50), 1);
    expect(watch.end(a)).toEqual([]);
    watch.begin(a);
    machine.xen.memory.frameBytes(b.mfn(50))[77] = 1;
    expect(watch.end(a)[0]).toContain(`domain ${a.domid} changed mfn ${b.mfn(50)}`);
    watch.begin(a);
    machine.xen.host.m2p.set(b.mfn(50), 4711);
    expect(watch.end(a)[0]).toContain('M2P entry');
  });
});
