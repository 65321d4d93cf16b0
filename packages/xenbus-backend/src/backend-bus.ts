/*
 * Every device of one kind on one host. One watch on /local/domain/0/backend/KIND tells of every device directory that
 * the toolstack makes, changes or removes:
 *
 *     /local/domain/0/backend/KIND / D / DEVID / …        one Handshake for each (D, DEVID)
 *
 * A change is not acted upon while it is being told: its device is put on a list, which is gone through in an event of its
 * own, in the order of the changes. So a transaction's many changes cost one look. Directories of a restored domain bear a new domid and so are
 * new devices; the old ones go with their directories.
 */
import type { Sim } from '@port-xen/sim';
import type { StoreClient, Xenstored } from '@port-xen/xenstore';
import type { DeviceEnd, DeviceHandle } from './device-end.ts';
import { Handshake } from './handshake.ts';

/** The watch on the root; a device's token has a slash. */
const ROOT_TOKEN = 'root';

/** What a bus is made of. */
export interface BackendBusParts {
  readonly sim: Sim;
  /** The host's own xenstore: the bus opens a connection of domain 0's. */
  readonly xenstored: Pick<Xenstored, 'connect'>;
  readonly kind: 'vbd' | 'vif';
  /** Whose lines the story's are. */
  readonly subsystem: string;
  /** Makes the part of a device that depends on its kind. */
  readonly make: (handle: DeviceHandle, store: StoreClient) => DeviceEnd;
}

/** Finds the devices of one kind and keeps their states. */
export class BackendBus {
  readonly #parts: BackendBusParts;
  readonly #root: string;
  readonly #store: StoreClient;
  readonly #devices = new Map<string, Handshake>();
  readonly #changed = new Set<string>();
  #scheduled = false;

  constructor(parts: BackendBusParts) {
    this.#parts = parts;
    this.#root = `/local/domain/0/backend/${parts.kind}`;
    this.#store = parts.xenstored.connect(0, (path, token) => {
      if (token === ROOT_TOKEN) this.#onWatch(path);
      else if (this.#devices.has(token)) this.#change(token);
    });
    this.#store.watch(this.#root, ROOT_TOKEN);
  }

  /** Devices that exist, whatever their state: for conservation checks. */
  get devices(): number {
    return this.#devices.size;
  }

  #onWatch(path: string): void {
    const [domid, devid] = path.slice(this.#root.length + 1).split('/');
    // A change at the root or at a domain's directory may have taken any device away.
    if (domid === undefined || domid === '' || devid === undefined) this.#changeAll();
    else this.#change(`${domid}/${devid}`);
  }

  #changeAll(): void {
    for (const key of this.#devices.keys()) this.#change(key);
    for (const domid of this.#children(this.#root)) {
      for (const devid of this.#children(`${this.#root}/${domid}`)) {
        this.#change(`${domid}/${devid}`);
      }
    }
  }

  #change(key: string): void {
    this.#changed.add(key);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#parts.sim.after(0, () => {
      this.#scheduled = false;
      const keys = [...this.#changed];
      this.#changed.clear();
      for (const changed of keys) this.#look(changed);
    });
  }

  /** The names below `path`; none when there is no such node. */
  #children(path: string): string[] {
    return this.#store.tryRead(path) === undefined ? [] : this.#store.directory(path);
  }

  #look(key: string): void {
    const device = this.#devices.get(key);
    if (this.#children(`${this.#root}/${key}`).length === 0) {
      this.#devices.delete(key);
      device?.destroy();
      return;
    }
    (device ?? this.#add(key))?.reconcile();
  }

  /** @returns nothing for a directory whose name is not a domid and a device number */
  #add(key: string): Handshake | undefined {
    if (!/^[0-9]{1,5}\/[0-9]{1,10}$/.test(key)) return undefined;
    const { sim, subsystem, make } = this.#parts;
    const [domid, devid] = key.split('/').map(Number) as [number, number];
    const device = new Handshake({
      store: this.#store,
      token: key,
      domid,
      devid,
      directory: `${this.#root}/${key}`,
      make: (handle) => make(handle, this.#store),
      changed: () => this.#change(key),
      tell: (sentence) => sim.tell(subsystem, `domain ${domid}, device ${devid}: ${sentence}`),
    });
    this.#devices.set(key, device);
    return device;
  }
}
