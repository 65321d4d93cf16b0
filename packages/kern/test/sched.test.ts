import { __HYPERVISOR_sched_op, __HYPERVISOR_stack_switch } from '@port-xen/abi';
import { array, i64, struct, u32, u64 } from '@port-xen/layout';
import { RDI, RIP, RSP } from '@port-xen/vcpu';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  call,
  callout,
  done,
  EWOULDBLOCK,
  type Kern,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  L_IDLE,
  leaf,
  linkKern,
  PRI_IDLE,
  push64,
  raw,
  routine,
  type Text,
  TextEngine,
} from '../src/index.ts';
import { FlatMachine } from './flat-machine.ts';

const LOG = 64;
const log_data = struct('log_data', { length: u64, entries: array(u32, LOG) });
const room_data = struct('room_data', { callouts: array(callout, 16) });

const sleeper = struct('sleeper', { id: i64 });

/** A kernel whose threads write into a log in memory. */
class Log {
  readonly kern: Kern;
  readonly data: number;
  constructor(kern: Kern, address: number) {
    this.kern = kern;
    this.data = address;
  }
  write(value: number): void {
    const d = log_data.at(this.kern.cpu.memory, this.data);
    d.entries.set(d.length++, value);
  }
}

const text: Text<Log> = {
  boot: raw((m, cpu) => {
    const { sched, callout: callouts, spl } = m.kern;
    callouts.init();
    spl.setDispatch(cpu.sym('run_softints'));
    const main = sched.adoptBoot('main');
    sched.create('idle', cpu.sym('idle_loop'), 0, PRI_IDLE, L_IDLE);
    cpu.registers.set(RSP, main.l_stack);
    push64(cpu, cpu.sym('lwp_exit'));
    cpu.registers.set(RIP, cpu.sym('test_main'));
  }),
  run_softints: leaf((m, level) => {
    const waiting = m.kern.spl.takePending(level);
    if (waiting >= 0) m.kern.softint.run(waiting);
  }),
  test_main: routine(sleeper, {
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
  tick: leaf((m) => {
    m.kern.callout.hardclock();
    m.kern.spl.splx(0);
  }),
  set_callout: leaf((m, address, ticks, value) => {
    m.kern.callout.reset(address, ticks, m.kern.cpu.sym('fired'), value);
  }),
  stop_callout: leaf((m, address) => {
    m.kern.callout.stop(address);
  }),
  fired: leaf((m, value) => m.write(value)),
};

const spec: KernelSpec = {
  name: 'test',
  version: '0',
  entry: 'boot',
  programs: [],
  modules: { ...kernModules, log: { data: log_data, text }, room: { data: room_data } },
  link: (cpu, at) => {
    const kern = linkKern(cpu, at);
    return { ...kernLinked(kern), log: new Log(kern, at.log as number) };
  },
};
const image = new KernelImage(spec, new Uint8Array(20));

const logOf = (machine: FlatMachine): number[] => {
  const at = image.data.log as number;
  const { length, entries } = log_data.at(machine.memory, at);
  return Array.from({ length }, (_, i) => entries.get(i));
};

/** Runs a symbol to its end on a stack of its own, as an interrupt would. */
const interrupt = (
  machine: FlatMachine,
  engine: TextEngine,
  symbol: string,
  ...args: number[]
): void => {
  const saved = machine.registers.words.slice();
  push64({ registers: machine.registers, memory: machine.memory } as never, 0);
  machine.registers.set(RDI, args[0] ?? 0);
  machine.registers.set(6, args[1] ?? 0);
  machine.registers.set(2, args[2] ?? 0);
  machine.registers.set(RIP, image.sym(symbol));
  while (machine.registers.get(RIP) !== 0) {
    machine.stop = false;
    engine.run(machine, 1);
  }
  machine.registers.words.set(saved);
};

test('KERN-10: lwps sleep, wake and time out; nothing of them is outside memory', () => {
  for (const amnesia of [false, true]) {
    const machine = new FlatMachine(image);
    const engine = new TextEngine(image, { amnesia });
    machine.registers.set(RIP, image.sym('boot'));
    const untilIdle = (): void => {
      for (let i = 0; i < 1000; i++) {
        machine.stop = false;
        engine.run(machine, 1);
        if (machine.stop) return;
      }
      throw new Error('never idle');
    };
    untilIdle();
    expect(logOf(machine)).toEqual([1, 2]);
    for (let tick = 0; tick < 5; tick++) {
      interrupt(machine, engine, 'tick');
      untilIdle();
    }
    expect(logOf(machine)).toEqual([1, 2, 100 + EWOULDBLOCK, 10, 20]);
    expect(machine.hypercalls.some(([n]) => n === __HYPERVISOR_stack_switch)).toBe(true);
    expect(machine.hypercalls.some(([n]) => n === __HYPERVISOR_sched_op)).toBe(true);
  }
});

test('KERN-11: callouts run once, in the order of their ticks, and not when stopped', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ ticks: fc.integer({ min: 1, max: 20 }), stop: fc.boolean() }), {
        maxLength: 12,
      }),
      (wanted) => {
        const machine = new FlatMachine(image);
        const engine = new TextEngine(image);
        machine.registers.set(RIP, image.sym('boot'));
        machine.stop = false;
        engine.run(machine, 1);
        const at = (i: number): number => (image.data.room as number) + i * callout.size;
        wanted.forEach(({ ticks }, i) => {
          interrupt(machine, engine, 'set_callout', at(i), ticks, i);
        });
        wanted.forEach(({ stop }, i) => {
          if (stop) interrupt(machine, engine, 'stop_callout', at(i));
        });
        for (let tick = 0; tick < 21; tick++) interrupt(machine, engine, 'tick');
        const expected = wanted
          .map((w, i) => ({ ...w, i }))
          .filter((w) => !w.stop)
          .sort((a, b) => a.ticks - b.ticks || a.i - b.i)
          .map((w) => w.i);
        expect(logOf(machine)).toEqual(expected);
      },
    ),
    { numRuns: 30 },
  );
});

test('KERN-10: no event comes between the look and the sleep', () => {
  for (const amnesia of [false, true]) {
    const machine = new FlatMachine(image);
    const engine = new TextEngine(image, { amnesia });
    machine.registers.set(RIP, image.sym('boot'));
    for (let i = 0; i < 50; i++) {
      machine.stop = false;
      engine.run(machine, 1);
      // Here an event could come.
      expect(machine.registers.get(RIP)).not.toBe(image.sym('tsleep'));
    }
    expect(logOf(machine)).toEqual([1, 2]);
  }
});
