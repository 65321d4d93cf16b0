/*
 * The network back end of one host: a bus of /local/domain/0/backend/vif whose devices are interfaces on the host's bridges.
 */
import type { Bridge, Cable, Frame } from '@port-xen/bridge';
import type { Sim } from '@port-xen/sim';
import { BackendBus } from '@port-xen/xenbus-backend';
import type { Xenstored } from '@port-xen/xenstore';
import { type Counters, noCounts } from './counters.ts';
import { ALL_FEATURES, type Features } from './features.ts';
import type { NetbackXen } from './netback-xen.ts';
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
  readonly #listeners: FrameListener[] = [];
  readonly #counting = noCounts();

  constructor(parts: XennetbackParts) {
    const { sim, hv, xenstored, bridge, cable = {} } = parts;
    const features = { ...ALL_FEATURES, ...parts.features };
    this.#bus = new BackendBus({
      sim,
      xenstored,
      kind: 'vif',
      subsystem: 'xennetback',
      make: (handle, store) =>
        new Vif(
          {
            sim,
            dom0: hv.dom0,
            store,
            features,
            cable,
            bridge,
            counting: this.#counting,
            onFrame: (vif, direction, frame) => {
              for (const listener of this.#listeners) listener(vif, direction, frame);
            },
          },
          handle,
        ),
    });
  }

  /** Interfaces that exist, whatever their state: for conservation checks. */
  get devices(): number {
    return this.#bus.devices;
  }

  /** What all of them have carried since the host began. */
  get counters(): Counters {
    return { ...this.#counting };
  }

  /** Hears every frame from now on, synchronously: what a capture is made of. Nobody may change a frame. */
  listen(listener: FrameListener): void {
    this.#listeners.push(listener);
  }
}
