/*
 * How a kernel is connected with domain 0: by xenstore and a console ring, as since Xen 3, or by the controller interface alone, as on Xen 2.
 * What differs at boot and at a resume is here; the rest of the kernel asks for no such thing.
 *
 *     xen-3.0   hypervisor0 ─┬─ xenbus0 ── xbd0, xennet0 …      xen-2.0   hypervisor0 ── ctrlif0 ─┬─ xencons0
 *                            └─ xencons0                                                          └─ blkif0 ── xbd0 …
 *
 * Devices are suspended leaf to root. On Xen 2 the console lives on the controller interface, so it goes first and comes back after it.
 */
import type { Kern } from '@port-xen/kern';

export interface ControlPath {
  /** Attaches the console and what leads to domain 0. @returns what devices that are found are children of */
  attach(kern: Kern, hypervisor: number): number;
  /** Symbols of text(bus): what attaches the rest, one after the other. */
  readonly probes: readonly string[];
  /** The console takes its channel again. @returns which, for people */
  resumeConsole(): string;
}

const attachConsole = ({ autoconf, cpu }: Kern, parent: number): void => {
  const xencons = autoconf.attach('xencons0', parent, 0);
  autoconf.pmfRegister(xencons, cpu.sym('xencons_suspend'), cpu.sym('xencons_resume'));
};

/** Where the console's ring is. */
export interface ConsoleStart {
  /** Kernel address of the console page. */
  readonly consolePage: number;
  readonly consolePort: number;
}

/** A console with a ring of its own. */
export interface RingConsole {
  attach(page: number, port: number): void;
  resume(port: number): void;
}

export class XenstorePath implements ControlPath {
  readonly start: ConsoleStart;
  readonly console: RingConsole;
  readonly probes: readonly string[] = ['xenbus_attach', 'balloon_attach'];

  constructor(start: ConsoleStart, console: RingConsole) {
    this.start = start;
    this.console = console;
  }

  attach(kern: Kern, hypervisor: number): number {
    // Attach order is suspend order within a depth: the console goes last, to tell how the bus went.
    const bus = kern.autoconf.attach('xenbus0', hypervisor, 0).address;
    this.console.attach(this.start.consolePage, this.start.consolePort);
    attachConsole(kern, hypervisor);
    return bus;
  }

  resumeConsole(): string {
    const { consolePort } = this.start;
    this.console.resume(consolePort);
    return `port ${consolePort}`;
  }
}

/** The controller interface, and what comes through it. */
export interface Controller {
  init(): void;
}

/** Whoever takes what comes through it: shutdown requests, a console. */
export interface Receiver {
  attach(): void;
}

/** A console whose text goes in messages. */
export interface MessageConsole extends Receiver {
  resume(): void;
}

export class ControllerPath implements ControlPath {
  readonly controller: Controller;
  readonly shutdown: Receiver;
  readonly console: MessageConsole;
  readonly probes: readonly string[] = ['xbd_attach', 'xennet_attach', 'balloon_attach'];

  constructor(controller: Controller, shutdown: Receiver, console: MessageConsole) {
    this.controller = controller;
    this.shutdown = shutdown;
    this.console = console;
  }

  attach(kern: Kern, hypervisor: number): number {
    const { autoconf, cpu } = kern;
    this.controller.init();
    this.shutdown.attach();
    const ctrlif = autoconf.attach('ctrlif0', hypervisor, 0);
    autoconf.pmfRegister(ctrlif, cpu.sym('ctrl_if_suspend'), cpu.sym('ctrl_if_resume'));
    this.console.attach();
    attachConsole(kern, ctrlif.address);
    return ctrlif.address;
  }

  resumeConsole(): string {
    this.console.resume();
    return 'on ctrlif0';
  }
}
