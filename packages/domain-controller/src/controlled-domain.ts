/*
 * One domain under the controller: its devices, its control interface, and who gets which of its messages.
 */
import {
  blkif_fe_interface_connect,
  blkif_fe_interface_query,
  CMSG_BLKIF_FE,
  CMSG_CONSOLE,
  CMSG_NETIF_FE,
  control_msg,
  EVTCHNSTAT_unbound,
  netif_fe_interface_connect,
  netif_fe_interface_query,
  SHUTDOWN_suspend,
} from '@port-xen/abi';
import { type Hypervisor, XenError } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import type { Sim } from '@port-xen/sim';
import { type BlockBackEnd, BlockKind, type DiskOfDomain } from './block-kind.ts';
import type { ConsoleStream } from './console-stream.ts';
import { ControlChannel, type ControlXen } from './control-channel.ts';
import type { Sender, SendOptions } from './control-requests.ts';
import { FrontEnd, type FrontEndKind } from './front-end.ts';
import { type FrontEndPayloads, FrontEnds } from './front-ends.ts';
import { type NetBackEnd, NetKind, type NicOfDomain } from './net-kind.ts';

const CONTROLLER = 0;
/** A domain has one block interface, with all its disks behind it. */
const BLOCK_HANDLE = 0;
const BLKIF = { status: blkif_fe_interface_query, connect: blkif_fe_interface_connect };
const NETIF = { status: netif_fe_interface_query, connect: netif_fe_interface_connect };

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
  /** By handle. */
  readonly #nets = new Map<number, NetKind>();
  #channel: ControlChannel | undefined;
  #controlPort: number | undefined;
  /** By the type of their messages. */
  readonly #frontEnds = new Map<number, FrontEnds>();

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
    const blocks = new Map([[BLOCK_HANDLE, this.#block]]);
    this.#connectKind(channel, CMSG_BLKIF_FE, BLKIF, blocks, 'block interface');
    this.#connectKind(channel, CMSG_NETIF_FE, NETIF, this.#nets, 'network interface');
    this.#parts.console.connect(channel);
    this.#tell(`control interface at mfn 0x${sharedInfoMfn.toString(16)}, port ${port}`);
  }

  /** Lets go of the control interface and of what stands on it. */
  #disconnect(): void {
    if (this.#channel !== undefined) this.#parts.console.disconnect();
    this.#channel?.stop();
    this.#channel = undefined;
    this.#controlPort = undefined;
    for (const frontEnds of this.#frontEnds.values()) frontEnds.release();
    this.#frontEnds.clear();
  }

  /** Lets go of everything. */
  destroy(): void {
    this.#disconnect();
    this.#block.destroy();
    for (const net of this.#nets.values()) net.destroy();
    this.#nets.clear();
  }

  /** The guest's ports that lead here. */
  get ports(): ControlPorts {
    return {
      control: this.#controlPort,
      block: this.#frontEnds.get(CMSG_BLKIF_FE)?.portOf(BLOCK_HANDLE),
    };
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
    this.#frontEnds.get(CMSG_BLKIF_FE)?.changed(BLOCK_HANDLE);
  }

  removeDisk(vdevice: number): boolean {
    const removed = this.#block.removeDisk(vdevice);
    if (removed) this.#frontEnds.get(CMSG_BLKIF_FE)?.changed(BLOCK_HANDLE);
    return removed;
  }

  /** Before {@link connect}. @throws an Error whose message is a sentence, when it cannot be had; nothing is held of it then */
  addNic(nets: NetBackEnd, nic: NicOfDomain): void {
    this.#nets.set(nic.handle, new NetKind(nets, this.#parts.domid, nic));
  }

  #connectKind(
    channel: ControlChannel,
    type: number,
    payloads: FrontEndPayloads,
    kinds: ReadonlyMap<number, FrontEndKind>,
    name: string,
  ): void {
    const list = new Map<number, FrontEnd>();
    for (const [handle, kind] of kinds) {
      const frontEnd = new FrontEnd({
        kind,
        handle,
        channel,
        portFor: (last) => this.#portFor(last),
        tell: (sentence) => this.#tell(`${name} ${handle}: ${sentence}`),
      });
      list.set(handle, frontEnd);
    }
    this.#frontEnds.set(type, new FrontEnds(payloads, list));
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
    else {
      const frontEnds = this.#frontEnds.get(view.type);
      if (frontEnds === undefined) view.length = 0;
      else frontEnds.receive(message);
    }
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
