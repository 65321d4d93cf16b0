export { Clock, type ClockKern, clock_data, HZ, NS_PER_TICK } from './clock.ts';
export { clockText } from './clock-text.ts';
