import { i64, struct, u64 } from '@port-xen/layout';
import { RIP, RSP } from '@port-xen/vcpu';
import { expect, test } from 'vitest';
import {
  call,
  done,
  type Kern,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  L_IDLE,
  L_USER,
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

const device_data = struct('device_data', { closed: u64, softc: i64, others: u64 });
const locals = struct('close_locals', { pad: u64 });

/** A device that counts how often it is closed. */
class Device {
  readonly kern: Kern;
  readonly data: number;
  constructor(kern: Kern, address: number) {
    this.kern = kern;
    this.data = address;
  }
}

const text: Text<Device> = {
  boot: raw((m, cpu) => {
    const { sched, callout, cdevsw, syscalls } = m.kern;
    callout.init();
    const main = sched.adoptBoot('main');
    sched.create('idle', cpu.sym('idle_loop'), 0, PRI_IDLE, L_IDLE);
    cdevsw.attach('console', m.data, {});
    cdevsw.at(cdevsw.lookup('console')).d_close = cpu.sym('device_close');
    const proc = syscalls.newProc();
    main.l_proc = proc?.address ?? 0;
    if (device_data.at(cpu.memory, m.data).others > 0) syscalls.newProc();
    main.l_flag |= L_USER;
    cpu.registers.set(RSP, main.l_stack);
    push64(cpu, cpu.sym('lwp_exit'));
    cpu.registers.set(RIP, cpu.sym('program'));
  }),
  device_close: leaf((m, softc) => {
    const d = device_data.at(m.kern.cpu.memory, m.data);
    d.closed++;
    d.softc = softc;
  }),
  program: routine(locals, {
    start: (m) => call('closed', m.kern.cpu.sym('sys_close'), 1),
    closed: (m) => call('again', m.kern.cpu.sym('sys_close'), 1),
    again: (m) => call('never', m.kern.cpu.sym('sys_exit'), 0),
    never: () => done(),
  }),
};

const spec: KernelSpec = {
  name: 'test',
  version: '0',
  entry: 'boot',
  programs: [],
  modules: { ...kernModules, device: { data: device_data, text } },
  link: (cpu, at) => {
    const kern = linkKern(cpu, at);
    return { ...kernLinked(kern), device: new Device(kern, at.device as number) };
  },
};

const run = (others: number): { closed: number; softc: number; data: number } => {
  const image = new KernelImage(spec, new Uint8Array(20));
  const machine = new FlatMachine(image);
  const data = image.data.device as number;
  const d = device_data.at(machine.memory, data);
  d.others = others;
  machine.registers.set(RIP, image.sym('boot'));
  for (let i = 0; i < 200 && !machine.stop; i++) new TextEngine(image).run(machine, 1);
  return { closed: d.closed, softc: d.softc, data };
};

test('KERN-16: a device learns that its last descriptor is given up, once', () => {
  // Descriptors 0 to 2 are the console: one is closed (the second close of it fails), two end with the process.
  const { closed, softc, data } = run(0);
  expect(closed).toBe(1);
  expect(softc).toBe(data);
});

test('KERN-16: a device that another process has open is not closed', () => {
  expect(run(1).closed).toBe(0);
});
