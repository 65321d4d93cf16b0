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
import type { BlockBackEnd, DiskOfDomain } from './block-kind.ts';
import type { SendOptions } from './control-channel.ts';
import { controlMessage, MSG, messageOf } from './control-message.ts';
import { ControlledDomain, type ControllerHost } from './controlled-domain.ts';

/** What a domain controller is made of. */
export interface DomainControllerParts {
  /** The host's hypervisor. */
  readonly hv: ControllerHost;
  /** The host's block back end. */
  readonly blocks: BlockBackEnd;
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

/** How long a guest may take to answer. */
const PATIENCE_NS = 60_000_000_000;

/**
 * The domains of one host that have a control interface. Make it before the toolstack, so that it hears of a shutdown first: then what a
 * guest printed last is out before its pages are saved.
 */
export class DomainController {
  readonly #parts: DomainControllerParts;
  readonly #domains = new Map<number, ControlledDomain>();

  constructor(parts: DomainControllerParts) {
    this.#parts = parts;
    parts.hv.onDomainShutdown((domid) => this.#domains.get(domid)?.shutDown());
  }

  /** Domains that it knows. */
  get domains(): number {
    return this.#domains.size;
  }

  /**
   * Takes up the control interface of a domain that does not run: a new one, or one whose ports were all closed.
   * @param sharedInfoMfn the frame of its shared_info
   * @param port that it has for its controller (`domain_controller_evtchn`)
   * @throws XenError when one of them is no good; nothing is held of the control interface then
   */
  connect(domid: number, sharedInfoMfn: number, port: number): void {
    const { hv, blocks, output } = this.#parts;
    let domain = this.#domains.get(domid);
    if (domain === undefined) {
      const parts = { hv, domid, blocks, output: (bytes: Uint8Array) => output(domid, bytes) };
      domain = new ControlledDomain(parts);
      this.#domains.set(domid, domain);
    }
    domain.connect(sharedInfoMfn, port);
  }

  /** Lets go of a domain that is no more, and of all its devices. One that is not known is let alone. */
  release(domid: number): void {
    this.#domains.get(domid)?.destroy();
    this.#domains.delete(domid);
  }

  /**
   * Types `bytes` at the domain's console. They wait until the guest takes them.
   * @returns how many were taken: 0 for a domain that is not known, less than all when a megabyte waits already
   */
  input(domid: number, bytes: Uint8Array): number {
    return this.#domains.get(domid)?.input(bytes) ?? 0;
  }

  /** Gives a domain a disk. @throws an Error whose message is a sentence for the user; the domain is as it was then */
  addDisk(domid: number, disk: DiskOfDomain): void {
    this.#known(domid).addDisk(disk);
  }

  /** Takes a disk from a domain; what the guest asked of it is done first. @returns whether it had it */
  removeDisk(domid: number, vdevice: number): boolean {
    return this.#known(domid).removeDisk(vdevice);
  }

  /**
   * Asks a guest to power off, to reboot or to suspend itself.
   * @param done called once, later: null when the guest has taken the request up, which is before it does it
   * @returns takes the request back if the guest cannot have seen it, and tells whether; then `done` is not called
   */
  requestShutdown(
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
    throw new Error(`expected a domain with a control interface, found none that is ${domid}`);
  }
}
