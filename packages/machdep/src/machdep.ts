/*
 * The machine-dependent kernel of a PV guest, put together from what lies below it. It names the packages of its own
 * floor only by the little that it needs of them.
 */
import type { Evtchn } from '@port-xen/evtchn';
import type { Kern } from '@port-xen/kern';
import type { FrameList, Pmap } from '@port-xen/pmap';
import type { Uvm } from '@port-xen/uvm';
import type { Xengnt } from '@port-xen/xengnt';
import type { Balloon } from './balloon.ts';
import type { ControlPath } from './control-path.ts';
import type { StartOfDay } from './start-of-day.ts';

/** What the machine-dependent kernel needs of the clock. */
export interface MachdepClock {
  readonly port: number;
  readonly tscKhz: number;
  /** @param commandLine the kernel's: which timer ticks */
  initclocks(commandLine: string): void;
  suspendclocks(): void;
  resumeclocks(cancelled: boolean): void;
  /** Seconds that the host has been up, and the guest. */
  hostUptime_s(): number;
  uptime_s(): number;
}

/** What it needs of the console. */
export interface MachdepConsole {
  readonly drained: boolean;
  suspend(): void;
}

/** What the toolstack asked for. */
export interface ShutdownRequests {
  /** What the sysmon lwp sleeps on. */
  readonly wchan: number;
  /** Takes the oldest request; '' when there is none. */
  take(): '' | 'poweroff' | 'reboot' | 'suspend';
}

/** What it needs of the network, in a kernel that has one. */
export interface MachdepNetwork {
  /** Before any driver attaches. */
  init(): void;
  /** Gives interfaces their addresses. @param options the kernel's command line up to `init=` */
  start(options: string): void;
}

/** Everything that the machine-dependent text works on. */
export interface Machdep {
  readonly kern: Kern;
  readonly startOfDay: StartOfDay;
  readonly pmap: Pmap;
  readonly uvm: Uvm;
  readonly evtchn: Evtchn;
  /** Xen 2 has no grants. */
  readonly xengnt?: Xengnt;
  readonly p2mFrameList: FrameList;
  readonly clock: MachdepClock;
  readonly controlPath: ControlPath;
  readonly console: MachdepConsole;
  readonly shutdown: ShutdownRequests;
  readonly network?: MachdepNetwork;
  readonly balloon: Balloon;
  /** A kernel page whose place the pmap and exec use to look at other pages. */
  readonly window: number;
}
