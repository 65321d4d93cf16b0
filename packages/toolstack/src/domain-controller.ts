import type { DiskConfig, NicConfig } from './domain-config.ts';

/** What a domain of Xen 2 has to do with its controller. */
export interface ControlChannel {
  /** The frame whose page has the control interface in it. */
  readonly sharedInfoMfn: number;
  /** The domain's port; it waits for domain 0 to bind to it. */
  readonly port: number;
}

/**
 * What the toolstack asks of Xen 2's controller: the caller of the toolstack has one if its host is to have domains of xen-2.0. Whatever is
 * called `done` is called once, later, from an event of the world.
 */
export interface DomainController {
  /**
   * A domain is there with its memory, paused. Its devices are to be connected as its front ends come up.
   * @throws an Error, nothing done, if it cannot be
   */
  connect(
    domid: number,
    channel: ControlChannel,
    devices: { readonly disks: readonly DiskConfig[]; readonly nics: readonly NicConfig[] },
  ): void;
  /** The domain had suspended, and goes on where it was: the same page, the same port. */
  resume(domid: number): void;
  /** Lets go of the domain: of its frames, its port, its back ends. For one that was never connected nothing. */
  disconnect(domid: number): void;
  attachDisk(domid: number, disk: DiskConfig): void;
  /** @param done given what kept it from being taken away */
  detachDisk(domid: number, vdev: string, done: (error: Error | null) => void): void;
  /** Sends CMSG_SHUTDOWN. @param done given null when the guest has answered, an Error when it did not in time */
  shutdown(
    domid: number,
    how: 'poweroff' | 'reboot' | 'suspend',
    done: (error: Error | null) => void,
  ): void;
  /** Sends CMSG_SHUTDOWN_SYSRQ. @param key one character */
  sysrq(domid: number, key: string, done: (error: Error | null) => void): void;
  /** Sends CMSG_MEM_REQUEST. @param done given an Error when the guest does not know it, or does not answer in time */
  setMemory(domid: number, target_pages: number, done: (error: Error | null) => void): void;
}
