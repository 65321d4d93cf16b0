import { CALLOUT_PENDING } from '@port-xen/kern';

/**
 * What the stack needs of the clock: monotonic time that never goes back, stands still while the domain is away and goes on
 * after a restore where it stood (the clock package's `uptime_ns`).
 */
export interface NetClock {
  /** Nanoseconds since boot. */
  uptime_ns(): number;
}

/** Callout ticks in a second (hz). */
export const HZ = 100;

/** Milliseconds as ticks, rounded up. */
export const msToTicks = (ms: number): number => Math.max(1, Math.ceil((ms * HZ) / 1000));

/** Whether a callout is set. */
export const isPending = (ch: { readonly c_flags: number }): boolean =>
  (ch.c_flags & CALLOUT_PENDING) !== 0;
