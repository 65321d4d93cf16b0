/*
 * The block back end of one host. One watch on /local/domain/0/backend/vbd tells of every device directory that
 * the toolstack makes, changes or removes:
 *
 *     /local/domain/0/backend/vbd / D / DEVID / …        one Vbd for each (D, DEVID)
 *
 * A change is not acted upon while it is being told: its device is put on a list, which is gone through in an event of its
 * own, in the order of the changes. So a transaction's many changes cost one look. Directories of a restored domain bear a new domid and so are
 * new devices; the old ones go with their directories.
 */
import type { Sim } from '@port-xen/sim';
import type { StoreClient, Xenstored } from '@port-xen/xenstore';
import type { OpenBlockStore } from './block-store.ts';
import type { BackendXen } from './connection.ts';
import { Vbd } from './vbd.ts';

const ROOT = '/local/domain/0/backend/vbd';
const ROOT_TOKEN = 'vbd';

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
  readonly #parts: XbdbackParts;
  readonly #store: StoreClient;
  readonly #vbds = new Map<string, Vbd>();
  readonly #changed = new Set<string>();
  readonly #listeners: ((total: number) => void)[] = [];
  #scheduled = false;
  #completed = 0;

  constructor(parts: XbdbackParts) {
    this.#parts = parts;
    this.#store = parts.xenstored.connect(0, (path, token) => {
      if (token === ROOT_TOKEN) this.#onWatch(path);
      else if (this.#vbds.has(token)) this.#change(token);
    });
    this.#store.watch(ROOT, ROOT_TOKEN);
  }

  /** Requests answered on this host since it began, all disks together. */
  get completed(): number {
    return this.#completed;
  }

  /** Devices that exist, whatever their state: for conservation checks. */
  get devices(): number {
    return this.#vbds.size;
  }

  /** Calls `listener` when a response has been put into a ring, with {@link completed}. */
  onComplete(listener: (total: number) => void): void {
    this.#listeners.push(listener);
  }

  #onWatch(path: string): void {
    const [domid, devid] = path.slice(ROOT.length + 1).split('/');
    // A change at the root or at a domain's directory may have taken any device away.
    if (domid === undefined || domid === '' || devid === undefined) this.#changeAll();
    else this.#change(`${domid}/${devid}`);
  }

  #changeAll(): void {
    for (const key of this.#vbds.keys()) this.#change(key);
    for (const domid of this.#children(ROOT)) {
      for (const devid of this.#children(`${ROOT}/${domid}`)) this.#change(`${domid}/${devid}`);
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
    const vbd = this.#vbds.get(key);
    if (this.#children(`${ROOT}/${key}`).length === 0) {
      this.#vbds.delete(key);
      vbd?.destroy();
      return;
    }
    (vbd ?? this.#add(key))?.reconcile();
  }

  /** @returns nothing for a directory whose name is not a domid and a device number */
  #add(key: string): Vbd | undefined {
    if (!/^[0-9]{1,5}\/[0-9]{1,10}$/.test(key)) return undefined;
    const { sim, hv, open } = this.#parts;
    const [domid, devid] = key.split('/').map(Number) as [number, number];
    const vbd = new Vbd({
      sim,
      dom0: hv.dom0,
      store: this.#store,
      token: key,
      open,
      domid,
      devid,
      stream: `xbdback/${hv.slot}/${key}`,
      onChange: () => this.#change(key),
      onAnswered: () => {
        this.#completed++;
        for (const listener of this.#listeners) listener(this.#completed);
      },
    });
    this.#vbds.set(key, vbd);
    return vbd;
  }
}
