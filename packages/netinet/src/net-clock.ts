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
