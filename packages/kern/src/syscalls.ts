/*
 * System calls. A program executes SYSCALL; Xen switches to the kernel's page tables and enters `syscall_entry` with its
 * bounce frame on the lwp's kernel stack. The numbers and the convention are NetBSD's: the carry flag says that rax is an
 * errno.
 *
 *     stack:  | trapframe | Xen's frame |  and, while the call runs, `syscall_return` below it
 */
import { array, i32, i64, struct, u32, u64, type View } from '@port-xen/layout';
import { RCX, RDI, RDX, RIP, RSI, RSP } from '@port-xen/vcpu';
import type { Cdevsw } from './cdev.ts';
import type { Cpu } from './cpu.ts';
import { EMFILE } from './errno.ts';
import type { Sched } from './sched.ts';
import { push64 } from './stack.ts';
import { PSL_C, saveTrapframe, trapframe } from './trapframe.ts';

export const SYS_exit = 1;
export const SYS_read = 3;
export const SYS_write = 4;
export const SYS_open = 5;
export const SYS_close = 6;
export const SYS_lseek = 199;
export const SYS___sysctl = 202;
export const SYS_gettimeofday = 418;
export const SYS_settimeofday = 419;
export const SYS_adjtime = 421;
export const SYS_clock_gettime = 427;
export const SYS_clock_settime = 428;
export const SYS_clock_getres = 429;
export const SYS_nanosleep = 430;
export const SYS_MAXSYSCALL = 448;

export const NPROC = 16;
export const NOFILE = 16;

const file = struct('file', { f_cdev: i64, f_offset: u64 });

export const proc = struct('proc', {
  p_pid: u32,
  p_exited: u32,
  p_xstat: i32,
  p_lwp: i64,
  p_fd: array(file, NOFILE),
});

export type Proc = View<typeof proc>;

export const syscalls_data = struct('syscalls_data', {
  nextpid: u32,
  procs: array(proc, NPROC),
  sysent: array(i64, SYS_MAXSYSCALL),
});

export class Syscalls {
  readonly cpu: Cpu;
  readonly data: number;
  readonly sched: Sched;
  readonly cdevsw: Cdevsw;

  constructor(cpu: Cpu, data: number, sched: Sched, cdevsw: Cdevsw) {
    this.cpu = cpu;
    this.data = data;
    this.sched = sched;
    this.cdevsw = cdevsw;
  }

  get #d(): View<typeof syscalls_data> {
    return syscalls_data.at(this.cpu.memory, this.data);
  }

  /** Says which text serves a system call. */
  setHandler(number: number, symbol: string): void {
    this.#d.sysent.set(number, this.cpu.sym(symbol));
  }

  procAt(address: number): Proc {
    return proc.at(this.cpu.memory, address);
  }

  /** The running lwp's process. */
  get curproc(): Proc {
    return this.procAt(this.sched.curlwp.l_proc);
  }

  /** A new process without an lwp; file descriptors 0 to 2 are the console. @returns undefined when there is no room */
  newProc(): Proc | undefined {
    const d = this.#d;
    for (let i = 0; i < NPROC; i++) {
      const p = d.procs.at(i);
      if (p.p_pid !== 0) continue;
      this.cpu.memory.write(p.address, new Uint8Array(proc.size));
      p.p_pid = ++d.nextpid;
      const console = this.cdevsw.lookup('console');
      for (let fd = 0; fd < 3; fd++) p.p_fd.at(fd).f_cdev = console;
      return p;
    }
    return undefined;
  }

  freeProc(p: Proc): void {
    p.p_pid = 0;
  }

  /** The open file behind a descriptor of the running process. */
  fileOf(fd: number): View<typeof file> | undefined {
    if (fd < 0 || fd >= NOFILE) return undefined;
    const f = this.curproc.p_fd.at(fd);
    return f.f_cdev === 0 ? undefined : f;
  }

  /** @returns a descriptor of the running process for a device, or -errno */
  openFile(cdevAddress: number): number {
    const { p_fd } = this.curproc;
    for (let fd = 0; fd < NOFILE; fd++) {
      const f = p_fd.at(fd);
      if (f.f_cdev !== 0) continue;
      f.f_cdev = cdevAddress;
      f.f_offset = 0;
      return fd;
    }
    return -EMFILE;
  }

  /** Gives up a descriptor of the running process. @returns false when there is none of that number */
  closeFile(fd: number): boolean {
    const f = this.fileOf(fd);
    if (f === undefined) return false;
    const dev = this.cdevsw.at(f.f_cdev);
    f.f_cdev = 0;
    if (dev.d_close !== 0) this.cpu.call(dev.d_close, dev.d_softc);
    return true;
  }

  /** From Xen: rsp at the bounce frame, user registers as the program left them. */
  entry(): void {
    const { cpu } = this;
    const tf = saveTrapframe(cpu, 0, false);
    const { sysent } = this.#d;
    const number = tf.tf_rax;
    const known = number > 0 && number < SYS_MAXSYSCALL ? sysent.get(number) : 0;
    push64(cpu, cpu.sym('syscall_return'));
    const r = cpu.registers;
    r.set(RDI, tf.tf_rdi);
    r.set(RSI, tf.tf_rsi);
    r.set(RDX, tf.tf_rdx);
    r.set(RCX, tf.tf_r10);
    r.set(RIP, known !== 0 ? known : cpu.sym('sys_nosys'));
  }

  /** The handler returned `result`; rsp is at the trapframe. */
  return(result: number): void {
    const { cpu } = this;
    const tf = trapframe.at(cpu.memory, cpu.registers.get(RSP));
    if (result < 0) {
      tf.tf_rax = -result;
      tf.tf_rflags |= PSL_C;
    } else {
      tf.tf_rax = result;
      tf.tf_rflags &= ~PSL_C;
    }
    this.#userReturn();
  }

  /** On the way to user mode: gives the processor away first when somebody more urgent waits. */
  #userReturn(): void {
    const { cpu } = this;
    cpu.registers.set(RIP, cpu.sym('trap_return'));
    const d = this.sched.d;
    if (d.ci_want_resched !== 0 || d.sched_frozen !== 0) {
      push64(cpu, cpu.sym('trap_return'));
      cpu.registers.set(RIP, cpu.sym('yield'));
    }
  }

  /** The running process ends. */
  exit(status: number): void {
    const p = this.curproc;
    for (let fd = 0; fd < NOFILE; fd++) this.closeFile(fd);
    p.p_exited = 1;
    p.p_xstat = status;
    this.sched.wakeup(p.address);
  }
}
