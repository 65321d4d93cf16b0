export { Balloon, type BalloonStore, type PageLender } from './balloon.ts';
export { ControllerPath, type ControlPath, XenstorePath } from './control-path.ts';
export type { Machdep, MachdepClock, MachdepConsole, ShutdownRequests } from './machdep.ts';
export { machdepLinked, machdepModules } from './modules.ts';
export { RB_AUTOBOOT, RB_POWERDOWN } from './reboot.ts';
export { Xen2StartOfDay, Xen3StartOfDay } from './start-info.ts';
export { machdep_data, StartOfDay } from './start-of-day.ts';
