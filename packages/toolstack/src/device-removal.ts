/*
 * Takes a device away from a running domain (libxl__initiate_device_generic_remove):
 *
 *     back end: online = 0, state = Closing ─▶ front end closes ─▶ back end: Closed ─▶ all nodes removed
 *
 * A guest that does not let go within ten seconds keeps its device: nothing is taken from under it.
 */
import { XenbusStateClosed, XenbusStateClosing } from '@port-xen/abi';
import type { Sim } from '@port-xen/sim';
import type { StoreClient } from '@port-xen/xenstore';
import { backendPath, type DeviceKind, frontendPath, libxlPath } from './store-paths.ts';
import { ToolstackError } from './toolstack-error.ts';

/** LIBXL_DESTROY_TIMEOUT. */
const PATIENCE_NS = 10_000_000_000;

/** One removal, from its start until `done` has been called, once. */
export class DeviceRemoval {
  readonly #sim: Sim;
  readonly #store: StoreClient;
  readonly #domid: number;
  readonly #kind: DeviceKind;
  readonly #devid: number;
  readonly #token: string;
  readonly #done: (error: Error | null) => void;
  readonly #timer: number;
  #over = false;

  /**
   * Asks both ends to let go.
   * @param token of the watch on the back end's state; its events mean {@link stateChanged}
   * @param done called from an event of the world, never from here
   */
  constructor(
    sim: Sim,
    store: StoreClient,
    device: { readonly domid: number; readonly kind: DeviceKind; readonly devid: number },
    token: string,
    done: (error: Error | null) => void,
  ) {
    this.#sim = sim;
    this.#store = store;
    this.#domid = device.domid;
    this.#kind = device.kind;
    this.#devid = device.devid;
    this.#token = token;
    this.#done = done;
    const back = this.#back;
    store.transaction((tx) => {
      store.write(`${back}/online`, '0', tx);
      store.write(`${back}/state`, String(XenbusStateClosing), tx);
    });
    store.watch(`${back}/state`, token);
    this.#timer = sim.after(PATIENCE_NS, () => this.#timedOut());
  }

  get #back(): string {
    return backendPath(this.#kind, this.#domid, this.#devid);
  }

  /** The back end is in another state, or gone. */
  stateChanged(): void {
    if (this.#over) return;
    const state = this.#store.tryRead(`${this.#back}/state`);
    if (state !== undefined && state !== String(XenbusStateClosed)) return;
    this.#finish();
    this.#store.transaction((tx) => {
      for (const path of [
        frontendPath(this.#kind, this.#domid, this.#devid),
        this.#back,
        `${libxlPath(this.#domid)}/device/${this.#kind}/${this.#devid}`,
      ]) {
        this.#store.rm(path, tx);
      }
    });
    this.#sim.tell('toolstack', `domain ${this.#domid}: device ${this.#devid} removed`);
    this.#done(null);
  }

  #timedOut(): void {
    if (this.#over) return;
    this.#finish();
    this.#store.write(`${this.#back}/online`, '1');
    this.#done(
      new ToolstackError(
        `domain ${this.#domid} does not let go of device ${this.#devid}: timed out`,
      ),
    );
  }

  #finish(): void {
    this.#over = true;
    this.#sim.cancel(this.#timer);
    this.#store.unwatch(`${this.#back}/state`, this.#token);
  }
}
