/*
 * Seconds and nanoseconds, as timespec(3) has them: what a time is wherever it is longer than 104 days in nanoseconds,
 * which a double would round.
 */
import { i64, struct, type View } from '@port-xen/layout';

export const NS_PER_S = 1e9;

/** `struct timespec` in memory. */
export const timespec = struct('timespec', { tv_sec: i64, tv_nsec: i64 });

/** A time or a span: sec + nsec × 10^-9 s, with 0 ≤ nsec < 10^9; a span before 0 has a negative sec. */
export interface Timespec {
  tv_sec: number;
  tv_nsec: number;
}

const carryOver = (into: Timespec, sec: number, ns: number): void => {
  const carry = Math.floor(ns / NS_PER_S);
  into.tv_sec = sec + carry;
  into.tv_nsec = ns - carry * NS_PER_S;
};

/** Sets a time from seconds and any integer number of ns, |ns| < 2^53. */
export const setTime = (into: Timespec, sec: number, ns: number): void => {
  if (ns >= 0 && ns < NS_PER_S) {
    into.tv_sec = sec;
    into.tv_nsec = ns;
  } else carryOver(into, sec, ns);
};

/** a + b. */
export const addTime = (into: Timespec, a: Readonly<Timespec>, b: Readonly<Timespec>): void =>
  setTime(into, a.tv_sec + b.tv_sec, a.tv_nsec + b.tv_nsec);

/** a − b. */
export const subTime = (into: Timespec, a: Readonly<Timespec>, b: Readonly<Timespec>): void =>
  setTime(into, a.tv_sec - b.tv_sec, a.tv_nsec - b.tv_nsec);

/** Nanoseconds from b to a: exact within 104 days, of the right sign and size beyond. */
export const nsBetween = (a: Readonly<Timespec>, b: Readonly<Timespec>): number =>
  (a.tv_sec - b.tv_sec) * NS_PER_S + (a.tv_nsec - b.tv_nsec);

/** 2^48 ns = 281474 s + 976710656 ns. */
const S_PER_2_48 = 281_474;
const NS_PER_2_48 = 976_710_656;

/** Sets a time from a signed 64-bit number of ns, given by its halves. */
export const setTimeOfNs = (into: Timespec, low: number, high: number): void => {
  const top = high >> 16;
  const rest = (high & 0xffff) * 0x1_0000_0000 + (low >>> 0);
  setTime(into, top * S_PER_2_48, top * NS_PER_2_48 + rest);
};

/** A copy of a time in memory. */
export const timeOf = (view: View<typeof timespec>): Timespec => ({
  tv_sec: view.tv_sec,
  tv_nsec: view.tv_nsec,
});
