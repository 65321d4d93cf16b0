/*
 * One virtual interface of one domain: its place on the bridge that its directory /local/domain/0/backend/vif/D/DEVID names, and
 * the rings of the front end. When to open, connect and close is the handshake's to say.
 *
 *     InitWait     on the bridge; features are published; what comes for the guest is dropped
 *     Connected    frames go both ways
 *     Closed       not on the bridge
 *
 * Nothing is pending between events: a packet is copied and answered at once.
 */
import { XenbusStateConnected } from '@port-xen/abi';
import type { Bridge, Cable, Frame, Port } from '@port-xen/bridge';
import type { Sim } from '@port-xen/sim';
import type { DeviceEnd, DeviceHandle } from '@port-xen/xenbus-backend';
import type { StoreClient } from '@port-xen/xenstore';
import { Connection } from './connection.ts';
import type { Counting } from './counters.ts';
import { type Features, publish } from './features.ts';
import { readFrontend } from './frontend.ts';
import { grantRings } from './grant-rings.ts';
import type { NetbackXen } from './netback-xen.ts';
import { limitOf } from './rate.ts';

/** Which interface a frame passed. */
export interface VifName {
  /** `vifD.N`, or the name that the configuration gives it. */
  readonly name: string;
  readonly domid: number;
  readonly devid: number;
  /** `00:16:3e:xx:xx:xx`, as the toolstack wrote it. */
  readonly mac: string;
}

/** What an interface is made of. */
export interface VifParts {
  readonly sim: Sim;
  readonly dom0: NetbackXen;
  readonly store: StoreClient;
  readonly features: Features;
  readonly cable: Cable;
  readonly bridge: (name: string) => Bridge | undefined;
  readonly counting: Counting;
  readonly onFrame: (vif: VifName, direction: 'in' | 'out', frame: Frame) => void;
}

/** One network interface of one domain. */
export class Vif implements DeviceEnd {
  readonly readyAt: number = XenbusStateConnected;
  readonly pending: number = 0;
  readonly #parts: VifParts;
  readonly #handle: DeviceHandle;
  #name: VifName;
  #port: Port | undefined;
  #connection: Connection | undefined;

  constructor(parts: VifParts, handle: DeviceHandle) {
    this.#parts = parts;
    this.#handle = handle;
    const { domid, devid } = handle;
    this.#name = { name: `vif${domid}.${devid}`, domid, devid, mac: '' };
  }

  isComplete(): boolean {
    return this.#node('bridge') !== undefined && this.#node('mac') !== undefined;
  }

  open(): string | undefined {
    const { store, features, cable } = this.#parts;
    const bridgeName = this.#node('bridge') ?? '';
    const bridge = this.#parts.bridge(bridgeName);
    if (bridge === undefined) return `expected a bridge of this host, found ${bridgeName}`;
    const name = this.#node('vifname') ?? this.#name.name;
    this.#name = { ...this.#name, name, mac: this.#node('mac') ?? '' };
    const station = { receive: (frame: Frame) => this.#receive(frame) };
    const toBridge = { ...cable.toBridge, ...limitOf(this.#node('rate')) };
    this.#port = bridge.attach(name, station, { ...cable, toBridge });
    publish(store, this.#handle.directory, features);
    this.#handle.tell(`${name}, ${this.#name.mac}, on ${bridgeName}`);
    return undefined;
  }

  connect(directory: string): string | undefined {
    const { sim, dom0, store, features, counting, onFrame } = this.#parts;
    const frontend = readFrontend(store, directory, features.rxCopy);
    if (typeof frontend === 'string') return frontend;
    const handle = this.#handle;
    const { txRingRef, rxRingRef, port, sg, checksumOffload } = frontend;
    this.#connection = new Connection(
      {
        sim,
        dom0,
        handle,
        features,
        frontend,
        port: this.#port as Port,
        counting,
        onFrame: (direction, frame) => onFrame(this.#name, direction, frame),
      },
      grantRings({ dom0, domid: handle.domid, txRingRef, rxRingRef, features }),
      port,
    );
    handle.tell(
      `connected: ring grants ${txRingRef} and ${rxRingRef}, port ${port}${sg ? ', scatter-gather' : ''}${checksumOffload ? ', checksum offload' : ''}${features.rxCopy ? '' : ', page flipping'}`,
    );
    return undefined;
  }

  release(): void {
    this.#connection?.release();
    this.#connection = undefined;
  }

  close(): void {
    this.#port?.detach();
    this.#port = undefined;
  }

  #receive(frame: Frame): void {
    if (this.#connection === undefined) this.#parts.counting.rxDropped++;
    else this.#connection.receive(frame);
  }

  #node(name: string): string | undefined {
    return this.#parts.store.tryRead(`${this.#handle.directory}/${name}`);
  }
}
