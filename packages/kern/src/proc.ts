/*
 * A process (sys/proc.h) and its descriptors, as they lie in memory: what a program is while it runs, and what is left of it until somebody has
 * waited for it. Its processor state is its lwp's.
 */
import { array, i32, i64, struct, u32, u64, type View } from '@port-xen/layout';

export const NPROC = 24;
export const NOFILE = 16;

export const file = struct('file', {
  f_cdev: i64,
  f_offset: u64,
  /** open(2)'s flags. */
  f_flag: u32,
});

export const proc = struct('proc', {
  p_pid: u32,
  p_exited: u32,
  /** exit(2)'s argument, or 128 and a signal's number. */
  p_xstat: i32,
  p_lwp: i64,
  /** Who waits for it; 0: the kernel. */
  p_parent: i64,
  /** The signal that ends it when it is about to run again; 0: none. */
  p_signal: u32,
  /** Its address space; 0 once it has ended. */
  p_vmspace: i64,
  p_fd: array(file, NOFILE),
});

export type Proc = View<typeof proc>;
