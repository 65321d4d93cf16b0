/*
 * Processes are made and become others (kern_fork.c, kern_exec.c).
 *
 *     fork     a copy of the address space, copy-on-write, and an lwp that returns 0 from the same call
 *     execve   another program's memory instead of its own; the old one is given back
 */
import {
  call,
  done,
  E2BIG,
  EAGAIN,
  EFAULT,
  ENOMEM,
  goto,
  type Next,
  PSL_C,
  routine,
  type Text,
  trapframe,
} from '@port-xen/kern';
import {
  array,
  bytes,
  cString,
  i64,
  ldI64,
  struct,
  textOf,
  u32,
  u64,
  type View,
} from '@port-xen/layout';
import { ARG_MAX, costOf, isRefused, type Loaded, load, startFrame, startLwp } from './exec.ts';
import type { Machdep } from './machdep.ts';

const NAME_MAX = 32;
const NARG = 256;

const forking = struct('fork_locals', { child: i64, pad: u64 });
const executing = struct('execve_locals', {
  /** The address space that is left. */
  old: i64,
  vector: i64,
  /** argv[argc]. */
  pointer: i64,
  argc: u32,
  pad: u32,
  /** Bytes of `strings` that are in use. */
  used: u32,
  strings: bytes(ARG_MAX),
  offsets: array(u32, NARG),
});

type Executing = View<typeof executing>;

const STRINGS = executing.offset.strings;

const argvOf = (l: Executing): string[] =>
  Array.from({ length: l.argc }, (_value, i) =>
    textOf(l.strings.subarray(i === 0 ? 0 : l.offsets.get(i))),
  );

/** The running process is another program from here on. */
const become = (m: Machdep, l: Executing, loaded: Loaded): Next => {
  const { sched, syscalls } = m.kern;
  const p = syscalls.curproc;
  const lwp = sched.curlwp;
  l.old = p.p_vmspace;
  p.p_vmspace = loaded.vmspace;
  lwp.l_pmap = m.uvm.maps.at(loaded.vmspace).vm_pmap;
  lwp.l_name = cString(loaded.image.program.name.slice(0, 15));
  m.pmap.users.activate(lwp.l_pmap);
  startFrame(syscalls.frame, loaded);
  return call('done', m.kern.cpu.sym('uvmspace_free'), l.old);
};

export const processText: Text<Machdep> = {
  sys_fork: routine(forking, {
    start: (m, l) => {
      const { syscalls } = m.kern;
      const child = syscalls.newProc();
      if (child === undefined) return done(-EAGAIN);
      const parent = syscalls.curproc;
      l.child = child.address;
      child.p_parent = parent.address;
      syscalls.copyFiles(parent, child);
      return call('copied', m.kern.cpu.sym('uvmspace_fork'), parent.p_vmspace);
    },
    copied: (m, l, vmspace) => {
      const { syscalls, sched, cpu } = m.kern;
      const child = syscalls.procAt(l.child);
      if (vmspace === 0) {
        syscalls.freeProc(child);
        return done(-ENOMEM);
      }
      const name = sched.nameOf(sched.d.curlwp);
      startLwp(m, child, vmspace, name, (tf) => {
        const registers = new Uint8Array(trapframe.size);
        cpu.memory.read(syscalls.frame.address, registers);
        cpu.memory.write(tf.address, registers);
        tf.tf_rax = 0;
        tf.tf_rflags &= ~PSL_C;
      });
      return done(child.p_pid);
    },
  }),

  /** (path, argv, _): the program of that name, with argv for its arguments. */
  sys_execve: routine(executing, {
    start: (m, l, path, argv) => {
      l.vector = argv;
      return call('named', m.kern.cpu.sym('uvm_copyinstr'), path, l.address + STRINGS, NAME_MAX);
    },
    /** The name is argv[0], whatever the caller put there. */
    named: (_, l, length) => {
      if (length < 0) return done(length);
      l.used = length + 1;
      l.argc = 1;
      return goto('argument');
    },
    argument: (m, l) => {
      const pointer = l.vector + 8 * l.argc;
      return call('pointed', m.kern.cpu.sym('uvm_vslock'), pointer, 8, 0);
    },
    pointed: (m, l, wired) => {
      if (wired !== 8) return done(-EFAULT);
      const at = l.vector + 8 * l.argc;
      l.pointer = ldI64(m.kern.cpu.memory, at);
      return call('unlocked', m.kern.cpu.sym('uvm_vsunlock'), at, 8);
    },
    unlocked: (m, l) => {
      if (l.pointer === 0) return goto('load');
      if (l.argc === NARG || l.used >= ARG_MAX) return done(-E2BIG);
      l.offsets.set(l.argc, l.used);
      const to = l.address + STRINGS + l.used;
      return call('copied', m.kern.cpu.sym('uvm_copyinstr'), l.pointer, to, ARG_MAX - l.used);
    },
    copied: (_, l, length) => {
      if (length < 0) return done(length);
      l.used += length + 1;
      l.argc++;
      return goto('argument');
    },
    load: (m, l) => {
      const loaded = load(m, argvOf(l));
      if (!isRefused(loaded)) return become(m, l, loaded);
      if (loaded.error !== ENOMEM) return done(-loaded.error);
      return call('waited', m.kern.cpu.sym('uvm_wait'), costOf(m, argvOf(l)));
    },
    waited: (m, l, error) => {
      if (error !== 0) return done(-error);
      const loaded = m.uvm.pages.inTurn(() => load(m, argvOf(l)));
      return isRefused(loaded) ? done(-loaded.error) : become(m, l, loaded);
    },
    done: () => done(0),
  }),
};
