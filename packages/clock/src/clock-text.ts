import {
  call,
  copyin,
  copyout,
  done,
  EFAULT,
  EINVAL,
  leaf,
  routine,
  type Text,
} from '@port-xen/kern';
import { BytesMemory, i64, struct, u64 } from '@port-xen/layout';
import { type Clock, NS_PER_TICK } from './clock.ts';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 3;

/** struct timespec: i64 seconds, i64 nanoseconds. */
const timespec = struct('timespec', { tv_sec: i64, tv_nsec: i64 });

const sleeping = struct('nanosleep_locals', { until: u64 });

export const clockText: Text<Clock> = {
  xen_timer_handler: leaf((m) => m.timer()),

  /** (clock, timespec). */
  sys_clock_gettime: leaf((m, clock, address) => {
    if (clock !== CLOCK_REALTIME && clock !== CLOCK_MONOTONIC) return -EINVAL;
    const now = clock === CLOCK_REALTIME ? m.walltime_ns() : m.uptime_ns();
    const bytes = new Uint8Array(timespec.size);
    const ts = timespec.at(new BytesMemory(bytes), 0);
    ts.tv_sec = Math.floor(now / 1e9);
    ts.tv_nsec = now % 1e9;
    return copyout(m.cpu, address, bytes) ? 0 : -EFAULT;
  }),

  /** (timespec, _): sleeps until that much monotonic time has passed. */
  sys_nanosleep: routine(sleeping, {
    start: (m, l, address) => {
      const bytes = copyin(m.cpu, address, timespec.size);
      if (bytes === undefined) return done(-EFAULT);
      const { tv_sec, tv_nsec } = timespec.at(new BytesMemory(bytes), 0);
      if (tv_sec < 0 || tv_sec > 1e6 || tv_nsec < 0 || tv_nsec >= 1e9) return done(-EINVAL);
      l.until = m.uptime_ns() + tv_sec * 1e9 + tv_nsec;
      return call(
        'woken',
        m.cpu.sym('tsleep'),
        l.address,
        Math.ceil((tv_sec * 1e9 + tv_nsec) / NS_PER_TICK),
      );
    },
    woken: (m, l) => {
      const left = l.until - m.uptime_ns();
      if (left <= 0) return done(0);
      return call('woken', m.cpu.sym('tsleep'), l.address, Math.ceil(left / NS_PER_TICK));
    },
  }),
};
