/*
 * sysctl(3), as far as it is about time. A node is read whole; none can be written.
 *
 *     kern.clockrate        { hz, tick, tickadj, stathz, profhz }        int each; tick in µs
 *     kern.boottime         { tv_sec, tv_nsec }                          wall clock at boot, the time away taken off
 *     kern.hardclock_ticks  int                                          as in NetBSD: it wraps
 *     machdep.xen_runstate  { running, runnable, blocked, offline }      u64 each, ns since boot; runnable is what was stolen
 *     machdep.xen_clock     { ticks, ticks_at_once, resumes, steps, slews, mode }  u64 each
 */
import { copyin, copyout, EFAULT, EINVAL, ENOENT, ENOMEM, EPERM } from '@port-xen/kern';
import { BytesMemory, ldU64, st64 } from '@port-xen/layout';
import type { Clock } from './clock.ts';
import { readRunstate } from './runstate.ts';
import { HZ } from './timecounter.ts';
import { subTime, type Timespec, timeOf } from './timespec.ts';

const CTL_KERN = 1;
const KERN_CLOCKRATE = 12;
const KERN_HARDCLOCK_TICKS = 80;
const KERN_BOOTTIME = 83;
const CTL_MACHDEP = 7;
/** Nodes that have no number of their own are numbered from CREATE_BASE on. */
const MACHDEP_XEN_RUNSTATE = 1024;
const MACHDEP_XEN_CLOCK = 1025;
const NAME_LENGTH = 2;

const words64 = (words: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(8 * words.length);
  const memory = new BytesMemory(bytes);
  words.forEach((word, i) => {
    st64(memory, 8 * i, word);
  });
  return bytes;
};

const words32 = (words: readonly number[]): Uint8Array =>
  new Uint8Array(Int32Array.from(words).buffer);

/** A node's value. @returns undefined when there is no such node */
const nodeValue = (m: Clock, top: number, node: number): Uint8Array | undefined => {
  if (top === CTL_KERN && node === KERN_CLOCKRATE) return words32([HZ, 1e6 / HZ, 0, HZ, HZ]);
  if (top === CTL_KERN && node === KERN_HARDCLOCK_TICKS) return words32([m.ticksNow() | 0]);
  if (top === CTL_KERN && node === KERN_BOOTTIME) {
    const boot: Timespec = timeOf(m.d.boottime);
    subTime(boot, boot, m.d.absence);
    return words64([boot.tv_sec, boot.tv_nsec]);
  }
  if (top === CTL_MACHDEP && node === MACHDEP_XEN_RUNSTATE) {
    return readRunstate(m);
  }
  if (top === CTL_MACHDEP && node === MACHDEP_XEN_CLOCK) {
    const ticks = m.ticksNow();
    const { ticks_at_once, resumes, steps, slews, mode } = m.d;
    return words64([ticks, ticks_at_once, resumes, steps, slews, mode]);
  }
  return undefined;
};

/** sysctl(name, namelen, old, oldlen, new). */
export const readSysctl = (
  m: Clock,
  name: number,
  namelen: number,
  old: number,
  oldlen: number,
  value: number,
): number => {
  const { cpu } = m;
  if (namelen !== NAME_LENGTH) return -EINVAL;
  const path = copyin(cpu, name, 4 * NAME_LENGTH);
  if (path === undefined) return -EFAULT;
  const mib = new BytesMemory(path);
  const found = nodeValue(m, mib.ld32(0), mib.ld32(4));
  if (found === undefined) return -ENOENT;
  if (value !== 0) return -EPERM;
  const room = copyin(cpu, oldlen, 8);
  if (room === undefined) return -EFAULT;
  if (old !== 0) {
    if (ldU64(new BytesMemory(room), 0) < found.length) return -ENOMEM;
    if (!copyout(cpu, old, found)) return -EFAULT;
  }
  return copyout(cpu, oldlen, words64([found.length])) ? 0 : -EFAULT;
};
