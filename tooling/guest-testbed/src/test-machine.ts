import type { Linked } from '@port-xen/kern';
import type { TestBase } from './test-base.ts';

/** What the test kernel needs of the package that dispatches events. */
export interface TestEvents {
  reset(): void;
  init(): void;
  suspend(): void;
  bindVirq(virq: number): number;
  unbindVirq(virq: number): number;
  allocUnbound(remote: number): number;
  setHandler(port: number, func: number, arg: number, level: number, name: string): void;
  removeHandler(port: number): void;
  mask(port: number): void;
  enable(port: number): void;
  notify(port: number): void;
}

export interface TestGrants {
  init(table: number): void;
  suspend(): void;
  resume(cancelled: boolean): void;
}

export interface TestClock {
  initclocks(commandLine: string): void;
  suspendclocks(): void;
  resumeclocks(cancelled: boolean): void;
}

export interface TestConsole {
  attach(page: number, port: number): void;
  suspend(): void;
  resume(port: number): void;
}

export interface TestShutdown {
  readonly wchan: number;
  take(): string;
}

/** The objects of the packages under test. */
export interface TestParts {
  readonly evtchn: TestEvents;
  readonly xengnt?: TestGrants;
  /** Without one, the one-shot timer ticks, and no time is told. */
  readonly clock?: TestClock;
  /** Without one, what is printed is put into the console ring as it comes. */
  readonly console?: TestConsole;
  /** Without one, a suspend is asked for by the suspend event channel. */
  readonly shutdown?: TestShutdown;
  /** By module name: what the modules' text works on. */
  readonly linked: Linked;
}

/** What the test kernel's own text works on. */
export interface TestMachine {
  readonly base: TestBase;
  readonly parts: TestParts;
  /** Symbol called with hypervisor0 once events come; '' for none. */
  readonly attach: string;
}
