import { __HYPERVISOR_sched_op, SCHEDOP_block } from '@port-xen/abi';
import { i64, struct } from '@port-xen/layout';
import { RIP } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { call, done, leaf, routine, type Text } from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const CHANNEL = 7;
const locals = struct('idle_locals', { pad: i64 });

const text: Text<Toy> = {
  toy_wait: routine(locals, {
    start: (m) => call('woken', m.kern.cpu.sym('tsleep'), CHANNEL, 0),
    woken: (m) => {
      m.write(1);
      return done();
    },
  }),
  toy_wakeup: leaf((m) => m.kern.sched.wakeup(CHANNEL)),
  /** Whether Xen may deliver an event now. */
  toy_open: leaf((m) => (m.kern.spl.upcallMask === 0 ? 1 : 0)),
  /** An event is pending. */
  toy_pend: leaf((m) => {
    m.kern.spl.upcallPending = 1;
  }),
  toy_disable: leaf((m) => m.kern.spl.disableIntr()),
  toy_enable: leaf((m) => m.kern.spl.enableIntr()),
};

const image = toyImage(text);

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-15: wherever in the idle loop a wakeup comes, the lwp runs before the processor blocks', () => {
    // An event may come before any instruction at which upcalls are on, and at the hypercall, which turns them on.
    for (let instructions = 0; instructions < 20; instructions++) {
      const run = new KernelRun(image, amnesia);
      run.spawn('toy_wait');
      run.settle();
      for (let i = 0; i < instructions; i++) run.step();
      if (run.call('toy_open') === 0) continue;
      run.call('toy_wakeup');
      const before = run.machine.hypercalls.length;
      run.settle();
      // One look that was under way when the event came may block: Xen does not, with an event pending.
      if (run.log.length === 0) run.settle();
      expect(run.log).toEqual([1]);
      expect(run.machine.hypercalls.length).toBeGreaterThan(before);
    }
  });

  test('KERN-15: between the look and the hypercall upcalls are off', () => {
    const run = new KernelRun(image, amnesia);
    const stub = image.hypercallPage + 32 * __HYPERVISOR_sched_op;
    const syscall = stub + 8;
    let seen = 0;
    for (let i = 0; i < 100; i++) {
      const rip = run.machine.registers.get(RIP);
      if (rip >= stub && rip <= syscall) {
        seen++;
        expect(run.call('toy_open')).toBe(0);
      }
      run.step();
      // Xen's SCHEDOP_block turns them on.
      if (rip === syscall) {
        expect(run.machine.hypercalls.at(-1)?.[1]).toBe(SCHEDOP_block);
        run.call('toy_enable');
      }
    }
    expect(seen).toBeGreaterThan(5);
  });

  test('KERN-17: turning upcalls on with an event pending enters Xen, which delivers it; with none it does not', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_disable');
    const count = () => run.machine.hypercalls.length;
    const before = count();
    run.call('toy_enable');
    expect(count()).toBe(before);
    run.call('toy_pend');
    run.call('toy_enable');
    expect(count()).toBe(before + 1);
  });
});
