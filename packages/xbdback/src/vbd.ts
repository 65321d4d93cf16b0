/*
 * One virtual block device of one domain: the disk that its directory /local/domain/0/backend/vbd/D/DEVID names, and the ring
 * of the front end. When to open, connect, drain and close is the handshake's to say.
 */
import { BLKIF_RSP_EOPNOTSUPP, XenbusStateInitialised } from '@port-xen/abi';
import type { Sim } from '@port-xen/sim';
import type { BackendXen, DeviceEnd, DeviceHandle } from '@port-xen/xenbus-backend';
import type { StoreClient } from '@port-xen/xenstore';
import type { BlockStore, OpenBlockStore } from './block-store.ts';
import { Connection } from './connection.ts';
import { readFrontend } from './frontend.ts';
import { GrantRing } from './grant-ring.ts';
import { publish } from './publish.ts';
import { Spindle } from './spindle.ts';

/** What a device is made of. */
export interface VbdParts {
  readonly sim: Sim;
  readonly dom0: BackendXen;
  readonly store: StoreClient;
  readonly open: OpenBlockStore;
  /** Names the disk's random stream, so that hosts and devices draw apart. */
  readonly stream: string;
  readonly onAnswered: () => void;
}

/** One block device of one domain. */
export class Vbd implements DeviceEnd {
  readonly readyAt: number = XenbusStateInitialised;
  readonly #parts: VbdParts;
  readonly #handle: DeviceHandle;
  readonly #spindle: Spindle;
  #disk: BlockStore | undefined;
  #readonly = false;
  #connection: Connection | undefined;

  constructor(parts: VbdParts, handle: DeviceHandle) {
    this.#parts = parts;
    this.#handle = handle;
    this.#spindle = new Spindle(parts.sim, parts.sim.random.stream(parts.stream));
  }

  get pending(): number {
    return this.#spindle.pending;
  }

  /** An empty drive has nothing to open: it stays as it is until something is put in. */
  isComplete(): boolean {
    return Boolean(this.#node('params'));
  }

  open(): string | undefined {
    const { store, open } = this.#parts;
    this.#readonly = this.#node('mode') === 'r';
    const params = this.#node('params') ?? '';
    try {
      this.#disk = open(params, this.#readonly ? 'r' : 'w');
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    const { sectors } = this.#disk;
    publish(store, this.#handle.directory, sectors, this.#readonly);
    this.#handle.tell(`${params}, ${sectors} sectors${this.#readonly ? ', read-only' : ''}`);
    return undefined;
  }

  connect(directory: string): string | undefined {
    const frontend = readFrontend(this.#parts.store, directory);
    if (typeof frontend === 'string') return frontend;
    const { sim, dom0, onAnswered } = this.#parts;
    const handle = this.#handle;
    const disk = {
      store: this.#disk as BlockStore,
      readonly: this.#readonly,
      devid: handle.devid,
      spindle: this.#spindle,
    };
    this.#connection = new Connection(
      {
        sim,
        dom0,
        domid: handle.domid,
        ring: new GrantRing(dom0, handle.domid, frontend.ringRef),
        // A ring is one disk's: what requests say there means nothing.
        diskOf: () => disk,
        probe: () => BLKIF_RSP_EOPNOTSUPP,
        abandon: () => this.#spindle.abandon(),
        isDraining: () => handle.draining,
        onAnswered,
        onDone: () => {
          if (handle.draining) handle.changed();
        },
        onBroken: (sentence) => handle.giveUp(sentence),
      },
      frontend.port,
    );
    handle.tell(`connected: ring grant ${frontend.ringRef}, port ${frontend.port}`);
    return undefined;
  }

  release(): void {
    this.#connection?.release();
    this.#connection = undefined;
  }

  close(): void {
    this.#disk?.close();
    this.#disk = undefined;
  }

  #node(name: string): string | undefined {
    return this.#parts.store.tryRead(`${this.#handle.directory}/${name}`);
  }
}
