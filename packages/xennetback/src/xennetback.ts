/*
 * The network back end of one host. Domains reach it in two ways: by a bus of /local/domain/0/backend/vif whose devices are interfaces on
 * the host's bridges, or by control messages of Xen 2's. What becomes of a frame is the same.
 */
import type { Bridge, Cable, Frame } from '@port-xen/bridge';
import type { Sim } from '@port-xen/sim';
import { BackendBus, type BackMessages } from '@port-xen/xenbus-backend';
import type { Xenstored } from '@port-xen/xenstore';
import { type Counters, noCounts } from './counters.ts';
import { ALL_FEATURES, type Features } from './features.ts';
import type { NetbackXen } from './netback-xen.ts';
import type { NetifInterface } from './netif-interface.ts';
import { netifMessages } from './netif-messages.ts';
import { Vif, type VifName } from './vif.ts';

/** What a network back end is made of. */
export interface XennetbackParts {
  readonly sim: Sim;
  /** The host's hypervisor: its domain 0's side. */
  readonly hv: { readonly dom0: NetbackXen };
  /** The host's own xenstore: the back end opens a connection of domain 0's. */
  readonly xenstored: Pick<Xenstored, 'connect'>;
  /** The host's bridges by name. */
  readonly bridge: (name: string) => Bridge | undefined;
  /** What this host's back end lacks; it has everything else. */
  readonly features?: Partial<Features>;
  /** Between each interface and its bridge. */
  readonly cable?: Cable;
}

/** Hears of every frame that passes between a guest and the back end; 'out' is from the guest. */
export type FrameListener = (vif: VifName, direction: 'in' | 'out', frame: Frame) => void;

/** Serves the network interfaces of every domain of one host. */
export class Xennetback {
  readonly #bus: BackendBus;
  readonly #netif: BackMessages<NetifInterface>;
  readonly #bridge: XennetbackParts['bridge'];
  readonly #listeners: FrameListener[] = [];
  readonly #counting = noCounts();

  constructor(parts: XennetbackParts) {
    const { sim, hv, xenstored, bridge, cable = {} } = parts;
    const features = { ...ALL_FEATURES, ...parts.features };
    const { dom0 } = hv;
    const counting = this.#counting;
    const onFrame: FrameListener = (vif, direction, frame) => {
      for (const listener of this.#listeners) listener(vif, direction, frame);
    };
    this.#bridge = bridge;
    this.#netif = netifMessages({ sim, dom0, cable, counting, onFrame });
    this.#bus = new BackendBus({
      sim,
      xenstored,
      kind: 'vif',
      subsystem: 'xennetback',
      make: (handle, store) =>
        new Vif({ sim, dom0, store, features, cable, bridge, counting, onFrame }, handle),
    });
  }

  /** Interfaces that exist, whatever their state: for conservation checks. */
  get devices(): number {
    return this.#bus.devices + this.#netif.interfaces.length;
  }

  /** What all of them have carried since the host began. */
  get counters(): Counters {
    return { ...this.#counting };
  }

  /** Hears every frame from now on, synchronously: what a capture is made of. Nobody may change a frame. */
  listen(listener: FrameListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Receives a message of type CMSG_NETIF_BE and answers it in place.
   * @param message 64 bytes
   */
  receive(message: Uint8Array): void {
    this.#netif.receive(message);
  }

  /**
   * Puts an interface that a message made on one of the host's bridges.
   * @param options.name what it is called there, and `rate` as in {@link limitOf}'s node
   * @throws an Error whose message is a sentence for the person who configured it
   */
  attach(
    domid: number,
    handle: number,
    bridgeName: string,
    options: { readonly name?: string | undefined; readonly rate?: string | undefined } = {},
  ): void {
    const bridge = this.#bridge(bridgeName);
    const netif = this.#netif.find(domid, handle);
    if (bridge === undefined) {
      throw new Error(`expected a bridge of this host, found ${bridgeName}`);
    }
    if (netif === undefined) throw new Error(`domain ${domid} has no interface ${handle}`);
    netif.attach(bridge, options.name, options.rate);
  }
}
