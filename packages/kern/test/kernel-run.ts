/*
 * A kernel on a flat machine, for tests of what needs no Xen: a module `toy` with the test's text, a main lwp that is done at
 * once, and an idle one. The test calls leaves as an interrupt would, starts lwps, and counts ticks.
 */
import { __HYPERVISOR_sched_op, SCHEDOP_shutdown } from '@port-xen/abi';
import { array, i64, type Struct, struct, u32 } from '@port-xen/layout';
import { RAX, RCX, RDI, RDX, RIP, RSI, RSP } from '@port-xen/vcpu';
import {
  done,
  type Kern,
  KernelImage,
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

const LOG = 512;
const log_data = struct('log_data', { length: u32, entries: array(i64, LOG) });
const none = struct('toy_none', { pad: i64 });

/** What the test's text works on. */
export interface Toy {
  readonly kern: Kern;
  /** Address of the test's own data. */
  readonly data: number;
  write(value: number): void;
}

class ToyModule implements Toy {
  readonly kern: Kern;
  readonly data: number;
  readonly log: number;
  constructor(kern: Kern, data: number, log: number) {
    this.kern = kern;
    this.data = data;
    this.log = log;
  }
  write(value: number): void {
    const d = log_data.at(this.kern.cpu.memory, this.log);
    d.entries.set(d.length++, value);
  }
}

const harness: Text<ToyModule> = {
  toy_boot: raw((m, cpu) => {
    const { sched, callout, spl } = m.kern;
    callout.init();
    spl.setDispatch(cpu.sym('toy_dispatch'));
    const main = sched.adoptBoot('main');
    sched.create('idle', cpu.sym('idle_loop'), 0, PRI_IDLE, L_IDLE);
    cpu.registers.set(RSP, main.l_stack);
    push64(cpu, cpu.sym('lwp_exit'));
    cpu.registers.set(RIP, cpu.sym('toy_main'));
  }),
  toy_main: routine(none, { start: () => done() }),
  /** (level): what is pending above it, the highest first. */
  toy_dispatch: leaf((m, level) => {
    const { spl, softint } = m.kern;
    for (let at = spl.takePending(level); at >= 0; at = spl.takePending(level)) softint.run(at);
  }),
  toy_tick: leaf((m) => {
    m.kern.callout.hardclock();
    m.kern.spl.splx(0);
  }),
  toy_spawn: leaf((m, func, arg, priority) => {
    m.kern.sched.create('toy', func, arg, priority);
  }),
};

/** Links a kernel with the test's text and data. */
export const toyImage = (text: Text<Toy>, data: Struct = none): KernelImage =>
  new KernelImage(
    {
      name: 'toy',
      version: '0',
      entry: 'toy_boot',
      programs: [],
      modules: {
        ...kernModules,
        log: { data: log_data },
        harness: { text: harness },
        toy: { data, text },
      },
      link: (cpu, at) => {
        const kern = linkKern(cpu, at);
        const toy = new ToyModule(kern, at.toy as number, at.log as number);
        return { ...kernLinked(kern), harness: toy, toy };
      },
    },
    new Uint8Array(20),
  );

const ARGUMENTS = [RDI, RSI, RDX, RCX];

/** The kernel, booted and idle. */
export class KernelRun {
  readonly image: KernelImage;
  readonly machine: FlatMachine;
  readonly engine: TextEngine;

  constructor(image: KernelImage, amnesia: boolean) {
    this.image = image;
    this.machine = new FlatMachine(image);
    this.engine = new TextEngine(image, { amnesia });
    this.machine.registers.set(RIP, image.sym('toy_boot'));
    this.settle();
  }

  /** One instruction. @throws Error with the kernel's last words when it shuts itself down */
  step(): void {
    this.machine.stop = false;
    this.engine.run(this.machine, 1);
    const [number, command] = this.machine.hypercalls.at(-1) ?? [];
    if (number === __HYPERVISOR_sched_op && command === SCHEDOP_shutdown) {
      throw new Error(this.messages.split('\n').at(-2));
    }
  }

  /** Runs until the idle lwp blocks. */
  settle(): void {
    for (let i = 0; i < 20_000; i++) {
      const before = this.machine.hypercalls.length;
      this.step();
      const made = this.machine.hypercalls.slice(before);
      if (made.some(([number]) => number === __HYPERVISOR_sched_op)) return;
      if (this.machine.exceptions.length > 0) throw new Error('an exception');
    }
    throw new Error('expected the kernel to become idle');
  }

  /** Calls a leaf in the middle of whatever runs, as an interrupt does. @returns its result */
  call(symbol: string, ...args: readonly number[]): number {
    const { registers, memory } = this.machine;
    const saved = registers.words.slice();
    push64({ registers, memory } as never, 0);
    ARGUMENTS.forEach((register, i) => {
      registers.set(register, args[i] ?? 0);
    });
    registers.set(RIP, this.image.sym(symbol));
    for (let i = 0; registers.get(RIP) !== 0; i++) {
      if (i > 1000) throw new Error(`expected ${symbol} to return`);
      this.step();
    }
    const result = registers.get(RAX);
    registers.words.set(saved);
    return result;
  }

  /** A tick of the clock; then whatever it has woken runs. */
  tick(): void {
    this.call('toy_tick');
    this.settle();
  }

  spawn(symbol: string, arg = 0, priority = 128): void {
    this.call('toy_spawn', this.image.sym(symbol), arg, priority);
  }

  /** What the text has written, in order. */
  get log(): number[] {
    const { length, entries } = log_data.at(this.machine.memory, this.image.data.log as number);
    return Array.from({ length }, (_, i) => entries.get(i));
  }

  /** What the kernel has printed. */
  get messages(): string {
    const text = new Uint8Array(4096);
    this.machine.memory.read((this.image.data.msgbuf as number) + 16, text);
    return String.fromCharCode(...text).replace(/\0.*$/s, '');
  }
}

/** Both ways in which guest tests are run. */
export const MODES = [
  ['plain', false],
  ['amnesia', true],
] as const;
