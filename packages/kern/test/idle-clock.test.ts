import { array, i64, struct } from '@port-xen/layout';
import { describe, expect, test } from 'vitest';
import { call, callout, done, leaf, routine, type Text } from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const CHANNEL = 7;
const BLOCK = 100;
const EVENT = 200;
const LEAVE = 300;
const RAN = 400;
const locals = struct('idle_clock_locals', { pad: i64 });
const toy_data = struct('toy_data', { callouts: array(callout, 4) });

const text: Text<Toy> = {
  toy_hooks: leaf((m) => {
    const { cpu, sched } = m.kern;
    sched.setIdle(cpu.sym('toy_block'), cpu.sym('toy_event'), cpu.sym('toy_leave'));
  }),
  toy_block: leaf((m) => m.write(BLOCK)),
  toy_event: leaf((m) => m.write(EVENT)),
  toy_leave: leaf((m) => m.write(LEAVE)),
  toy_arrive: leaf((m) => m.kern.sched.idleEvent()),
  toy_is_idle: leaf((m) => (m.kern.sched.idle ? 1 : 0)),
  toy_wait: routine(locals, {
    start: (m) => {
      m.write(RAN);
      return call('woken', m.kern.cpu.sym('tsleep'), CHANNEL, 0);
    },
    woken: (m) => {
      m.write(m.kern.sched.idle ? 1 : 0);
      m.kern.sched.idleEvent();
      m.write(RAN + 1);
      return done();
    },
  }),
  toy_wakeup: leaf((m) => m.kern.sched.wakeup(CHANNEL)),
  toy_callout: leaf((m, i, ticks) => {
    const at = toy_data.at(m.kern.cpu.memory, m.data).callouts.address(i);
    m.kern.callout.reset(at, ticks, m.kern.cpu.sym('toy_fired'), i);
  }),
  toy_fired: leaf((m, i) => {
    m.write(i);
    // A callout that sets itself again: once for all the ticks that passed.
    if (i === 3) m.kern.cpu.call(m.kern.cpu.sym('toy_callout'), i, 1);
  }),
  toy_ticks: leaf((m, ticks) => {
    m.kern.callout.hardclock(ticks);
    m.kern.spl.splx(0);
    return m.kern.callout.ticks;
  }),
};

const image = toyImage(text, toy_data);

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-27: the clock is told before the processor blocks, when an event ends that, and when somebody runs', () => {
    const run = new KernelRun(image, amnesia);
    run.spawn('toy_wait');
    run.settle();
    run.call('toy_hooks');
    run.settle();
    expect(run.log).toEqual([RAN, BLOCK]);
    expect(run.call('toy_is_idle')).toBe(1);
    run.call('toy_arrive');
    expect(run.log.slice(2)).toEqual([EVENT]);
    // Nobody was woken: it blocks again without having been busy.
    run.settle();
    expect(run.log.slice(3)).toEqual([BLOCK]);
    run.call('toy_arrive');
    run.call('toy_wakeup');
    run.settle();
    // While somebody runs an event is no end of idleness.
    expect(run.log.slice(4)).toEqual([EVENT, LEAVE, 0, RAN + 1, BLOCK]);
  });

  test('KERN-11: any number of ticks is counted at once, and what fell due in them runs once, in order', () => {
    const run = new KernelRun(image, amnesia);
    for (const [i, ticks] of [300, 100, 1000, 1].entries()) run.call('toy_callout', i, ticks);
    expect(run.call('toy_ticks', 500)).toBe(500);
    expect(run.log).toEqual([3, 1, 0]);
    expect(run.call('toy_ticks', 360_000)).toBe(360_500);
    expect(run.log.slice(3)).toEqual([3, 2]);
  });
});
