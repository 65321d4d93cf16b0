import { __HYPERVISOR_sched_op, __HYPERVISOR_stack_switch } from '@port-xen/abi';
import { array, i64, struct } from '@port-xen/layout';
import { RIP } from '@port-xen/vcpu';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { call, callout, done, EWOULDBLOCK, leaf, routine, type Text } from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const room_data = struct('room_data', { callouts: array(callout, 16) });
const sleeper = struct('sleeper', { id: i64 });

/** Lwps that sleep, and callouts that write their argument. */
const text: Text<Toy> = {
  starter: routine(sleeper, {
    start: (m) => {
      const { sched, cpu } = m.kern;
      sched.create('a', cpu.sym('worker'), 1);
      sched.create('b', cpu.sym('worker'), 2);
      return call('slept', cpu.sym('tsleep'), 777, 5);
    },
    slept: (m, _, error) => {
      m.write(100 + error);
      m.kern.sched.wakeup(999);
      return done();
    },
  }),
  worker: routine(sleeper, {
    start: (m, l, id) => {
      l.id = id;
      m.write(id);
      return call('woken', m.kern.cpu.sym('tsleep'), 999, 0);
    },
    woken: (m, l, error) => {
      m.write(10 * l.id + error);
      return done();
    },
  }),
  set_callout: leaf((m, address, ticks, value) => {
    m.kern.callout.reset(address, ticks, m.kern.cpu.sym('fired'), value);
  }),
  stop_callout: leaf((m, address) => {
    m.kern.callout.stop(address);
  }),
  fired: leaf((m, value) => m.write(value)),
};

const image = toyImage(text, room_data);

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-10: lwps sleep, wake and time out; nothing of them is outside memory', () => {
    const run = new KernelRun(image, amnesia);
    run.spawn('starter');
    run.settle();
    expect(run.log).toEqual([1, 2]);
    for (let tick = 0; tick < 5; tick++) run.tick();
    expect(run.log).toEqual([1, 2, 100 + EWOULDBLOCK, 10, 20]);
    const made = new Set(run.machine.hypercalls.map(([number]) => number));
    expect(made).toEqual(new Set([__HYPERVISOR_stack_switch, __HYPERVISOR_sched_op]));
  });

  test('KERN-10: no event comes between the look and the sleep', () => {
    const run = new KernelRun(image, amnesia);
    run.spawn('starter');
    for (let i = 0; i < 50; i++) {
      run.step();
      // Here an event could come.
      expect(run.machine.registers.get(RIP)).not.toBe(image.sym('tsleep'));
    }
    expect(run.log).toEqual([1, 2]);
  });
});

test('KERN-11: callouts run once, in the order of their ticks, and not when stopped', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ ticks: fc.integer({ min: 1, max: 20 }), stop: fc.boolean() }), {
        maxLength: 12,
      }),
      (wanted) => {
        const run = new KernelRun(image, false);
        const at = (i: number): number => (image.data.toy as number) + i * callout.size;
        wanted.forEach(({ ticks }, i) => {
          run.call('set_callout', at(i), ticks, i);
        });
        wanted.forEach(({ stop }, i) => {
          if (stop) run.call('stop_callout', at(i));
        });
        for (let tick = 0; tick < 21; tick++) run.call('toy_tick');
        const expected = wanted
          .map((w, i) => ({ ...w, i }))
          .filter((w) => !w.stop)
          .sort((a, b) => a.ticks - b.ticks || a.i - b.i)
          .map((w) => w.i);
        expect(run.log).toEqual(expected);
      },
    ),
    { numRuns: 30 },
  );
});
