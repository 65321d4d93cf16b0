import type { Timespec } from './timespec.ts';

/** Xen's clock, wherever and however it is told: the system time of this host, and the wall clock. */
export interface HostTime {
  /** Nanoseconds from a system time, given by its halves, to now. */
  nsSince(low: number, high: number): number;
  /** Stores the system time of now as a 64-bit word. */
  store(into: number): void;
  /** The wall clock at system time 0. */
  epoch(into: Timespec): void;
  /** The TSC's rate as Xen states it, kHz. */
  readonly tscKhz: number;
}
