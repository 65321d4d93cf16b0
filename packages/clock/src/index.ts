export { Clock } from './clock.ts';
export { clock_data } from './clock-data.ts';
export {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  clockText,
} from './clock-text.ts';
export type { HostTime } from './host-time.ts';
export { type ClockKern, HZ, NS_PER_TICK, Timecounter } from './timecounter.ts';
export type { Timespec } from './timespec.ts';
export { Xen2Time } from './xen2-time.ts';
export { Xen3Time } from './xen3-time.ts';
