/*
 * System calls. A program executes SYSCALL; Xen switches to the kernel's page tables and enters `syscall_entry` with its
 * bounce frame on the lwp's kernel stack. The numbers and the convention are NetBSD's: the carry flag says that rax is an
 * errno.
 *
 *     stack:  | trapframe | Xen's frame |  and, while the call runs, `syscall_return` below it
 */
import { array, i64, struct, u32, type View } from '@port-xen/layout';
import { RCX, RDI, RDX, RIP, RSI, RSP } from '@port-xen/vcpu';
import type { Cdevsw } from './cdev.ts';
import type { Cpu } from './cpu.ts';
import { EMFILE } from './errno.ts';
import { type file, NOFILE, NPROC, type Proc, proc } from './proc.ts';
import type { Sched } from './sched.ts';
import { push64 } from './stack.ts';
import { SYS_MAXSYSCALL } from './syscall-number.ts';
import { PSL_C, saveTrapframe, type Trapframe, trapframe } from './trapframe.ts';

/** The process whose end is the domain's. */
const INIT_PID = 1;
/** The most that one read or write moves, bytes: so much of a program's memory is wired at once. */
export const MAXTRANSFER = 2 ** 20;

/** open(2): what is to be done with the file is one of O_RDONLY, O_WRONLY and O_RDWR: 0, 1, 2. */
export const O_ACCMODE = 3;
export const O_RDWR = 2;
/** open(2): a write returns when what it wrote is on the medium. */
export const O_DSYNC = 0x1_0000;

/**
 * Memory of the program that a system call works on. Its pages are faulted in and wired while the call runs, so that neither the
 * kernel's copies nor a device's transfers meet one that is not there.
 */
export interface Operand {
  /** Which argument points to it. */
  readonly pointer: number;
  /** Bytes: as many of them as there are, for the call's own copies find out about the others. */
  readonly size?: number;
  /** Or the argument that says how many bytes; all of them have to be there. */
  readonly length?: number;
  /** The call stores there. */
  readonly write?: boolean;
}

/** Operands of one system call. */
export const NOPERAND = 4;

const operand = struct('sy_operand', {
  /** Which argument, plus one; 0: no operand. */
  so_pointer: u32,
  so_length: u32,
  so_size: u32,
  so_write: u32,
});

const sysent = struct('sysent', { sy_call: i64, sy_operands: array(operand, NOPERAND) });

export const syscalls_data = struct('syscalls_data', {
  nextpid: u32,
  procs: array(proc, NPROC),
  sysent: array(sysent, SYS_MAXSYSCALL),
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

  /** Says which text serves a system call, and which of the program's memory it needs. */
  setHandler(number: number, symbol: string, ...operands: readonly Operand[]): void {
    const entry = this.#d.sysent.at(number);
    entry.sy_call = this.cpu.sym(symbol);
    operands.forEach(({ pointer, size, length, write }, i) => {
      const so = entry.sy_operands.at(i);
      so.so_pointer = pointer + 1;
      so.so_length = length === undefined ? 0 : length + 1;
      so.so_size = size ?? 0;
      so.so_write = write ? 1 : 0;
    });
  }

  /** What is known of a system call; undefined for one that there is not. */
  entryOf(number: number): View<typeof sysent> | undefined {
    if (number <= 0 || number >= SYS_MAXSYSCALL) return undefined;
    const entry = this.#d.sysent.at(number);
    return entry.sy_call === 0 ? undefined : entry;
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

  /** fd_copy: a child has its parent's files, sockets too, at the offsets at which they stand. */
  copyFiles(parent: Proc, child: Proc): void {
    for (let fd = 0; fd < NOFILE; fd++) {
      const from = parent.p_fd.at(fd);
      const to = child.p_fd.at(fd);
      to.f_cdev = from.f_cdev;
      to.f_offset = from.f_offset;
      to.f_flag = from.f_flag;
    }
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
  openFile(cdevAddress: number, flags = 0): number {
    const { p_fd } = this.curproc;
    for (let fd = 0; fd < NOFILE; fd++) {
      const f = p_fd.at(fd);
      if (f.f_cdev !== 0) continue;
      f.f_cdev = cdevAddress;
      f.f_offset = 0;
      f.f_flag = flags;
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
    // fork(2) has given descriptors to others too.
    if (dev.d_close !== 0 && !this.#isOpen(dev.address)) this.cpu.call(dev.d_close, dev.d_softc);
    return true;
  }

  /** Whether a descriptor of any process is for the device. */
  #isOpen(cdevAddress: number): boolean {
    const { procs } = this.#d;
    for (let i = 0; i < NPROC; i++) {
      const p = procs.at(i);
      if (p.p_pid === 0) continue;
      for (let fd = 0; fd < NOFILE; fd++) if (p.p_fd.at(fd).f_cdev === cdevAddress) return true;
    }
    return false;
  }

  /** From Xen: rsp at the bounce frame, user registers as the program left them. */
  entry(): void {
    const { cpu } = this;
    const tf = saveTrapframe(cpu, 0, false);
    const entry = this.entryOf(tf.tf_rax);
    push64(cpu, cpu.sym('syscall_return'));
    const r = cpu.registers;
    r.set(RDI, tf.tf_rdi);
    r.set(RSI, tf.tf_rsi);
    r.set(RDX, tf.tf_rdx);
    r.set(RCX, tf.tf_r10);
    if (entry === undefined) r.set(RIP, cpu.sym('sys_nosys'));
    else {
      const wired = entry.sy_operands.at(0).so_pointer !== 0;
      r.set(RIP, wired ? cpu.sym('syscall_wired') : entry.sy_call);
    }
  }

  /** The number of the system call that the running lwp is in. */
  get number(): number {
    return this.frame.tf_rax;
  }

  /** The registers of the program that is in a system call. */
  get frame(): Trapframe {
    const frame = this.sched.curlwp.l_stack - trapframe.size;
    return trapframe.at(this.cpu.memory, frame);
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

  /** The running process ends: that is known to whoever waits for it; one that nobody waits for is gone. */
  exit(status: number): void {
    const p = this.curproc;
    for (let fd = 0; fd < NOFILE; fd++) this.closeFile(fd);
    p.p_exited = 1;
    p.p_xstat = status;
    for (const child of this.childrenOf(p.address)) {
      child.p_parent = 0;
      if (child.p_exited !== 0) this.freeProc(child);
    }
    this.sched.wakeup(p.address);
    if (p.p_parent !== 0) this.sched.wakeup(this.childChannel(p.p_parent));
    else if (p.p_pid !== INIT_PID) this.freeProc(p);
  }

  /** The signal that ends the running process; 0: none, or it is a kernel lwp that runs. */
  get signal(): number {
    const { l_proc } = this.sched.curlwp;
    return l_proc === 0 ? 0 : this.procAt(l_proc).p_signal;
  }

  /** The live process of a number. */
  find(pid: number): Proc | undefined {
    const { procs } = this.#d;
    for (let i = 0; i < NPROC; i++) {
      const p = procs.at(i);
      if (p.p_pid === pid && pid !== 0 && p.p_exited === 0) return p;
    }
    return undefined;
  }

  /** What a process sleeps on while it waits for its children. */
  childChannel(parent: number): number {
    return parent + proc.offset.p_exited;
  }

  /** The processes that are waited for by the one at an address. */
  childrenOf(parent: number): Proc[] {
    const { procs } = this.#d;
    const children: Proc[] = [];
    for (let i = 0; i < NPROC; i++) {
      const p = procs.at(i);
      if (p.p_pid !== 0 && p.p_parent === parent) children.push(p);
    }
    return children;
  }
}
