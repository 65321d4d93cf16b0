/*
 * The clock's text: its interrupt, the idle lwp's calls, and the system calls of time (kern_time.c), under NetBSD's numbers.
 */
import {
  call,
  copyin,
  copyout,
  done,
  EFAULT,
  EINTR,
  EINVAL,
  leaf,
  PCATCH,
  routine,
  type Text,
} from '@port-xen/kern';
import { BytesMemory, i32, i64, nest, struct, type View } from '@port-xen/layout';
import type { Clock } from './clock.ts';
import { readSysctl } from './sysctl.ts';
import { NS_PER_S, nsBetween, setTime, type Timespec, timespec } from './timespec.ts';

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 3;
/** OpenBSD's: monotonic time that goes on while the machine is away. NetBSD has none. */
export const CLOCK_BOOTTIME = 6;

/** Seconds that a sleep may last: a hundred years and more. */
const SLEEP_S_MAX = 2 ** 32;
const NS_PER_US = 1000;
/** An adjustment of more is a mistake: 104 days. */
const ADJUST_S_MAX = 9e6;

const timeval = struct('timeval', { tv_sec: i64, tv_usec: i32 });
const sleeping = struct('nanosleep_locals', { until: nest(timespec) });

/** The clock of an id. @returns false when there is none */
const readClock = (m: Clock, id: number, into: Timespec): boolean => {
  if (id === CLOCK_REALTIME) m.walltime(into);
  else if (id === CLOCK_MONOTONIC) m.monotonic(into);
  else if (id === CLOCK_BOOTTIME) m.uptime(into);
  else return false;
  return true;
};

/** A time from a program. @returns undefined for EFAULT */
const copyinTime = (m: Clock, address: number): View<typeof timespec> | undefined => {
  const bytes = copyin(m.cpu, address, timespec.size);
  return bytes === undefined ? undefined : timespec.at(new BytesMemory(bytes), 0);
};

const copyoutTime = (m: Clock, address: number, { tv_sec, tv_nsec }: Timespec): number => {
  const bytes = new Uint8Array(timespec.size);
  const ts = timespec.at(new BytesMemory(bytes), 0);
  ts.tv_sec = tv_sec;
  ts.tv_nsec = tv_nsec;
  return copyout(m.cpu, address, bytes) ? 0 : -EFAULT;
};

/** A timeval from a program, in the form of a timespec. */
const copyinTimeval = (m: Clock, address: number): Timespec | undefined => {
  const bytes = copyin(m.cpu, address, timeval.size);
  if (bytes === undefined) return undefined;
  const tv = timeval.at(new BytesMemory(bytes), 0);
  return { tv_sec: tv.tv_sec, tv_nsec: tv.tv_usec * NS_PER_US };
};

const copyoutTimeval = (m: Clock, address: number, { tv_sec, tv_nsec }: Timespec): number => {
  const bytes = new Uint8Array(timeval.size);
  const tv = timeval.at(new BytesMemory(bytes), 0);
  tv.tv_sec = tv_sec;
  tv.tv_usec = Math.floor(tv_nsec / NS_PER_US);
  return copyout(m.cpu, address, bytes) ? 0 : -EFAULT;
};

const valid = ({ tv_nsec }: Timespec): boolean => tv_nsec >= 0 && tv_nsec < NS_PER_S;

const zero = (): Timespec => ({ tv_sec: 0, tv_nsec: 0 });

/** How many ticks are left of a sleep. */
const ticksLeft = (m: Clock, until: Timespec): number => {
  const now = zero();
  m.monotonic(now);
  const left_s = until.tv_sec - now.tv_sec;
  const left_ns = until.tv_nsec - now.tv_nsec;
  return left_s * NS_PER_S + left_ns <= 0 ? 0 : m.ticksUntil(left_s, left_ns);
};

export const clockText: Text<Clock> = {
  xen_timer_handler: leaf((m) => m.timer()),
  xen_clock_idle: leaf((m) => m.idle()),
  xen_clock_event: leaf((m) => m.event()),
  xen_clock_busy: leaf((m) => m.busy()),

  /** (clock, timespec). */
  sys_clock_gettime: leaf((m, clock, address) => {
    const now = zero();
    return readClock(m, clock, now) ? copyoutTime(m, address, now) : -EINVAL;
  }),

  /** (clock, timespec): CLOCK_REALTIME only. */
  sys_clock_settime: leaf((m, clock, address) => {
    if (clock !== CLOCK_REALTIME) return -EINVAL;
    const to = copyinTime(m, address);
    if (to === undefined) return -EFAULT;
    if (!valid(to)) return -EINVAL;
    m.setclock(to);
    return 0;
  }),

  /** (clock, timespec): one nanosecond, Xen's unit. */
  sys_clock_getres: leaf((m, clock, address) => {
    if (!readClock(m, clock, zero())) return -EINVAL;
    return address === 0 ? 0 : copyoutTime(m, address, { tv_sec: 0, tv_nsec: 1 });
  }),

  /** (timeval, _). */
  sys_gettimeofday: leaf((m, address) => {
    const now = zero();
    m.walltime(now);
    return copyoutTimeval(m, address, now);
  }),

  /** (timeval, _). */
  sys_settimeofday: leaf((m, address) => {
    const to = copyinTimeval(m, address);
    if (to === undefined) return -EFAULT;
    if (!valid(to)) return -EINVAL;
    m.setclock(to);
    return 0;
  }),

  /** (delta, olddelta): either may be null. */
  sys_adjtime: leaf((m, delta, olddelta) => {
    const by = delta === 0 ? undefined : copyinTimeval(m, delta);
    if (delta !== 0 && by === undefined) return -EFAULT;
    if (by !== undefined && !(Math.abs(by.tv_sec) <= ADJUST_S_MAX)) return -EINVAL;
    const left = m.adjtimeLeft_ns();
    if (olddelta !== 0) {
      const old = zero();
      setTime(old, 0, left);
      const result = copyoutTimeval(m, olddelta, old);
      if (result !== 0) return result;
    }
    if (by !== undefined) m.adjtime(nsBetween(by, zero()));
    return 0;
  }),

  /** (request, remaining): sleeps until that much monotonic time has passed; a signal interrupts it. */
  sys_nanosleep: routine(sleeping, {
    start: (m, l, address) => {
      const request = copyinTime(m, address);
      if (request === undefined) return done(-EFAULT);
      if (!(request.tv_sec >= 0 && request.tv_sec <= SLEEP_S_MAX) || !valid(request)) {
        return done(-EINVAL);
      }
      const until = zero();
      m.monotonic(until);
      setTime(l.until, until.tv_sec + request.tv_sec, until.tv_nsec + request.tv_nsec);
      const ticks = ticksLeft(m, l.until);
      return ticks === 0 ? done(0) : call('woken', m.cpu.sym('tsleep'), l.address, ticks, PCATCH);
    },
    woken: (m, l, error) => {
      if (error === EINTR) return done(-EINTR);
      const ticks = ticksLeft(m, l.until);
      return ticks === 0 ? done(0) : call('woken', m.cpu.sym('tsleep'), l.address, ticks, PCATCH);
    },
  }),

  /** (name, namelen, old, oldlen, new, newlen). */
  sys___sysctl: leaf((m, name, namelen, old, oldlen, value) =>
    readSysctl(m, name, namelen, old, oldlen, value),
  ),
};
