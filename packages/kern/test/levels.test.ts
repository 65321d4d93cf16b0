import { array, i64, struct } from '@port-xen/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  callout,
  IPL_SOFTBIO,
  IPL_SOFTCLOCK,
  IPL_SOFTNET,
  IPL_SOFTSERIAL,
  IPL_VM,
  leaf,
  type Text,
} from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const levels_test = struct('levels_test', {
  handles: array(i64, 16),
  callouts: array(callout, 8),
});
const d = (m: Toy) => levels_test.at(m.kern.cpu.memory, m.data);

const text: Text<Toy> = {
  /** (n, level): soft interrupt n. */
  toy_establish: leaf((m, n, level) => {
    d(m).handles.set(n, m.kern.softint.establish(level, m.kern.cpu.sym('toy_soft'), n));
  }),
  toy_schedule: leaf((m, n) => m.kern.softint.schedule(d(m).handles.get(n))),
  toy_soft: leaf((m, n) => m.write(n)),
  toy_raise: leaf((m, level) => m.kern.spl.splraise(level)),
  toy_lower: leaf((m, level) => m.kern.spl.splx(level)),
  /** (n, ticks): callout n writes n down. */
  toy_reset: leaf((m, n, ticks) => {
    m.kern.callout.reset(d(m).callouts.at(n).address, ticks, m.kern.cpu.sym('toy_fired'), n);
  }),
  toy_stop: leaf((m, n) => (m.kern.callout.stop(d(m).callouts.at(n).address) ? 1 : 0)),
  toy_fired: leaf((m, n) => {
    m.write(n);
    // Number 7 sets itself again, and stops number 6.
    if (n !== 7) return;
    const { callouts } = d(m);
    m.kern.callout.reset(callouts.at(7).address, 2, m.kern.cpu.sym('toy_fired'), 7);
    m.kern.callout.stop(callouts.at(6).address);
  }),
};

const image = toyImage(text, levels_test);

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-18: a soft interrupt runs once, however often scheduled, when the level is below its own', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_establish', 1, IPL_SOFTBIO);
    const old = run.call('toy_raise', IPL_VM);
    for (let i = 0; i < 3; i++) run.call('toy_schedule', 1);
    run.call('toy_lower', IPL_SOFTNET);
    expect(run.log).toEqual([]);
    run.call('toy_lower', old);
    expect(run.log).toEqual([1]);
    run.call('toy_lower', old);
    expect(run.log).toEqual([1]);
  });

  test('KERN-18: the highest level first, then in the order in which they were established', () => {
    const run = new KernelRun(image, amnesia);
    const levels = [IPL_SOFTCLOCK, IPL_SOFTSERIAL, IPL_SOFTNET, IPL_SOFTSERIAL];
    levels.forEach((level, n) => {
      run.call('toy_establish', n, level);
    });
    const old = run.call('toy_raise', IPL_VM);
    for (const n of [3, 0, 2, 1]) run.call('toy_schedule', n);
    run.call('toy_lower', old);
    expect(run.log).toEqual([1, 3, 2, 0]);
  });

  test('KERN-18: raising never lowers, and tells the level before', () => {
    const run = new KernelRun(image, amnesia);
    expect(run.call('toy_raise', IPL_VM)).toBe(0);
    expect(run.call('toy_raise', IPL_SOFTBIO)).toBe(IPL_VM);
    expect(run.call('toy_raise', 0)).toBe(IPL_VM);
  });

  test('KERN-18: more soft interrupts than there is room for are a panic', () => {
    const run = new KernelRun(image, amnesia);
    const many = () => {
      for (let n = 0; n < 16; n++) run.call('toy_establish', n, IPL_SOFTBIO);
    };
    expect(many).toThrow('panic: softint: expected at most 16 handlers');
  });

  test('KERN-11: stop says whether it had fired, and a stopped one does not', () => {
    const run = new KernelRun(image, amnesia);
    expect(run.call('toy_stop', 0)).toBe(0);
    run.call('toy_reset', 0, 2);
    expect(run.call('toy_stop', 0)).toBe(0);
    for (let tick = 0; tick < 3; tick++) run.tick();
    expect(run.log).toEqual([]);
    run.call('toy_reset', 0, 1);
    run.tick();
    expect(run.log).toEqual([0]);
    expect(run.call('toy_stop', 0)).toBe(1);
  });

  test('KERN-11: one that is set again runs at its new time only; none runs at once', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_reset', 1, 1);
    run.call('toy_reset', 1, 3);
    run.call('toy_reset', 2, 0);
    expect(run.log).toEqual([]);
    run.tick();
    expect(run.log).toEqual([2]);
    run.tick();
    expect(run.log).toEqual([2]);
    run.tick();
    expect(run.log).toEqual([2, 1]);
  });

  test('KERN-11: a callout may set itself again, and stop another of the same tick', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_reset', 7, 1);
    run.call('toy_reset', 6, 1);
    run.call('toy_reset', 5, 1);
    for (let tick = 0; tick < 5; tick++) run.tick();
    expect(run.log).toEqual([7, 5, 7, 7]);
  });
});

test('KERN-11: whatever is set, set again and stopped, each runs when it was due, in order', () => {
  const action = fc.oneof(
    fc.record({ set: fc.nat(5), ticks: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ stop: fc.nat(5) }),
    fc.constant('tick' as const),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 25 }), (actions) => {
      const run = new KernelRun(image, true);
      let now = 0;
      let order = 0;
      const set = new Map<number, { due: number; order: number }>();
      const expected: number[] = [];
      for (const what of actions) {
        if (what === 'tick') {
          now++;
          run.tick();
          const due = [...set].filter(([, c]) => c.due === now);
          due.sort(([, a], [, b]) => a.order - b.order);
          for (const [n] of due) set.delete(n);
          expected.push(...due.map(([n]) => n));
        } else if ('set' in what) {
          run.call('toy_reset', what.set, what.ticks);
          set.set(what.set, { due: now + what.ticks, order: order++ });
        } else {
          run.call('toy_stop', what.stop);
          set.delete(what.stop);
        }
      }
      expect(run.log).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});
