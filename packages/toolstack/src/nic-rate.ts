/*
 * How much a domain may send (docs/man/xl-network-configuration, `rate`): an amount a second, and for how long at a time it may be
 * used up.
 *
 *     10MB/s        10 million bytes a second, 500 000 in each 50 ms
 *     1Gb/s@20ms    a billion bits a second, 2 500 000 bytes in each 20 ms
 */

/** What may be sent in an interval. */
export interface NicRate {
  readonly bytesPerInterval: number;
  readonly interval_us: number;
}

const RATE = /^([0-9]{1,9})([GMK]?)([Bb])\/s(?:@([0-9]{1,6})([mu]?)s)?$/;
const FACTOR: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9 };
const MICROSECONDS: Readonly<Record<string, number>> = { '': 1e6, m: 1e3, u: 1 };
const DEFAULT_INTERVAL_US = 50_000;
/** What libxl keeps an interval in: 32 bits. */
const MAX_INTERVAL_US = 0xffff_ffff;

/** @returns undefined for what is no rate, or one of less than a byte in its interval */
export const parseRate = (text: string): NicRate | undefined => {
  const match = RATE.exec(text);
  if (match === null) return undefined;
  const [, amount, prefix = '', unit, time, timePrefix = ''] = match;
  const perSecond = (Number(amount) * (FACTOR[prefix] ?? 1)) / (unit === 'b' ? 8 : 1);
  const interval_us =
    time === undefined ? DEFAULT_INTERVAL_US : Number(time) * (MICROSECONDS[timePrefix] ?? 1);
  const bytesPerInterval = Math.floor((perSecond * interval_us) / 1e6);
  const sound =
    bytesPerInterval > 0 &&
    bytesPerInterval <= Number.MAX_SAFE_INTEGER &&
    interval_us <= MAX_INTERVAL_US;
  return sound ? { bytesPerInterval, interval_us } : undefined;
};
