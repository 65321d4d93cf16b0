/*
 * What clockwatch reads at one time, and what can be wrong with it after what it read before.
 */
import { array, i64, nest, struct, u64, type View } from '@port-xen/layout';

/** hz is 100. */
export const TICK_NS = 10e6;

/** `struct timespec`. */
export const timespec = struct('timespec', { tv_sec: i64, tv_nsec: i64 });

/** Every clock and counter. */
export const sample = struct('clock_sample', {
  mono: nest(timespec),
  up: nest(timespec),
  wall: nest(timespec),
  /** machdep.xen_clock. */
  ticks: u64,
  ticks_at_once: u64,
  resumes: u64,
  steps: u64,
  slews: u64,
  mode: u64,
  /** machdep.xen_runstate: running, runnable, blocked, offline. */
  runstate: array(u64, 4),
});

export type Sample = View<typeof sample>;
type Time = View<typeof timespec>;

/** Nanoseconds from b to a. */
export const between = (a: Time, b: Time): number =>
  (a.tv_sec - b.tv_sec) * 1e9 + (a.tv_nsec - b.tv_nsec);

/** A time in seconds, every nanosecond of it. */
export const time = (t: Time): string => `${t.tv_sec}.${String(t.tv_nsec).padStart(9, '0')}`;

/** A span in seconds. */
export const seconds = (ns: number): string => (ns / 1e9).toFixed(9);

/** Copies a sample within memory. */
export const copySample = (from: Sample, to: Sample): void => {
  const words = new Uint8Array(sample.size);
  from.memory.read(from.address, words);
  to.memory.write(to.address, words);
};

/** Time that the vCPU would have run and was not let. */
export const stolen = (s: Sample): number => s.runstate.get(1) + s.runstate.get(3);

const accounted = (s: Sample): number =>
  s.runstate.get(0) + s.runstate.get(1) + s.runstate.get(2) + s.runstate.get(3);

/** What is wrong with a sample after another, as sentences. */
export const faultsOf = (now: Sample, last: Sample): string[] => {
  const faults: string[] = [];
  const passed = between(now.mono, last.mono);
  if (passed < 0) faults.push(`monotonic time went back by ${seconds(-passed)} s`);
  const up = between(now.up, last.up);
  if (up < 0) faults.push(`uptime went back by ${seconds(-up)} s`);
  const wall = between(now.wall, last.wall);
  if (wall < 0 && now.steps === last.steps) {
    faults.push(`the wall clock went back by ${seconds(-wall)} s and nobody set it`);
  }
  if (between(now.up, now.mono) < 0) faults.push('uptime is behind monotonic time');
  // Ticks are read after the time, and the tick that is due may not have come yet.
  const ticks = now.ticks - Math.floor((now.mono.tv_sec * 1e9 + now.mono.tv_nsec) / TICK_NS);
  if (ticks < -1 || ticks > 1) faults.push(`hardclock_ticks is ${ticks} ticks off monotonic time`);
  const off = accounted(now) - accounted(last) - passed;
  if (Math.abs(off) > TICK_NS) faults.push(`runstates are ${seconds(off)} s off the time passed`);
  return faults;
};
