import { i64, struct } from '@port-xen/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { call, done, EWOULDBLOCK, goto, leaf, NLWP, routine, type Text } from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const CHANNEL = 4242;
const locals = struct('sleep_locals', { id: i64, left: i64 });

const text: Text<Toy> = {
  /** (id): sleeps until it is woken. */
  toy_wait: routine(locals, {
    start: (m, l, id) => {
      l.id = id;
      return call('woken', m.kern.cpu.sym('tsleep'), CHANNEL, 0);
    },
    woken: (m, l, error) => {
      m.write(l.id + 1000 * error);
      return done();
    },
  }),
  /** (id): sleeps so many ticks, or until it is woken. */
  toy_nap: routine(locals, {
    start: (m, l, id) => {
      l.id = id;
      return call('woken', m.kern.cpu.sym('tsleep'), CHANNEL, id);
    },
    woken: (m, l, error) => {
      m.write(l.id + 1000 * error);
      return done();
    },
  }),
  /** (id): says so three times, and lets others run in between. */
  toy_talk: routine(locals, {
    start: (_, l, id) => {
      l.id = id;
      l.left = 3;
      return goto('talk');
    },
    talk: (m, l) => {
      if (l.left === 0) return done();
      l.left--;
      m.write(l.id);
      return call('talk', m.kern.cpu.sym('yield'));
    },
  }),
  toy_wakeup: leaf((m, channel) => m.kern.sched.wakeup(channel)),
  toy_freeze: leaf((m, frozen) => {
    m.kern.sched.d.sched_frozen = frozen;
  }),
  toy_runnable: leaf((m) => (m.kern.sched.anyRunnable ? 1 : 0)),
};

const image = toyImage(text);

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-10: a wakeup wakes all who sleep on the channel and nobody else, who slept first runs first', () => {
    const run = new KernelRun(image, amnesia);
    for (const id of [1, 2, 3]) run.spawn('toy_wait', id);
    run.settle();
    run.call('toy_wakeup', CHANNEL + 1);
    run.settle();
    expect(run.log).toEqual([]);
    run.call('toy_wakeup', CHANNEL);
    run.settle();
    expect(run.log).toEqual([1, 2, 3]);
  });

  test('KERN-10: a sleep ends with its time, with EWOULDBLOCK, or with a wakeup, with 0, and only once', () => {
    const run = new KernelRun(image, amnesia);
    for (const ticks of [3, 1, 5]) run.spawn('toy_nap', ticks);
    run.settle();
    for (let tick = 0; tick < 3; tick++) run.tick();
    expect(run.log).toEqual([1 + 1000 * EWOULDBLOCK, 3 + 1000 * EWOULDBLOCK]);
    run.call('toy_wakeup', CHANNEL);
    run.settle();
    for (let tick = 0; tick < 5; tick++) run.tick();
    expect(run.log.slice(2)).toEqual([5]);
  });

  test('KERN-10: the highest priority runs, equals take turns', () => {
    const run = new KernelRun(image, amnesia);
    run.spawn('toy_talk', 1, 64);
    run.spawn('toy_talk', 2, 64);
    run.spawn('toy_talk', 3, 128);
    run.settle();
    expect(run.log).toEqual([3, 3, 3, 1, 2, 1, 2, 1, 2]);
  });

  test('KERN-10: an lwp that has ended leaves its place to the next', () => {
    const run = new KernelRun(image, amnesia);
    for (let i = 0; i < 3 * NLWP; i++) {
      run.spawn('toy_talk', i);
      run.settle();
    }
    expect(run.log.length).toBe(9 * NLWP);
  });

  test('KERN-10: more lwps than there is room for are a panic', () => {
    const run = new KernelRun(image, amnesia);
    const crowd = () => {
      for (let i = 0; i < NLWP; i++) run.spawn('toy_wait', i);
    };
    expect(crowd).toThrow(`panic: expected at most ${NLWP} lwps`);
  });
});

test('KERN-10: whatever wakes whom, each sleep ends once, at the right time', () => {
  const event = fc.oneof(
    fc.record({ nap: fc.integer({ min: 1, max: 6 }) }),
    fc.constant('tick' as const),
    fc.constant('wake' as const),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), (events) => {
      const run = new KernelRun(image, true);
      let now = 0;
      let asleep: { nap: number; due: number }[] = [];
      const expected: number[] = [];
      for (const what of events) {
        if (what === 'tick') {
          now++;
          run.tick();
          const due = asleep.filter((s) => s.due === now);
          expected.push(...due.map((s) => s.nap + 1000 * EWOULDBLOCK));
          asleep = asleep.filter((s) => s.due !== now);
        } else if (what === 'wake') {
          run.call('toy_wakeup', CHANNEL);
          run.settle();
          // In the order of their places in the table, which is that of their start unless one has ended before.
          expected.push(...asleep.map((s) => s.nap));
          asleep = [];
        } else {
          run.spawn('toy_nap', what.nap);
          run.settle();
          asleep.push({ nap: what.nap, due: now + what.nap });
        }
      }
      expect(run.log.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
    }),
    { numRuns: 40 },
  );
});
