/*
 * Has the back ends of a domain let go of its devices, so that they can be made anew:
 *
 *     front ends' directories removed ─▶ back ends let go: Closed, ten seconds at most ─▶ theirs removed ─▶ a pause
 */
import { XenbusStateClosed, XenbusStateInitialising } from '@port-xen/abi';
import type { Sim } from '@port-xen/sim';
import type { StoreClient } from '@port-xen/xenstore';
import { backendPath, type DeviceKind, frontendPath, libxlPath } from './store-paths.ts';
import type { WatchTokens } from './watch-tokens.ts';

/** How long back ends may take to let go; then their devices are taken from them. */
const PATIENCE_NS = 10_000_000_000;
/** From the last directory's removal to the first one's making: the back ends are to have seen it. */
const PAUSE_NS = 1_000_000;

interface Device {
  readonly kind: DeviceKind;
  readonly devid: number;
}

export class DeviceRelease {
  readonly #sim: Sim;
  readonly #store: StoreClient;
  readonly #domid: number;
  readonly #tokens: WatchTokens;
  readonly #done: (devices: number) => void;
  readonly #token: string;
  readonly #devices: readonly Device[];
  #state: 'releasing' | 'released' | 'over' = 'releasing';
  #timer: number;

  /** @param done called from an event of the world, never from here, with the number of devices */
  constructor(
    sim: Sim,
    store: StoreClient,
    domid: number,
    tokens: WatchTokens,
    done: (devices: number) => void,
  ) {
    this.#sim = sim;
    this.#store = store;
    this.#domid = domid;
    this.#tokens = tokens;
    this.#done = done;
    this.#devices = (['vbd', 'vif'] as const).flatMap((kind) => this.#devicesOf(kind));
    this.#token = tokens.add('reset', () => this.#look());
    for (const device of this.#devices) {
      this.#remove(frontendPath(device.kind, domid, device.devid));
      store.watch(this.#stateNode(device), this.#token);
    }
    this.#timer = sim.after(PATIENCE_NS, () => this.#released());
    this.#look();
  }

  cancel(): void {
    if (this.#state === 'over') return;
    if (this.#state === 'releasing') this.#unwatch();
    this.#finish();
  }

  #devicesOf(kind: DeviceKind): Device[] {
    const directory = `/local/domain/0/backend/${kind}/${this.#domid}`;
    if (this.#store.tryRead(directory) === undefined) return [];
    return this.#store.directory(directory).map((devid) => ({ kind, devid: Number(devid) }));
  }

  #stateNode({ kind, devid }: Device): string {
    return `${backendPath(kind, this.#domid, devid)}/state`;
  }

  #remove(path: string): void {
    if (this.#store.tryRead(path) !== undefined) this.#store.rm(path);
  }

  /** A back end is in another state. One that was never opened has nothing to let go of. */
  #look(): void {
    if (this.#state !== 'releasing') return;
    const held = this.#devices.some((device) => {
      const state = Number(this.#store.tryRead(this.#stateNode(device)) ?? XenbusStateClosed);
      return state !== XenbusStateClosed && state !== XenbusStateInitialising;
    });
    if (!held) this.#released();
  }

  #unwatch(): void {
    for (const device of this.#devices) {
      this.#store.unwatch(this.#stateNode(device), this.#token);
    }
  }

  #released(): void {
    this.#state = 'released';
    this.#sim.cancel(this.#timer);
    this.#unwatch();
    for (const { kind, devid } of this.#devices) {
      this.#remove(backendPath(kind, this.#domid, devid));
      this.#remove(`${libxlPath(this.#domid)}/device/${kind}/${devid}`);
    }
    this.#timer = this.#sim.after(PAUSE_NS, () => {
      this.#finish();
      this.#done(this.#devices.length);
    });
  }

  #finish(): void {
    this.#state = 'over';
    this.#sim.cancel(this.#timer);
    this.#tokens.remove(this.#token);
  }
}
