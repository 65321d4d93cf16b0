/*
 * The block back end of one host. Domains reach it in two ways: by a bus of /local/domain/0/backend/vbd whose devices are disks, or by
 * control messages of Xen 2's. What becomes of a request is the same.
 */
import type { Dom0 } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import { BackendBus, type BackendXen, type BackMessages } from '@port-xen/xenbus-backend';
import type { Xenstored } from '@port-xen/xenstore';
import type { BlkifInterface } from './blkif-interface.ts';
import { blkifMessages } from './blkif-messages.ts';
import type { OpenBlockStore } from './block-store.ts';
import { LoopDevices } from './loop-devices.ts';
import { Vbd } from './vbd.ts';

/** What a block back end is made of. */
export interface XbdbackParts {
  readonly sim: Sim;
  /** The host's hypervisor: its domain 0's side, and which host it is. */
  readonly hv: { readonly slot: number; readonly dom0: BackendXen & Pick<Dom0, 'mapFrame'> };
  /** The host's own xenstore: the back end opens a connection of domain 0's. */
  readonly xenstored: Pick<Xenstored, 'connect'>;
  readonly open: OpenBlockStore;
}

/** Serves the block devices of every domain of one host. */
export class Xbdback {
  /** Domain 0's disks as control messages name them. */
  readonly loop: LoopDevices;
  readonly #blkif: BackMessages<BlkifInterface>;
  readonly #bus: BackendBus;
  readonly #listeners: ((total: number) => void)[] = [];
  #completed = 0;

  constructor(parts: XbdbackParts) {
    const { sim, hv, xenstored, open } = parts;
    const streamOf = (domid: number, devid: number): string =>
      `xbdback/${hv.slot}/${domid}/${devid}`;
    const onAnswered = (): void => {
      this.#completed++;
      for (const listener of this.#listeners) listener(this.#completed);
    };
    this.loop = new LoopDevices(open);
    const { dom0 } = hv;
    this.#blkif = blkifMessages({ sim, dom0, devices: this.loop, streamOf, onAnswered });
    this.#bus = new BackendBus({
      sim,
      xenstored,
      kind: 'vbd',
      subsystem: 'xbdback',
      make: (handle, store) => {
        const stream = streamOf(handle.domid, handle.devid);
        return new Vbd({ sim, dom0, store, open, stream, onAnswered }, handle);
      },
    });
  }

  /** Requests answered on this host since it began, all disks together. */
  get completed(): number {
    return this.#completed;
  }

  /** Devices that exist, whatever their state, and the interfaces that messages made: for conservation checks. */
  get devices(): number {
    const { interfaces } = this.#blkif;
    return interfaces.reduce((count, { vbds }) => count + 1 + vbds, this.#bus.devices);
  }

  /** Calls `listener` when a response has been put into a ring, with {@link completed}. */
  onComplete(listener: (total: number) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Receives a message of type CMSG_BLKIF_BE and answers it in place.
   * @param message 64 bytes
   */
  receive(message: Uint8Array): void {
    this.#blkif.receive(message);
  }
}
