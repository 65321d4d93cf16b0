export { Autoconf, type Device, DVF_ACTIVE, device } from './autoconf.ts';
export { B_FLUSH, B_MEDIA_FUA, B_READ, type Buf, BufPool, buf, DEV_BSIZE, MAXPHYS } from './buf.ts';
export { CALLOUT_PENDING, Callout, callout } from './callout.ts';
export { Cdevsw, cdev } from './cdev.ts';
export { copyin, copyinstr, copyout, VM_MAXUSER_ADDRESS } from './copy.ts';
export { Cpu } from './cpu.ts';
export { elfFile } from './elf.ts';
export { BUILD_ID_OFFSET, BUILD_ID_SIZE, ownBuildId, ownNote } from './elf-notes.ts';
export { TextEngine, type TextEngineOptions } from './engine.ts';
export * from './errno.ts';
export { HypercallArgs } from './hypercall-args.ts';
export {
  HYPERCALL_PAGE,
  KERNBASE,
  KERNTEXTOFF,
  KernelImage,
  NOTES_ADDRESS,
  PAGE_SIZE,
  type ProgramImage,
} from './image.ts';
export { type Kern, kernLinked, kernModules, linkKern } from './kern.ts';
export type { KernelSpec, Linked, LinkedEntry, ModuleSpec } from './kernel-spec.ts';
export {
  L_IDLE,
  L_USER,
  type Lwp,
  lwp,
  NLWP,
  PRI_IDLE,
  PRI_KTHREAD,
  PRI_USER,
  UAREA_SIZE,
} from './lwp.ts';
export { attachMm } from './mm.ts';
export { MSGBUF_SIZE, Msgbuf } from './msgbuf.ts';
export { kassert, Panic } from './panic.ts';
export { NPROC, type Proc } from './proc.ts';
export {
  type Program,
  SYSCALL_STUB,
  syscall,
  USER_DATA,
  USER_TEXT,
  type UserContext,
} from './program.ts';
export { EWOULDBLOCK, PCATCH, Sched } from './sched.ts';
export { type SharedInfoLayout, XEN2_SHARED_INFO, XEN3_SHARED_INFO } from './shared-info.ts';
export { Softint } from './softint.ts';
export {
  IPL_HIGH,
  IPL_NONE,
  IPL_SCHED,
  IPL_SOFTBIO,
  IPL_SOFTCLOCK,
  IPL_SOFTNET,
  IPL_SOFTSERIAL,
  IPL_VM,
  NIPL,
  Spl,
} from './spl.ts';
export { push64 } from './stack.ts';
export * from './syscall-number.ts';
export { O_ACCMODE, O_DSYNC, O_RDWR, type Operand, Syscalls } from './syscalls.ts';
export {
  call,
  DEFAULT_NS,
  done,
  type Entry,
  goto,
  hypercall,
  type Leaf,
  leaf,
  type Next,
  type Raw,
  type Routine,
  raw,
  routine,
  type Step,
  type Text,
} from './text.ts';
export { fromUser, PSL_C, PSL_I, saveTrapframe, type Trapframe, trapframe } from './trapframe.ts';
