/*
 * Exceptions (sys/arch/amd64/amd64/trap.c). A kernel that faults is broken: it panics, with what it was doing. A program
 * that faults ends.
 */
import {
  call,
  done,
  fromUser,
  Panic,
  raw,
  routine,
  saveTrapframe,
  type Text,
  type Trapframe,
  trapframe,
} from '@port-xen/kern';
import { i64, ldI64, struct, u64 } from '@port-xen/layout';
import { hex64, RDI, RIP } from '@port-xen/vcpu';
import type { Machdep } from './machdep.ts';
import { TRAP_VECTORS } from './start-of-day.ts';

const TRAP_page_fault = 14;
/** Vectors with an error code. */
const HAS_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
/** Exit status of a program that faulted: 128 + SIGSEGV. */
const STATUS_SEGV = 139;

const NAMES: Readonly<Record<number, string>> = {
  0: 'divide error',
  6: 'illegal instruction',
  13: 'protection fault',
  14: 'page fault',
};

const describe = (m: Machdep, tf: Trapframe): string => {
  const name = NAMES[tf.tf_trapno] ?? `trap ${tf.tf_trapno}`;
  const cr2 = ldI64(m.kern.cpu.memory, m.kern.spl.vcpuInfo.arch.address);
  const at = tf.tf_trapno === TRAP_page_fault ? ` on address ${hex64(cr2)}` : '';
  const where = fromUser(tf) ? hex64(tf.tf_rip) : m.kern.cpu.symbolAt(tf.tf_rip);
  return `${name}${at}, error code ${tf.tf_err}, at ${where}`;
};

const trap =
  (vector: number) =>
  (m: Machdep): void => {
    const { cpu } = m.kern;
    const tf = saveTrapframe(cpu, vector, HAS_ERROR.has(vector));
    if (!fromUser(tf)) throw new Panic(describe(m, tf));
    cpu.registers.set(RDI, tf.address);
    cpu.registers.set(RIP, cpu.sym('trap_kill'));
  };

const killing = struct('trap_kill_locals', { frame: i64, pad: u64 });

export const trapText: Text<Machdep> = {
  ...Object.fromEntries(
    TRAP_VECTORS.map((vector) => [`trap${vector}`, raw<Machdep>(trap(vector))]),
  ),

  /** (trapframe): the running program ends. */
  trap_kill: routine(killing, {
    start: (m, _, frame) => {
      const { syscalls, msgbuf, sched } = m.kern;
      const tf = trapframe.at(m.kern.cpu.memory, frame);
      const p = syscalls.curproc;
      msgbuf.printf(`pid ${p.p_pid} (${sched.nameOf(sched.d.curlwp)}): ${describe(m, tf)}\n`);
      syscalls.exit(STATUS_SEGV);
      return call('never', m.kern.cpu.sym('lwp_exit'));
    },
    never: () => done(),
  }),

  /** Xen could not reload a segment register for us: we never set one. */
  failsafe_callback: raw(() => {
    throw new Panic('failsafe callback: a segment register could not be loaded');
  }),
};
