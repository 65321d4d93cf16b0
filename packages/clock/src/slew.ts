/*
 * adjtime(2): a correction that is spread over time, at the rates of NetBSD's kern_ntptime.c: 5 ms a second (5000 ppm)
 * while more than a second is left, 0.5 ms a second (500 ppm) for the last one. The clock never stops and never goes back.
 */
const LAST_NS = 1e9;
const FAST = 200;
const SLOW = 2000;

/**
 * What of a correction has been made.
 * @param total_ns the correction, either sign @param elapsed_ns since it began
 * @returns ns of the same sign, total_ns in the end
 */
export const slewed_ns = (total_ns: number, elapsed_ns: number): number => {
  const size = Math.abs(total_ns);
  const fast = Math.max(0, size - LAST_NS);
  const fastTime = fast * FAST;
  const made =
    elapsed_ns < fastTime
      ? Math.floor(elapsed_ns / FAST)
      : Math.min(size, fast + Math.floor((elapsed_ns - fastTime) / SLOW));
  return total_ns < 0 ? -made : made;
};
