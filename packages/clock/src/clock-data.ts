import { vcpu_runstate_info } from '@port-xen/abi';
import { array, i32, i64, nest, struct, u32, u64 } from '@port-xen/layout';
import { timespec } from './timespec.ts';

/** What the clock remembers, all of it in the guest's pages. */
export const clock_data = struct('clock_data', {
  /** System time at which the last counted tick was due, a word of 64 bits; and monotonic time then. */
  hard_base: u64,
  hard_sec: i64,
  hard_nsec: u32,
  /** Wall clock at monotonic time 0, a slew under way not counted. */
  boottime: nest(timespec),
  /** Time away since boot. */
  absence: nest(timespec),
  /** adjtime: the correction under way, ns, and the monotonic time at which it began. */
  adj_delta: i64,
  adj_start: nest(timespec),
  /** The tick for which the one-shot timer is armed; 0 when it is not. */
  armed_tick: u64,
  /** CLOCK_TICKLESS … CLOCK_PERIODIC. */
  mode: u32,
  timer_port: i32,
  /** The vCPU's runstate as Xen left it here when the domain stopped, and when it had got a processor again. */
  left: nest(vcpu_runstate_info),
  arrived: nest(vcpu_runstate_info),
  /** At the suspend: how long the vCPU had been offline, ns, and the host's wall clock at system time 0. */
  suspend_offline: u64,
  suspend_wall: nest(timespec),
  /** How much later in system time it is than when the domain stopped, ns, 64 bits: the hosts' may differ by anything. */
  shift: i64,
  /** What is added to Xen's runstate times: they start anew with every domain. ns, by RUNSTATE_*. */
  runstate_base: array(i64, 4),
  /** Times away; most ticks counted at once in a guest that was not idle; what resume did to the wall clock. */
  resumes: u64,
  ticks_at_once: u64,
  steps: u64,
  slews: u64,
  /** Scratch: the system time of now. */
  now: u64,
});

/** The idle lwp arms the one-shot timer for the first callout; otherwise it is armed for every tick. */
export const CLOCK_TICKLESS = 0;
/** The one-shot timer is armed for every tick. */
export const CLOCK_ONESHOT = 1;
/** Xen's periodic timer ticks while somebody runs; the idle lwp does as in a tickless guest. */
export const CLOCK_PERIODIC = 2;

/** By what the kernel's command line calls them: `clock=periodic`. */
export const CLOCK_MODES: readonly string[] = ['tickless', 'oneshot', 'periodic'];
