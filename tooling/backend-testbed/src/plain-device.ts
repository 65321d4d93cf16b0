import type { StoreClient } from '@port-xen/xenstore';

/** Where a device's two halves are in the store, and how a toolstack puts them there. */
export class PlainDevice {
  readonly #store: StoreClient;
  /** The back end's directory. */
  readonly back: string;
  /** The front end's. */
  readonly front: string;
  readonly #domid: number;

  constructor(store: StoreClient, kind: 'vbd' | 'vif', domid: number, devid: number) {
    this.#store = store;
    this.#domid = domid;
    this.back = `/local/domain/0/backend/${kind}/${domid}/${devid}`;
    this.front = `/local/domain/${domid}/device/${kind}/${devid}`;
  }

  /** Makes both directories, at one go. @param nodes what else the back end's says, or says otherwise */
  add(nodes: Readonly<Record<string, string>>): void {
    const { back, front } = this;
    const frontNodes = { backend: back, 'backend-id': '0', state: '1' };
    const backNodes = {
      frontend: front,
      'frontend-id': String(this.#domid),
      online: '1',
      state: '1',
      ...nodes,
    };
    this.#store.transaction((tx) => {
      for (const [k, v] of Object.entries(frontNodes)) this.#store.write(`${front}/${k}`, v, tx);
      for (const [k, v] of Object.entries(backNodes)) this.#store.write(`${back}/${k}`, v, tx);
    });
  }
}
