/*
 * Domain 0's block devices, by number. Xen 2's control messages name a disk by the number that domain 0's kernel has for it, so
 * what a `disk` entry names is attached to a device first, as losetup does with a file:
 *
 *     number = 7 << 8 | minor        (major 7 is Linux's loop; minors are given lowest first)
 */
import type { BlockStore, OpenBlockStore } from './block-store.ts';

const LOOP_MAJOR = 7;
const MINORS = 256;

/** Disks that are open, by number. */
export class LoopDevices {
  readonly #open: OpenBlockStore;
  readonly #stores = new Map<number, BlockStore>();

  constructor(open: OpenBlockStore) {
    this.#open = open;
  }

  /** How many are attached. */
  get count(): number {
    return this.#stores.size;
  }

  /**
   * Opens what `params` names.
   * @returns its number
   * @throws an Error whose message is a sentence for the person who wrote the disk entry
   */
  attach(params: string, mode: 'r' | 'w'): number {
    for (let minor = 0; minor < MINORS; minor++) {
      const device = (LOOP_MAJOR << 8) | minor;
      if (this.#stores.has(device)) continue;
      this.#stores.set(device, this.#open(params, mode));
      return device;
    }
    throw new Error(`expected at most ${MINORS} disks on a host, found one more: ${params}`);
  }

  /** Closes a device; one that is not attached is left alone. */
  detach(device: number): void {
    const store = this.#stores.get(device);
    this.#stores.delete(device);
    store?.close();
  }

  get(device: number): BlockStore | undefined {
    return this.#stores.get(device);
  }
}
