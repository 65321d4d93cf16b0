import { __HYPERVISOR_event_channel_op } from '@port-xen/abi';
import { i64, struct, u64 } from '@port-xen/layout';
import { R11, RAX, RCX, RDI, RIP, RSP } from '@port-xen/vcpu';
import { expect, test } from 'vitest';
import {
  type Cpu,
  call,
  done,
  goto,
  hypercall,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  leaf,
  linkKern,
  PAGE_SIZE,
  routine,
  type Text,
  TextEngine,
} from '../src/index.ts';
import { FlatMachine } from './flat-machine.ts';

const data = struct('toy_data', { calls: u64, seen: i64 });

class Toy {
  readonly cpu: Cpu;
  readonly data: number;
  remembered = 0;
  constructor(cpu: Cpu, address: number) {
    this.cpu = cpu;
    this.data = address;
  }
  get d() {
    return data.at(this.cpu.memory, this.data);
  }
}

const locals = struct('toy_locals', { n: i64, sum: i64 });

const text: Text<Toy> = {
  add: leaf((_, a, b) => a + b),
  count: leaf((m, by) => {
    m.d.calls += by;
  }),
  /** 1 + 2 + … + n, an addition a step. */
  sum: routine(locals, {
    start: (_, l, n) => {
      l.n = n;
      return goto('next');
    },
    next: (m, l) => (l.n === 0 ? done(l.sum) : call('added', m.cpu.sym('add'), l.sum, l.n)),
    added: (_, l, sum) => {
      l.sum = sum;
      l.n--;
      return goto('next');
    },
  }),
  knock: routine(locals, {
    start: () => hypercall('answered', __HYPERVISOR_event_channel_op, 11, 22, 33),
    answered: (m, _, result) => {
      m.d.seen = result;
      return done(result);
    },
  }),
  forgetful: leaf((m) => {
    m.remembered++;
    return m.remembered;
  }),
  /** A leaf that calls another, and does bulk work. */
  busy: leaf((m) => {
    m.cpu.call(m.cpu.sym('count'), 1);
    m.cpu.spend(250);
  }, 2000),
  out_of_reach: leaf((m) => m.cpu.memory.fetch32(0x1000)),
};

const spec: KernelSpec = {
  name: 'toy',
  version: '0',
  entry: 'sum',
  programs: [],
  modules: { ...kernModules, toy: { data, text } },
  link: (cpu, at) => ({ ...kernLinked(linkKern(cpu, at)), toy: new Toy(cpu, at.toy as number) }),
};

const image = new KernelImage(spec, new Uint8Array(20));

/** Calls a symbol and runs until it returns to nowhere. */
const run = (symbol: string, arg = 0, amnesia = false) => {
  const machine = new FlatMachine(image);
  const engine = new TextEngine(image, { amnesia });
  const rsp = machine.registers.get(RSP);
  machine.memory.write(rsp, new Uint8Array(8));
  machine.registers.set(RIP, image.sym(symbol));
  machine.registers.set(RDI, arg);
  for (
    let i = 0;
    i < 10_000 && machine.registers.get(RIP) !== 0 && machine.exceptions.length === 0;
    i++
  ) {
    machine.stop = false;
    engine.run(machine, 1);
  }
  return { machine, rax: machine.registers.get(RAX), rspMoved: machine.registers.get(RSP) - rsp };
};

test('KERN-1: a routine keeps its locals on the stack, calls through return addresses and leaves the stack as it was', () => {
  for (const amnesia of [false, true]) {
    const { rax, rspMoved } = run('sum', 100, amnesia);
    expect(rax).toBe(5050);
    expect(rspMoved).toBe(8);
  }
});

test('KERN-2: a hypercall that ends a step is made by the bytes of the stub, and returns to the next step', () => {
  const machine = new FlatMachine(image);
  machine.answer = () => -17;
  machine.memory.write(machine.registers.get(RSP), new Uint8Array(8));
  machine.registers.set(RIP, image.sym('knock'));
  machine.registers.set(RCX, 5);
  machine.registers.set(R11, 6);
  const engine = new TextEngine(image);
  while (machine.registers.get(RIP) !== 0) engine.run(machine, 1);
  expect(machine.hypercalls).toEqual([[__HYPERVISOR_event_channel_op, 11, 22, 33, 0]]);
  expect(machine.registers.get(RAX)).toBe(-17);
  expect(data.at(machine.memory, image.data.toy as number).seen).toBe(-17);
});

test('KERN-3: text that is not there is no text: other bytes are #UD, unmapped ones a page fault', () => {
  const machine = new FlatMachine(image);
  const engine = new TextEngine(image);
  machine.registers.set(RIP, image.hypercallPage - PAGE_SIZE);
  engine.run(machine, 1);
  machine.registers.set(RIP, 0x4000);
  engine.run(machine, 1);
  expect(machine.exceptions.map(([vector]) => vector)).toEqual([6, 14]);
  expect(machine.exceptions[1]?.[2]).toBe(0x4000);
});

test('KERN-4: a fault within a macro-instruction leaves rip on it', () => {
  const { machine } = run('out_of_reach');
  expect(machine.exceptions[0]).toEqual([14, 4, 0x1000, image.sym('out_of_reach')]);
});

test('KERN-5: amnesia mode catches a guest object that keeps state', () => {
  expect(run('forgetful').rax).toBe(1);
  expect(() => run('forgetful', 0, true)).toThrow(TypeError);
});

test('KERN-6: time passes as the text declares it; what is called and bulk work add theirs', () => {
  expect(run('add').machine.elapsed_ns).toBe(1000);
  expect(run('busy').machine.elapsed_ns).toBe(2000 + 1000 + 250);
});
