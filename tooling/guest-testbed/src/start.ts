/*
 * Start of day, the console, and what the host asks for.
 */
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  CALLBACKOP_register,
  CALLBACKTYPE_event,
  callback_register,
  FLAT_KERNEL_CS,
  FLAT_KERNEL_SS,
  start_info,
  xencons_interface,
} from '@port-xen/abi';
import {
  call,
  done,
  goto,
  IPL_SOFTSERIAL,
  KERNBASE,
  kassert,
  L_IDLE,
  leaf,
  PAGE_SIZE,
  Panic,
  PRI_IDLE,
  push64,
  raw,
  routine,
  saveTrapframe,
  type Text,
} from '@port-xen/kern';
import { i64, ldI64, struct, textOf, u64 } from '@port-xen/layout';
import { RIP, RSI, RSP } from '@port-xen/vcpu';
import type { TestMachine } from './test-machine.ts';
import { startTicks } from './ticks.ts';

/** Vectors with an entry, and whether Xen pushes an error code for it. */
const TRAPS: readonly (readonly [vector: number, error: boolean])[] = [
  [6, false],
  [13, true],
  [14, true],
];
const OUT_SIZE = 2048;

const note = ({ base }: TestMachine): void => {
  const { d, cpu, startInfo: si } = base;
  const page = (offset: number): number =>
    KERNBASE + base.pmap.paOf(ldI64(cpu.memory, si.address + offset));
  d.store_page = page(start_info.offset.store_mfn);
  d.console_page = page(start_info.offset.console);
  d.p2m = ldI64(cpu.memory, si.address + start_info.offset.mfn_list);
  d.nr_pages = si.nr_pages;
};

const register = ({ base }: TestMachine): void => {
  const { cpu, d, kern } = base;
  TRAPS.forEach(([vector], i) => {
    const entry = d.xen_idt.at(i);
    entry.vector = vector;
    entry.cs = FLAT_KERNEL_CS;
    entry.address_ = cpu.sym(`test_trap${vector}`);
  });
  cpu.hypercall(__HYPERVISOR_set_trap_table, d.xen_idt.address(0));
  const op = kern.args.at(callback_register);
  op.type = CALLBACKTYPE_event;
  op.address_ = cpu.sym('hypervisor_callback');
  const rc = cpu.hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, op.address);
  kassert(rc === 0, `test kernel: the callback cannot be registered: error ${-rc}`);
};

/** Ports that a life of the domain has from Xen: at boot and after a restore. */
export const takePorts = ({ base, parts }: TestMachine): void => {
  const { d, cpu } = base;
  const port = parts.evtchn.allocUnbound(0);
  parts.evtchn.setHandler(port, cpu.sym('test_command'), 0, IPL_SOFTSERIAL, 'command');
  parts.evtchn.enable(port);
  d.command_port = port;
  if (parts.shutdown !== undefined) return;
  const suspend = parts.evtchn.allocUnbound(0);
  parts.evtchn.setHandler(suspend, cpu.sym('test_suspend_asked'), 0, IPL_SOFTSERIAL, 'suspend');
  parts.evtchn.enable(suspend);
  d.suspend_port = suspend;
};

/** Tells the host where commands go. */
export const sayWhere = ({ base }: TestMachine): void => {
  const { d, kern, pmap } = base;
  kern.msgbuf.printf(
    `test: life ${d.lives} command ${d.command_port} mfn ${pmap.mfnOf(base.pages - KERNBASE)} suspend ${d.suspend_port}\n`,
  );
};

const booting = struct('test_boot_locals', { hypervisor: i64, pad: u64 });
const commanding = struct('test_command_locals', { pad: u64 });

