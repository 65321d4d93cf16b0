export {
  Balloon,
  type BalloonStore,
  balloon_data,
  balloonText,
  type PageLender,
} from './balloon.ts';
export type { Machdep, MachdepClock, MachdepConsole, ShutdownRequests } from './machdep.ts';
export { mainText } from './main.ts';
export { processText } from './process.ts';
export { RB_AUTOBOOT, RB_POWERDOWN } from './reboot.ts';
export { machdep_data, StartOfDay } from './start-of-day.ts';
export { suspendText } from './suspend.ts';
export { sysctlText } from './sysctl.ts';
export { trapText } from './trap.ts';
