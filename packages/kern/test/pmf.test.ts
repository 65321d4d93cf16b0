import { array, i64, struct, u32 } from '@port-xen/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { call, done, leaf, routine, type Text } from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const MAX = 12;
const pmf_test = struct('pmf_test', {
  devices: array(i64, MAX),
  /** The device that refuses; 0 none. Ids start at 1. */
  refuses: u32,
  fails: u32,
});
const locals = struct('pmf_test_locals', { pad: i64 });
const d = (m: Toy) => pmf_test.at(m.kern.cpu.memory, m.data);

const SUSPENDED = 100;
const RESUMED = 200;
const CANCELLED = 300;

const text: Text<Toy> = {
  /** (id, parent's id or 0, kind): 1 with handlers, 0 with none to be called, -1 without a word. */
  toy_attach: leaf((m, id, parent, kind) => {
    const { autoconf, cpu } = m.kern;
    const dv = autoconf.attach(`toy${id}`, parent === 0 ? 0 : d(m).devices.get(parent), id);
    d(m).devices.set(id, dv.address);
    if (kind === 1) autoconf.pmfRegister(dv, cpu.sym('toy_suspend'), cpu.sym('toy_resume'));
    if (kind === 0) autoconf.pmfRegister(dv, 0, 0);
  }),
  toy_detach: leaf((m, id) => m.kern.autoconf.detach(d(m).devices.get(id))),
  toy_refuse: leaf((m, id) => {
    d(m).refuses = id;
  }),
  toy_fail: leaf((m, id) => {
    d(m).fails = id;
  }),
  /** A driver's suspend may wait. */
  toy_suspend: routine(locals, {
    start: (m, l, id) => {
      l.pad = id;
      return call('waited', m.kern.cpu.sym('yield'));
    },
    waited: (m, l) => {
      m.write(SUSPENDED + l.pad);
      return done(d(m).refuses === l.pad ? 0 : 1);
    },
  }),
  toy_resume: leaf((m, id, cancelled) => {
    m.write((cancelled === 0 ? RESUMED : CANCELLED) + id);
    return d(m).fails === id ? 0 : 1;
  }),
  toy_suspend_all: routine(locals, {
    start: (m) => call('over', m.kern.cpu.sym('pmf_system_suspend')),
    over: (m, _, result) => {
      m.write(result);
      return done();
    },
  }),
  toy_resume_all: routine(locals, {
    start: (m, _, cancelled) => call('over', m.kern.cpu.sym('pmf_system_resume'), cancelled),
    over: (m, _, result) => {
      m.write(result);
      return done();
    },
  }),
};

const image = toyImage(text, pmf_test);

/** mainbus0 1; hypervisor0 2; 3, 4, 5 below it; 6, 7 below 4. */
const tree = (run: KernelRun, kind = 1): void => {
  for (const [id, parent] of [
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 2],
    [6, 4],
    [5, 2],
    [7, 4],
  ] as const) {
    run.call('toy_attach', id, parent, kind);
  }
};

const entries = (from: number, ids: readonly number[]): number[] => ids.map((id) => from + id);

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-12: leaf to root on the way down, root to leaf on the way up, in attach order within a depth', () => {
    const run = new KernelRun(image, amnesia);
    tree(run);
    run.spawn('toy_suspend_all');
    run.settle();
    expect(run.log).toEqual([...entries(SUSPENDED, [6, 7, 3, 4, 5, 2, 1]), 1]);
    const before = run.log.length;
    run.spawn('toy_resume_all');
    run.settle();
    expect(run.log.slice(before)).toEqual([...entries(RESUMED, [1, 2, 3, 4, 5, 6, 7]), 1]);
  });

  test('KERN-12: a device that refuses ends the suspend; what was suspended is resumed, and nothing else', () => {
    const run = new KernelRun(image, amnesia);
    tree(run);
    run.call('toy_refuse', 4);
    run.spawn('toy_suspend_all');
    run.settle();
    expect(run.log).toEqual([
      ...entries(SUSPENDED, [6, 7, 3, 4]),
      ...entries(CANCELLED, [3, 6, 7]),
      0,
    ]);
    expect(run.messages).toContain('toy4: refuses to be suspended\n');
    const before = run.log.length;
    run.call('toy_refuse', 0);
    run.spawn('toy_suspend_all');
    run.settle();
    expect(run.log.at(-1)).toBe(1);
    expect(run.log.length - before).toBe(8);
  });

  test('KERN-12: a device that does not say how it is suspended ends it before anything was done', () => {
    const run = new KernelRun(image, amnesia);
    tree(run);
    run.call('toy_attach', 8, 1, -1);
    run.spawn('toy_suspend_all');
    run.settle();
    expect(run.log).toEqual([0]);
    expect(run.messages).toContain('pmf: toy8 does not say how it is suspended\n');
    run.call('toy_detach', 8);
    run.spawn('toy_suspend_all');
    run.settle();
    expect(run.log.at(-1)).toBe(1);
  });

  test('KERN-12: a device that cannot be resumed is told of, and the others are resumed', () => {
    const run = new KernelRun(image, amnesia);
    tree(run);
    run.spawn('toy_suspend_all');
    run.settle();
    const before = run.log.length;
    run.call('toy_fail', 2);
    run.spawn('toy_resume_all', 1);
    run.settle();
    expect(run.log.slice(before)).toEqual([...entries(CANCELLED, [1, 2, 3, 4, 5, 6, 7]), 0]);
    expect(run.messages).toContain('toy2: could not be resumed\n');
  });
});

test('KERN-12: whatever the tree and whoever refuses, children go before and come after their parents, each once', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(), { minLength: 1, maxLength: 10 }),
      fc.nat(11),
      (parents, refuses) => {
        const run = new KernelRun(image, false);
        const parentOf = [0, 0, ...parents.map((n, i) => 1 + (n % (i + 1)))];
        for (let id = 1; id < parentOf.length; id++)
          run.call('toy_attach', id, parentOf[id] ?? 0, 1);
        run.call('toy_refuse', refuses);
        run.spawn('toy_suspend_all');
        run.settle();
        const suspended = run.log.filter((n) => n > SUSPENDED && n < RESUMED).map((n) => n % 100);
        const refused = refuses > 0 && refuses < parentOf.length;
        expect(run.log.at(-1)).toBe(refused ? 0 : 1);
        expect(new Set(suspended).size).toBe(suspended.length);
        for (const id of suspended) {
          const parent = suspended.indexOf(parentOf[id] ?? 0);
          if (parent >= 0) expect(parent).toBeGreaterThan(suspended.indexOf(id));
        }
        const resumed = run.log.filter((n) => n > CANCELLED).map((n) => n % 100);
        const back = refused ? suspended.filter((id) => id !== refuses) : [];
        expect(resumed.toSorted()).toEqual(back.toSorted());
      },
    ),
    { numRuns: 30 },
  );
});