export const startText: Text<TestMachine> = {
  test_start: raw((m, cpu) => {
    const { base, parts } = m;
    const { sched, callout, spl } = base.kern;
    base.d.start_info = cpu.registers.get(RSI);
    note(m);
    base.pmap.kenterMa(spl.sharedInfo, Math.floor(base.startInfo.shared_info / PAGE_SIZE), true);
    base.pmap.mapUser();
    base.pmap.publishP2m(spl.sharedInfo);
    register(m);
    parts.evtchn.reset();
    callout.init();
    const main = sched.adoptBoot('main');
    sched.create('idle', cpu.sym('idle_loop'), 0, PRI_IDLE, L_IDLE);
    cpu.hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, main.l_stack);
    cpu.registers.set(RSP, main.l_stack);
    push64(cpu, cpu.sym('lwp_exit'));
    cpu.registers.set(RIP, cpu.sym('test_boot'));
  }),

  test_boot: routine(booting, {
    start: (m, l) => {
      const { base, parts } = m;
      const { autoconf, sched, msgbuf } = base.kern;
      const { cpu } = base;
      parts.xengnt?.init(base.grantTable);
      parts.evtchn.init();
      const mainbus = autoconf.attach('mainbus0', 0, 0);
      autoconf.pmfRegister(mainbus, 0, 0);
      const hypervisor = autoconf.attach('hypervisor0', mainbus.address, 0);
      autoconf.pmfRegister(
        hypervisor,
        cpu.sym('test_hypervisor_suspend'),
        cpu.sym('test_hypervisor_resume'),
      );
      l.hypervisor = hypervisor.address;
      if (parts.console === undefined) msgbuf.setConsole(cpu.sym('test_print'));
      else {
        const dv = autoconf.attach('xencons0', hypervisor.address, 0);
        autoconf.pmfRegister(dv, cpu.sym('test_xencons_suspend'), cpu.sym('test_xencons_resume'));
        parts.console.attach(base.d.console_page, base.consolePort);
      }
      parts.clock?.initclocks(textOf(base.startInfo.cmd_line));
      startTicks(m);
      takePorts(m);
      sched.create('commander', cpu.sym('test_commander'), 0);
      sched.create('sysmon', cpu.sym('test_sysmon'), 0);
      if (m.attach === '') return goto('attached');
      return call('attached', cpu.sym(m.attach), l.hypervisor);
    },
    attached: (m) => {
      sayWhere(m);
      return done();
    },
  }),

  /** What was printed, into the console ring; what it has no room for stays in the message buffer. */
  test_print: leaf((m) => {
    const { d, kern, cpu, consolePort } = m.base;
    const page = d.console_page;
    const ring = xencons_interface.at(cpu.memory, page);
    for (const byte of kern.msgbuf.textFrom(d.shown)) {
      if ((ring.out_prod - ring.out_cons) >>> 0 === OUT_SIZE) break;
      cpu.memory.st8(page + xencons_interface.offset.out + (ring.out_prod & (OUT_SIZE - 1)), byte);
      ring.out_prod = (ring.out_prod + 1) >>> 0;
      d.shown++;
    }
    m.parts.evtchn.notify(consolePort);
  }),

  test_command: leaf((m) => m.base.kern.sched.wakeup(m.base.pages)),

  /** Does what the host asks for, one thing after the other. */
  test_commander: routine(commanding, {
    next: (m) => {
      const { command: c, cpu, pages } = m.base;
      if (c.asked === 0) return call('next', cpu.sym('tsleep'), pages, 0);
      c.asked = 0;
      return call('answer', c.func, ...Array.from({ length: 6 }, (_, i) => c.arg.get(i)));
    },
    answer: (m, _, result) => {
      const { command: c } = m.base;
      c.result = result;
      c.answered++;
      return goto('next');
    },
  }),

  /** (func, arg, flags, priority): starts an lwp. */
  test_spawn: leaf((m, func, arg, flags, priority) => {
    m.base.kern.sched.create('spawned', func, arg, priority, flags);
  }),

  ...Object.fromEntries(
    TRAPS.map(([vector, error]) => [
      `test_trap${vector}`,
      raw<TestMachine>((_, cpu) => {
        const tf = saveTrapframe(cpu, vector, error);
        throw new Panic(`trap ${vector} at ${cpu.symbolAt(tf.tf_rip)}`);
      }),
    ]),
  ),
};
