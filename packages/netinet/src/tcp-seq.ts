/*
 * Sequence numbers (RFC 9293, 3.4): unsigned 32-bit Numbers, compared modulo 2^32. Timestamps are compared the same way.
 */

/** a + n, modulo 2^32. */
export const seqAdd = (a: number, n: number): number => (a + n) >>> 0;

/** a − b as a signed distance: right when the two are less than 2^31 apart. */
export const seqSub = (a: number, b: number): number => (a - b) | 0;

export const seqLt = (a: number, b: number): boolean => seqSub(a, b) < 0;
export const seqLeq = (a: number, b: number): boolean => seqSub(a, b) <= 0;
export const seqGt = (a: number, b: number): boolean => seqSub(a, b) > 0;
export const seqGeq = (a: number, b: number): boolean => seqSub(a, b) >= 0;
