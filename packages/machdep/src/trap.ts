/*
 * Exceptions (sys/arch/amd64/amd64/trap.c). A kernel that faults is broken: it panics, with what it was doing. A program
 * whose page is not there waits until it is, and goes on with the same macro-instruction; one that faults otherwise ends.
 */
import {
  call,
  done,
  ENOMEM,
  fromUser,
  goto,
  Panic,
  push64,
  raw,
  routine,
  saveTrapframe,
  type Text,
  type Trapframe,
  trapframe,
  VM_MAXUSER_ADDRESS,
} from '@port-xen/kern';
import { i64, ldI64, struct } from '@port-xen/layout';
import { hex64, PFEC_WRITE, RDI, RIP, RSI } from '@port-xen/vcpu';
import type { Machdep } from './machdep.ts';
import { TRAP_VECTORS } from './start-of-day.ts';

const TRAP_page_fault = 14;
/** Vectors with an error code. */
const HAS_ERROR: readonly number[] = [8, 10, 11, 12, 13, 14, 17];
/** Exit status of a program that faulted: 128 + SIGSEGV. */
const STATUS_SEGV = 139;
/** Of one for whose page there was neither memory nor swap: 128 + SIGKILL. */
const STATUS_KILL = 137;

const NAMES: Readonly<Record<number, string>> = {
  0: 'divide error',
  6: 'illegal instruction',
  13: 'protection fault',
  14: 'page fault',
};

/** The address that the last page fault was about. */
const faultAddress = (m: Machdep): number =>
  ldI64(m.kern.cpu.memory, m.kern.spl.vcpu + m.kern.spl.layout.cr2);

const describe = (m: Machdep, tf: Trapframe, cr2: number): string => {
  const name = NAMES[tf.tf_trapno] ?? `trap ${tf.tf_trapno}`;
  const at = tf.tf_trapno === TRAP_page_fault ? ` on address ${hex64(cr2)}` : '';
  const where = fromUser(tf) ? hex64(tf.tf_rip) : m.kern.cpu.symbolAt(tf.tf_rip);
  return `${name}${at}, error code ${tf.tf_err}, at ${where}`;
};

const trap =
  (vector: number) =>
  (m: Machdep): void => {
    const { cpu } = m.kern;
    const tf = saveTrapframe(cpu, vector, HAS_ERROR.includes(vector));
    if (!fromUser(tf)) throw new Panic(describe(m, tf, faultAddress(m)));
    // What handles it returns to the program, if it returns.
    push64(cpu, cpu.sym('trap_return'));
    cpu.registers.set(RDI, tf.address);
    cpu.registers.set(RSI, faultAddress(m));
    cpu.registers.set(RIP, cpu.sym(vector === TRAP_page_fault ? 'trap_page_fault' : 'trap_kill'));
  };

const handling = struct('trap_locals', { frame: i64, cr2: i64 });

export const trapText: Text<Machdep> = {
  ...Object.fromEntries(
    TRAP_VECTORS.map((vector) => [`trap${vector}`, raw<Machdep>(trap(vector))]),
  ),

  /** (trapframe, address): the running program touched a page that is not there, or not for what it did. */
  trap_page_fault: routine(handling, {
    start: (m, l, frame, address) => {
      const { cpu, syscalls } = m.kern;
      l.frame = frame;
      l.cr2 = address;
      if (address < 0 || address >= VM_MAXUSER_ADDRESS) return goto('kill');
      const write = (trapframe.at(cpu.memory, frame).tf_err & PFEC_WRITE) !== 0 ? 1 : 0;
      return call('resolved', cpu.sym('uvm_fault'), syscalls.curproc.p_vmspace, address, write);
    },
    resolved: (_, __, error) => {
      if (error === 0) return done();
      return goto(error === ENOMEM ? 'out of swap' : 'kill');
    },
    'out of swap': (m) => {
      const { syscalls, msgbuf, sched, cpu } = m.kern;
      const name = sched.nameOf(sched.d.curlwp);
      msgbuf.printf(`UVM: pid ${syscalls.curproc.p_pid} (${name}), uid 0 killed: out of swap\n`);
      return call('never', cpu.sym('exit1'), STATUS_KILL);
    },
    kill: (m, l) => call('never', m.kern.cpu.sym('trap_kill'), l.frame, l.cr2),
    never: () => done(),
  }),

  /** (trapframe, address): the running program ends. */
  trap_kill: routine(handling, {
    start: (m, _, frame, address) => {
      const { syscalls, msgbuf, sched, cpu } = m.kern;
      const tf = trapframe.at(cpu.memory, frame);
      const p = syscalls.curproc;
      const name = sched.nameOf(sched.d.curlwp);
      msgbuf.printf(`pid ${p.p_pid} (${name}): ${describe(m, tf, address)}\n`);
      return call('never', cpu.sym('exit1'), STATUS_SEGV);
    },
    never: () => done(),
  }),

  /** Xen could not reload a segment register for us: we never set one. */
  failsafe_callback: raw(() => {
    throw new Panic('failsafe callback: a segment register could not be loaded');
  }),
};
