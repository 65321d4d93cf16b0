/*
 * What xend of Xen 2 does for the domains of one host: it is the other end of each one's control interface. The console, the states of
 * devices, and what is asked of the guest (to power off, to reboot, to suspend itself) all travel as messages; xenstore knows of such a
 * domain nothing.
 */
import {
  CMSG_MEM_REQUEST,
  CMSG_MEM_REQUEST_SET,
  CMSG_SHUTDOWN,
  CMSG_SHUTDOWN_POWEROFF,
  CMSG_SHUTDOWN_REBOOT,
  CMSG_SHUTDOWN_SUSPEND,
  CMSG_SHUTDOWN_SYSRQ,
  control_msg,
  mem_request,
  shutdown_sysrq,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import {
  type DomainController as ControllerOfToolstack,
  type ControlChannel as ControlPlace,
  type DiskConfig,
  type NicConfig,
  ToolstackError,
  vdevNumber,
} from '@port-xen/toolstack';
import type { BlockBackEnd } from './block-kind.ts';
import { ConsoleStream } from './console-stream.ts';
import { controlMessage, MSG, messageOf } from './control-message.ts';
import type { SendOptions } from './control-requests.ts';
import { ControlledDomain, type ControllerHost, type ControlPorts } from './controlled-domain.ts';
import type { NetBackEnd } from './net-kind.ts';

/** What a domain controller is made of. */
export interface DomainControllerParts {
  /** The host's hypervisor. */
  readonly hv: ControllerHost;
  /** The host's block back end. */
  readonly blocks: BlockBackEnd;
  /** The host's network back end, if domains may have interfaces. */
  readonly nets?: NetBackEnd;
  /** Each byte that a guest prints, once and in order. */
  readonly output: (domid: number, bytes: Uint8Array) => void;
}

/** Told once, later, how a request ended: the guest took it up, or why it did not. */
export type Answered = (error: Error | null) => void;

const SHUTDOWN = {
  poweroff: CMSG_SHUTDOWN_POWEROFF,
  reboot: CMSG_SHUTDOWN_REBOOT,
  suspend: CMSG_SHUTDOWN_SUSPEND,
};

/** Where an interface goes that names no bridge. */
const DEFAULT_BRIDGE = 'xenbr0';
/** How long a guest may take to answer. */
const PATIENCE_NS = 60_000_000_000;

/**
 * The domains of one host that have a control interface. Make it before the toolstack, so that it hears of a shutdown first: then what a
 * guest printed last is out before its pages are saved.
 */
export class DomainController implements ControllerOfToolstack {
  readonly #parts: DomainControllerParts;
  readonly #domains = new Map<number, ControlledDomain>();
  /** Of each domain that there is, not only of its number: they outlive its control interfaces. */
  readonly #consoles = new Map<number, { readonly of: unknown; readonly stream: ConsoleStream }>();

  constructor(parts: DomainControllerParts) {
    this.#parts = parts;
    parts.hv.onDomainShutdown((domid) => this.#domains.get(domid)?.shutDown());
  }

  /** The ports of a guest's that lead to its controller and its block back end; undefined for a domain that is not known. */
  portsOf(domid: number): ControlPorts | undefined {
    return this.#domains.get(domid)?.ports;
  }

  /** Domains that it knows. */
  get domains(): number {
    return this.#domains.size;
  }

  /**
   * Takes up the control interface of a domain that does not run, with its devices: a new domain, or one whose ports were all closed.
   * @throws ToolstackError when a device cannot be had, XenError when frame or port is no good; nothing is held then
   */
  connect(
    domid: number,
    { sharedInfoMfn, port }: ControlPlace,
    devices: { readonly disks: readonly DiskConfig[]; readonly nics: readonly NicConfig[] },
  ): void {
    this.disconnect(domid);
    const { hv, blocks } = this.#parts;
    const console = this.#consoleOf(domid);
    this.#domains.set(domid, new ControlledDomain({ hv, domid, blocks, console }));
    try {
      for (const disk of devices.disks) this.attachDisk(domid, disk);
      for (const nic of devices.nics) this.#addNic(domid, nic);
      this.#known(domid).connect(sharedInfoMfn, port);
    } catch (error) {
      this.disconnect(domid);
      throw error;
    }
  }

  /** The domain had suspended, and goes on where it was. */
  resume(domid: number): void {
    this.#domains.get(domid)?.resume();
  }

  /** Lets go of a domain's control interface and of all its devices. One that is not known is let alone. */
  disconnect(domid: number): void {
    this.#domains.get(domid)?.destroy();
    this.#domains.delete(domid);
    for (const [number, { of, stream }] of this.#consoles) {
      if (this.#parts.hv.domains.get(number) === of) continue;
      stream.stop();
      this.#consoles.delete(number);
    }
  }

  /**
   * Types `bytes` at the domain's console. They wait until the guest takes them.
   * @returns how many were taken: 0 for a domain that is not known, less than all when a megabyte waits already
   */
  input(domid: number, bytes: Uint8Array): number {
    return this.#domains.has(domid) ? this.#consoleOf(domid).add(bytes) : 0;
  }

  /** Gives a domain a disk; an empty drive is none. @throws ToolstackError when it cannot be had; the domain is as it was then */
  attachDisk(domid: number, { pdevPath, vdev, readwrite }: DiskConfig): void {
    if (pdevPath === '') return;
    const disk = { params: pdevPath, readonly: !readwrite, vdevice: vdevNumber(vdev) };
    orSay(() => this.#known(domid).addDisk(disk));
  }

  /**
   * Takes a disk from a domain; what the guest asked of it is done first.
   * @param done called once, later, given what kept it from being taken away
   */
  detachDisk(domid: number, vdev: string, done: Answered): void {
    const removed = this.#known(domid).removeDisk(vdevNumber(vdev));
    const error = removed ? null : new ToolstackError(`domain ${domid} has no device ${vdev}`);
    this.#parts.hv.sim.after(0, () => done(error));
  }

  /**
   * Asks a guest to power off, to reboot or to suspend itself.
   * @param done called once, later: null when the guest has taken the request up, which is before it does it
   * @returns takes the request back if the guest cannot have seen it, and tells whether; then `done` is not called
   */
  shutdown(
    domid: number,
    how: keyof typeof SHUTDOWN,
    done: Answered,
    patience_ns: number = PATIENCE_NS,
  ): () => boolean {
    const message = controlMessage(CMSG_SHUTDOWN, SHUTDOWN[how], 0).bytes;
    const options = { patience_ns, farewell: how === 'suspend' };
    return this.#ask(domid, message, () => null, done, options);
  }

  /** Sends a guest a key of the magic SysRq. @param key one character */
  sysrq(domid: number, key: string, done: Answered): void {
    const message = messageOf(CMSG_SHUTDOWN, CMSG_SHUTDOWN_SYSRQ, shutdown_sysrq, (view) => {
      view.key = key.charCodeAt(0);
    });
    this.#ask(domid, message, () => null, done, { patience_ns: PATIENCE_NS });
  }

  /** Asks a guest to have so much memory and no more. A guest that knows nothing of it answers with a length of 0. */
  setMemory(domid: number, target_pages: number, done: Answered): void {
    const message = messageOf(CMSG_MEM_REQUEST, CMSG_MEM_REQUEST_SET, mem_request, (view) => {
      view.target = target_pages;
    });
    const judge = (response: Uint8Array): Error | null => {
      const memory = new BytesMemory(response);
      if (control_msg.at(memory, 0).length !== mem_request.size) {
        return new Error(`domain ${domid} does not know how to change its memory`);
      }
      const { status } = mem_request.at(memory, MSG);
      return status === 0 ? null : new Error(`domain ${domid} answered ${status}`);
    };
    this.#ask(domid, message, judge, done, { patience_ns: PATIENCE_NS });
  }

  #addNic(domid: number, { devid, mac, bridge, ifname, rate }: NicConfig): void {
    const { nets } = this.#parts;
    if (nets === undefined) {
      throw new ToolstackError(
        'expected a domain of xen-2.0 to have no network interface on this host, found one in its configuration',
      );
    }
    const text = rate && `${rate.bytesPerInterval},${rate.interval_us}`;
    const nic = { handle: devid, mac, bridge: bridge ?? DEFAULT_BRIDGE, name: ifname, rate: text };
    orSay(() => this.#known(domid).addNic(nets, nic));
  }

  #ask(
    domid: number,
    message: Uint8Array,
    judge: (response: Uint8Array) => Error | null,
    done: Answered,
    options: SendOptions,
  ): () => boolean {
    const sender = {
      answered: (response: Uint8Array) => done(judge(response)),
      failed: (error: Error) => done(error),
    };
    return this.#known(domid).send(message, sender, options);
  }

  #known(domid: number): ControlledDomain {
    const domain = this.#domains.get(domid);
    if (domain !== undefined) return domain;
    throw new ToolstackError(
      `expected a domain with a control interface, found none that is ${domid}`,
    );
  }

  #consoleOf(domid: number): ConsoleStream {
    const { hv, output } = this.#parts;
    const of = hv.domains.get(domid);
    const known = this.#consoles.get(domid);
    if (known !== undefined) return known.stream;
    const stream = new ConsoleStream({
      sim: hv.sim,
      output: (bytes) => output(domid, bytes),
      tell: (text) => hv.sim.tell('domain-controller', `domain ${domid}: ${text}`),
    });
    this.#consoles.set(domid, { of, stream });
    return stream;
  }
}

/** What a back end has against a device is the user's to know. */
const orSay = (work: () => void): void => {
  try {
    work();
  } catch (error) {
    throw new ToolstackError(error instanceof Error ? error.message : String(error));
  }
};
