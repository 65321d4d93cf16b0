/*
 * The end of a process (kern_exit.c).
 *
 *     exit     its memory is given back, its files are closed, its status is kept for its parent, who is woken
 *     wait4    the parent takes the status, and the process is gone
 *     kill     there are no handlers: whatever the signal, the process ends
 */
import { i32, i64, struct, u32 } from '@port-xen/layout';
import { copyout } from './copy.ts';
import { ECHILD, EFAULT, EINTR, EINVAL, EPERM, ESRCH } from './errno.ts';
import type { Proc } from './proc.ts';
import { PCATCH } from './sched.ts';
import type { Syscalls } from './syscalls.ts';
import { call, done, goto, leaf, routine, type Text } from './text.ts';
import { SIGNALED } from './trapframe.ts';

const WNOHANG = 1;
const NSIG = 64;

const leaving = struct('exit_locals', { status: i32, pad: u32 });
const waiting = struct('wait4_locals', { pid: i64, status: i64, options: u32, pad: u32 });

/** wait4's status word. */
const statusWord = (p: Proc): number =>
  p.p_xstat >= SIGNALED ? p.p_xstat - SIGNALED : (p.p_xstat & 0xff) << 8;

export const exitText: Text<Syscalls> = {
  sys_exit: routine(leaving, {
    start: (m, _, status) => call('never', m.cpu.sym('exit1'), status & 0xff),
    never: () => done(),
  }),

  /** (status): the running process ends. */
  exit1: routine(leaving, {
    start: (m, l, status) => {
      const p = m.curproc;
      const vmspace = p.p_vmspace;
      l.status = status;
      if (vmspace === 0) return goto('freed');
      p.p_vmspace = 0;
      // The scheduler must not make it current again: its page tables go first.
      m.sched.curlwp.l_pmap = 0;
      return call('freed', m.cpu.sym('uvmspace_free'), vmspace);
    },
    freed: (m, l) => {
      m.exit(l.status);
      return call('never', m.cpu.sym('lwp_exit'));
    },
    never: () => done(),
  }),

  /** (pid, signal): every signal ends the process, the next time that it is about to run; 0 only asks whether it is there. */
  sys_kill: leaf((m, pid, signal) => {
    if (signal < 0 || signal > NSIG) return -EINVAL;
    const p = m.find(pid);
    if (p === undefined) return -ESRCH;
    if (p.p_pid === 1 && signal !== 0) return -EPERM;
    if (signal === 0 || p.p_signal !== 0) return 0;
    p.p_signal = signal;
    m.sched.interrupt(m.sched.at(p.p_lwp));
    return 0;
  }),

  /** (pid or -1, status, options): waits for a child's end. @returns its pid, 0 with WNOHANG while there is none, -ECHILD */
  sys_wait4: routine(waiting, {
    start: (_, l, pid, status, options) => {
      l.pid = pid;
      l.status = status;
      l.options = options;
      return goto('look');
    },
    look: (m, l, error) => {
      if (error === EINTR) return done(-EINTR);
      const self = m.curproc.address;
      const children = m.childrenOf(self).filter((p) => l.pid < 0 || p.p_pid === l.pid);
      if (children.length === 0) return done(-ECHILD);
      const ended = children.find((p) => p.p_exited !== 0);
      if (ended === undefined) {
        if ((l.options & WNOHANG) !== 0) return done(0);
        return call('look', m.cpu.sym('tsleep'), m.childChannel(self), 0, PCATCH);
      }
      const pid = ended.p_pid;
      const status = new Uint8Array(Int32Array.of(statusWord(ended)).buffer);
      if (l.status !== 0 && !copyout(m.cpu, l.status, status)) return done(-EFAULT);
      m.freeProc(ended);
      return done(pid);
    },
  }),
};
