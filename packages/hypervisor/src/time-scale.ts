/*
 * Between nanoseconds and the ticks of a counter of so many kHz.
 *
 *     ns    = ((ticks << shift) * mul) >> 32       as guests compute it from vcpu_time_info (set_time_scale, x86/time.c)
 *     ticks = floor(ns * kHz / 10^6)               as the machine computes it: exact for any uptime, 64 bits wide
 */
import type { Tsc } from '@port-xen/vcpu';

const TWO_20 = 2 ** 20;
const TWO_32 = 2 ** 32;
const NS_PER_S = 1_000_000_000;

/** A nanosecond later; in a world older than 104 days as much later as a double can tell. */
export const nextMoment = (ns: number): number => ns + Math.max(1, Math.abs(ns) * Number.EPSILON);

/** What a guest multiplies with. */
export interface TimeScale {
  /** Within [2^31, 2^32). */
  readonly mul: number;
  readonly shift: number;
}

/** set_time_scale. Computed once per host and once per emulated counter. */
export const timeScale = (khz: number): TimeScale => {
  let ticks_per_s = khz * 1000;
  let shift = 0;
  while (ticks_per_s > 2 * NS_PER_S) {
    ticks_per_s = Math.floor(ticks_per_s / 2);
    shift--;
  }
  while (ticks_per_s <= NS_PER_S) {
    ticks_per_s *= 2;
    shift++;
  }
  return { mul: Number((BigInt(NS_PER_S) << 32n) / BigInt(ticks_per_s)), shift };
};

/** The count after so many seconds, any integer. @param khz below 2^24 @param start the count at 0 @returns 64 bits, which wrap */
export const countOfTicks = (seconds: number, khz: number, start: number): Tsc => {
  const ticks = BigInt(seconds) * BigInt(khz * 1000) + BigInt(start);
  return { low: Number(BigInt.asIntN(32, ticks)), high: Number(BigInt.asIntN(32, ticks >> 32n)) };
};

/**
 * Ticks in a time, added to a count.
 * @param ns 0 … 2^53 @param khz below 2^24 @param start ticks at 0, 64 bits
 */
export const ticksAt = (ns: number, khz: number, start: Readonly<Tsc>, into: Tsc): void => {
  const ms = Math.floor(ns / 1e6);
  const rest = Math.floor(((ns - ms * 1e6) * khz) / 1e6);
  // Remainders by a power of two, without the division that % is.
  const msHigh = Math.floor(ms / TWO_20);
  const upper = msHigh * khz;
  const upperHigh = Math.floor(upper / 4096);
  const low =
    (ms - msHigh * TWO_20) * khz + (upper - upperHigh * 4096) * TWO_20 + rest + (start.low >>> 0);
  const carry = Math.floor(low / TWO_32);
  into.low = (low - carry * TWO_32) | 0;
  into.high = (upperHigh + start.high + carry) | 0;
};
