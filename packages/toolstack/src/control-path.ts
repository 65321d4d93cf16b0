/*
 * How domain 0 and a domain reach each other, beside Xen: what differs between a domain that lives on xenstore and its daemons and one
 * that lives on Xen 2's controller interface. One narrow interface, with an implementation for each.
 */
import type { DiskConfig, DomainConfig } from './domain-config.ts';
import type { DomainPorts, HostHandles } from './host-handles.ts';

/** A domain, as far as its daemons and devices are concerned. */
export interface PathEnd extends DomainPorts {
  readonly domid: number;
  readonly config: DomainConfig;
}

/** A request that was made of a guest, to suspend. `done` of it has not been called yet. */
export interface SuspendUnderWay {
  /** The guest took the request up, so it may suspend however late it is. */
  readonly acknowledged: boolean;
  /** The domain shut down, for whatever reason. */
  domainShutDown(reason: number): void;
  /** The domain is no more. */
  domainGone(): void;
}

/** Methods throw ToolstackError for what the user got wrong; whatever is called `done` is called once, later, from an event. */
export interface ControlPath {
  /** The domain exists, without memory. */
  made(end: PathEnd): void;
  /** The domain has its memory: daemons and back ends learn of it. */
  introduce(end: PathEnd, handles: HostHandles): void;
  /** Connects a domain again of which every port was closed, its devices anew. */
  reconnect(end: PathEnd, handles: HostHandles): void;
  attachDisk(domid: number, disk: DiskConfig): void;
  detachDisk(domid: number, vdev: string, done: (error: Error | null) => void): void;
  requestShutdown(domid: number, how: 'poweroff' | 'reboot' | 'halt'): void;
  /** @param key one character */
  sysrq(domid: number, key: string): void;
  /** Tells the guest how much memory it is to have. */
  setMemoryTarget(domid: number, target_kib: number): void;
  /** How much memory the guest was last told to have, KiB; undefined when that is not known. */
  memoryTarget(domid: number): number | undefined;
  requestSuspend(domid: number, done: (error: Error | null) => void): SuspendUnderWay;
  /** The domain had suspended, and goes on where it was. */
  resumed(domid: number): void;
  /**
   * Has the back ends let go of a suspended domain's devices.
   * @param done told how many devices there were
   * @returns what ends it without `done`
   */
  letGo(domid: number, done: (devices: number) => void): () => void;
  /** The domain is about to be destroyed. */
  remove(domid: number, uuid: string | undefined): void;
}
