/*
 * One domain under the controller: its devices, its control interface, and who gets which of its messages.
 */
import {
  CMSG_BLKIF_FE,
  CMSG_CONSOLE,
  control_msg,
  EVTCHNSTAT_unbound,
  SHUTDOWN_suspend,
} from '@port-xen/abi';
import { type Hypervisor, XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import { type BlockBackEnd, BlockKind, type DiskOfDomain } from './block-kind.ts';
import type { ConsoleStream } from './console-stream.ts';
import {
  ControlChannel,
  type ControlXen,
  type Sender,
  type SendOptions,
} from './control-channel.ts';
import { FrontEnd } from './front-end.ts';

const CONTROLLER = 0;

/** What the controller needs of a host. */
export interface ControllerHost extends Pick<Hypervisor, 'onDomainShutdown' | 'domains'> {
  readonly sim: Sim;
  readonly dom0: ControlXen & Pick<Hypervisor['dom0'], 'allocUnbound'>;
}

/** What a domain's part is made of. */
export interface ControlledDomainParts {
  readonly hv: ControllerHost;
  readonly domid: number;
  readonly blocks: BlockBackEnd;
  readonly console: ConsoleStream;
}

/** Ports of a guest's; undefined for what is not connected. */
export interface ControlPorts {
  readonly control: number | undefined;
  readonly block: number | undefined;
}

/** A domain whose control path is messages. */
export class ControlledDomain {
  readonly #parts: ControlledDomainParts;
  readonly #block: BlockKind;
  #channel: ControlChannel | undefined;
  #controlPort: number | undefined;
  #blockFrontEnd: FrontEnd | undefined;

  constructor(parts: ControlledDomainParts) {
    this.#parts = parts;
    this.#block = new BlockKind(parts.blocks, parts.domid);
  }

  /**
   * Takes up the control interface of the domain, which does not run; once.
   * @throws XenError when the frame or the port is no good; the domain has no control interface then
   */
  connect(sharedInfoMfn: number, port: number): void {
    const { hv, domid } = this.#parts;
    const channel = new ControlChannel(
      {
        sim: hv.sim,
        dom0: hv.dom0,
        domid,
        receive: (message) => this.#receive(message),
        isShutDown: () => hv.domains.get(domid)?.isShutDown ?? true,
        hasSuspended: () => {
          const domain = hv.domains.get(domid);
          return domain?.isShutDown === true && domain.shutdownCode === SHUTDOWN_suspend;
        },
        onBroken: (sentence) => {
          this.#tell(`${sentence}; its control interface is stopped`);
          this.#disconnect();
        },
      },
      sharedInfoMfn,
      port,
    );
    this.#channel = channel;
    this.#controlPort = port;
    this.#blockFrontEnd = new FrontEnd({
      kind: this.#block,
      channel,
      portFor: (last) => this.#portFor(last),
      tell: (sentence) => this.#tell(`block interface: ${sentence}`),
    });
    this.#parts.console.connect(channel);
    this.#tell(`control interface at mfn 0x${sharedInfoMfn.toString(16)}, port ${port}`);
  }

  /** Lets go of the control interface and of what stands on it. */
  #disconnect(): void {
    if (this.#channel !== undefined) this.#parts.console.disconnect();
    this.#channel?.stop();
    this.#channel = undefined;
    this.#controlPort = undefined;
    this.#blockFrontEnd?.release();
    this.#blockFrontEnd = undefined;
  }

  /** Lets go of everything. */
  destroy(): void {
    this.#disconnect();
    this.#block.destroy();
  }

  /** The guest's ports that lead here. */
  get ports(): ControlPorts {
    return { control: this.#controlPort, block: this.#blockFrontEnd?.port };
  }

  /** It has shut down. */
  shutDown(): void {
    this.#channel?.domainShutDown();
  }

  /** It had suspended, and goes on where it was. */
  resume(): void {
    this.#channel?.takeUp();
  }

  addDisk(disk: DiskOfDomain): void {
    this.#block.addDisk(disk);
    this.#blockFrontEnd?.changed();
  }

  removeDisk(vdevice: number): boolean {
    const removed = this.#block.removeDisk(vdevice);
    if (removed) this.#blockFrontEnd?.changed();
    return removed;
  }

  /** As {@link ControlChannel.send}. */
  send(message: Uint8Array, sender: Sender, options: SendOptions): () => boolean {
    if (this.#channel !== undefined) return this.#channel.send(message, sender, options);
    const { hv, domid } = this.#parts;
    hv.sim.after(0, () => sender.failed(new Error(`domain ${domid} has no control interface`)));
    return () => false;
  }

  #receive(message: Uint8Array): void {
    const view = control_msg.at(new BytesMemory(message), 0);
    if (view.type === CMSG_CONSOLE) this.#parts.console.receive(message);
    else if (view.type === CMSG_BLKIF_FE) this.#blockFrontEnd?.receive(message);
    else view.length = 0;
  }

  /** The guest may have closed the last port meanwhile, or made something else of it. */
  #portFor(last: number | undefined): number | undefined {
    const { hv, domid } = this.#parts;
    if (last !== undefined) {
      const channel = hv.domains.get(domid)?.evtchn.status(last);
      if (channel?.status === EVTCHNSTAT_unbound && channel.dom === CONTROLLER) return last;
    }
    try {
      return hv.dom0.allocUnbound(domid, CONTROLLER);
    } catch (error) {
      if (error instanceof XenError) return undefined;
      throw error;
    }
  }

  #tell(sentence: string): void {
    const { hv, domid } = this.#parts;
    hv.sim.tell('domain-controller', `domain ${domid}: ${sentence}`);
  }
}
