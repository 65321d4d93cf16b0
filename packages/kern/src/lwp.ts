/*
 * An lwp (sys/lwp.h) as it lies in memory: its kernel stack, and why it does not run. What it was doing is on that stack.
 */
import { bytes, i32, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { callout } from './callout.ts';

export const NLWP = 40;
/** Bytes of kernel stack of an lwp. */
export const UAREA_SIZE = 8192;

export const LSIDL = 0;
export const LSRUN = 1;
export const LSSLEEP = 2;
export const LSONPROC = 3;

export const L_USER = 1;
export const L_IDLE = 2;
/** Asleep with PCATCH. */
export const L_SINTR = 4;

export const PRI_IDLE = 0;
export const PRI_USER = 64;
export const PRI_KTHREAD = 128;

export const lwp = struct('lwp', {
  l_stat: u32,
  l_flag: u32,
  l_priority: u32,
  l_lid: u32,
  l_wchan: i64,
  /** What tsleep returns: 0, EWOULDBLOCK or EINTR. */
  l_sleeperr: i32,
  l_sp: i64,
  /** Highest address of the kernel stack. */
  l_stack: i64,
  /** Order among equals: who became runnable first runs first. */
  l_stamp: u64,
  /** The user address space, 0 for a kernel lwp. */
  l_pmap: i64,
  l_proc: i64,
  l_name: bytes(16),
  l_slpcallout: nest(callout),
});

export type Lwp = View<typeof lwp>;
