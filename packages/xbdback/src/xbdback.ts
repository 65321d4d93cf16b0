/*
 * The block back end of one host: a bus of /local/domain/0/backend/vbd whose devices are disks.
 */
import type { Sim } from '@port-xen/sim';
import { BackendBus, type BackendXen } from '@port-xen/xenbus-backend';
import type { Xenstored } from '@port-xen/xenstore';
import type { OpenBlockStore } from './block-store.ts';
import { Vbd } from './vbd.ts';

/** What a block back end is made of. */
export interface XbdbackParts {
  readonly sim: Sim;
  /** The host's hypervisor: its domain 0's side, and which host it is. */
  readonly hv: { readonly slot: number; readonly dom0: BackendXen };
  /** The host's own xenstore: the back end opens a connection of domain 0's. */
  readonly xenstored: Pick<Xenstored, 'connect'>;
  readonly open: OpenBlockStore;
}

/** Serves the block devices of every domain of one host. */
export class Xbdback {
  readonly #bus: BackendBus;
  readonly #listeners: ((total: number) => void)[] = [];
  #completed = 0;

  constructor(parts: XbdbackParts) {
    const { sim, hv, xenstored, open } = parts;
    this.#bus = new BackendBus({
      sim,
      xenstored,
      kind: 'vbd',
      subsystem: 'xbdback',
      make: (handle, store) =>
        new Vbd(
          {
            sim,
            dom0: hv.dom0,
            store,
            open,
            stream: `xbdback/${hv.slot}/${handle.domid}/${handle.devid}`,
            onAnswered: () => {
              this.#completed++;
              for (const listener of this.#listeners) listener(this.#completed);
            },
          },
          handle,
        ),
    });
  }

  /** Requests answered on this host since it began, all disks together. */
  get completed(): number {
    return this.#completed;
  }

  /** Devices that exist, whatever their state: for conservation checks. */
  get devices(): number {
    return this.#bus.devices;
  }

  /** Calls `listener` when a response has been put into a ring, with {@link completed}. */
  onComplete(listener: (total: number) => void): void {
    this.#listeners.push(listener);
  }
}
