import { i64, struct, u64 } from '@port-xen/layout';
import { expect, test } from 'vitest';
import { call, done, L_USER, leaf, PRI_USER, routine, type Text } from '../src/index.ts';
import { KernelRun, type Toy, toyImage } from './kernel-run.ts';

const device_data = struct('device_data', { closed: u64, softc: i64 });
const locals = struct('close_locals', { pad: u64 });

const dataOf = (m: Toy) => device_data.at(m.kern.cpu.memory, m.data);

/** The console, which counts how often it is closed, and a program that closes it. */
const text: Text<Toy> = {
  /** (others): the program, and so many other processes. */
  start_program: leaf((m, others) => {
    const { sched, cdevsw, syscalls, cpu } = m.kern;
    cdevsw.attach('console', m.data, {});
    cdevsw.at(cdevsw.lookup('console')).d_close = cpu.sym('device_close');
    const l = sched.create('program', cpu.sym('program'), 0, PRI_USER, L_USER);
    l.l_proc = syscalls.newProc()?.address ?? 0;
    for (let i = 0; i < others; i++) syscalls.newProc();
  }),
  device_close: leaf((m, softc) => {
    const d = dataOf(m);
    d.closed++;
    d.softc = softc;
  }),
  program: routine(locals, {
    start: (m) => call('closed', m.kern.cpu.sym('sys_close'), 1),
    closed: (m) => call('again', m.kern.cpu.sym('sys_close'), 1),
    again: (m) => call('never', m.kern.cpu.sym('sys_exit'), 0),
    never: (m) => {
      m.write(-1);
      return done();
    },
  }),
};

const image = toyImage(text, device_data);

const closes = (others: number): { closed: number; softc: number } => {
  const run = new KernelRun(image, false);
  run.call('start_program', others);
  run.settle();
  expect(run.log).toEqual([]);
  const { closed, softc } = device_data.at(run.machine.memory, image.data.toy as number);
  return { closed, softc };
};

test('KERN-16: a device learns that its last descriptor is given up, once', () => {
  // Descriptors 0 to 2 are the console: one is closed (the second close of it fails), two end with the process.
  expect(closes(0)).toEqual({ closed: 1, softc: image.data.toy });
});

test('KERN-16: a device that another process has open is not closed', () => {
  expect(closes(1).closed).toBe(0);
});
