import type { Permission, StoreClient } from '@port-xen/xenstore';

/** Nodes of one transaction, written with their permissions. */
export class StoreNodes {
  readonly #store: StoreClient;
  readonly #tx: number;
  readonly #domid: number;

  /** @param domid the domain that the nodes are for */
  constructor(store: StoreClient, tx: number, domid: number) {
    this.#store = store;
    this.#tx = tx;
    this.#domid = domid;
  }

  /** Domain 0's and nobody else's. */
  hidden(path: string, value = ''): void {
    this.#put(path, value, [{ domid: 0, access: 'n' }]);
  }

  /** Domain 0's; the domain may read it. */
  readable(path: string, value = ''): void {
    this.#put(path, value, [
      { domid: 0, access: 'n' },
      { domid: this.#domid, access: 'r' },
    ]);
  }

  /** The domain's own. */
  writable(path: string, value = ''): void {
    this.#put(path, value, [{ domid: this.#domid, access: 'n' }]);
  }

  /** The domain's own, for domain 0 to read: a front end's directory. */
  frontend(path: string): void {
    this.#put(path, '', [
      { domid: this.#domid, access: 'n' },
      { domid: 0, access: 'r' },
    ]);
  }

  /** Values below `directory`, with the permissions of `directory`. */
  values(directory: string, values: Readonly<Record<string, string | number | undefined>>): void {
    for (const [name, value] of Object.entries(values)) {
      if (value !== undefined) this.#store.write(`${directory}/${name}`, String(value), this.#tx);
    }
  }

  /** Removes what is at `path` and below, if anything is. */
  remove(path: string): void {
    if (this.#store.tryRead(path, this.#tx) !== undefined) this.#store.rm(path, this.#tx);
  }

  #put(path: string, value: string, permissions: Permission[]): void {
    this.#store.write(path, value, this.#tx);
    this.#store.setPermissions(path, permissions, this.#tx);
  }
}
