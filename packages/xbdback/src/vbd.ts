/*
 * One virtual block device of one domain: a directory /local/domain/0/backend/vbd/D/DEVID that the toolstack made,
 * the disk that it names, and the ring of the front end it names.
 *
 *   1  Initialising   made by the toolstack
 *   2  InitWait       the disk is open; sectors, sector-size, info and the features are published
 *   4  Connected      the front end's ring is mapped and its port bound
 *   5  Closing        every request taken has been answered, the ring is let go
 *   6  Closed         nothing is held; the disk is closed
 *
 * What the front end publishes is hostile text. Whatever is wrong with it closes this device, with a sentence in the
 * story, and touches no other. A disk that cannot be opened is told as a hotplug script tells it, in
 * `hotplug-status` and `hotplug-error`, where the toolstack looks.
 */
import {
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialising,
  XenbusStateInitWait,
} from '@port-xen/abi';
import { XenError } from '@port-xen/hypervisor';
import type { Sim } from '@port-xen/sim';
import type { StoreClient } from '@port-xen/xenstore';
import type { BlockStore, OpenBlockStore } from './block-store.ts';
import { type BackendXen, Connection } from './connection.ts';
import { readFrontend } from './frontend.ts';
import { nextStep } from './next-step.ts';
import { publish } from './publish.ts';
import { Spindle } from './spindle.ts';
import { stateOf } from './state-of.ts';

/** What a device is made of. */
export interface VbdParts {
  readonly sim: Sim;
  readonly dom0: BackendXen;
  readonly store: StoreClient;
  readonly open: OpenBlockStore;
  readonly domid: number;
  readonly devid: number;
  /** Of the watch on the front end's state: its events mean {@link Vbd.reconcile}. */
  readonly token: string;
  /** Names the disk's random stream, so that hosts and devices draw apart. */
  readonly stream: string;
  /** Something of its own changed: {@link Vbd.reconcile} is to be called soon. */
  readonly onChange: () => void;
  readonly onAnswered: () => void;
}

/** One block device of one domain. */
export class Vbd {
  readonly #parts: VbdParts;
  readonly #directory: string;
  readonly #spindle: Spindle;
  #own = XenbusStateInitialising;
  #disk: BlockStore | undefined;
  #readonly = false;
  #connection: Connection | undefined;
  #draining = false;
  #frontend = '';
  /** The disk could not be opened: there is nothing to wait for but the directory's end. */
  #failed = false;
  #discovered = false;

  constructor(parts: VbdParts) {
    this.#parts = parts;
    this.#directory = `/local/domain/0/backend/vbd/${parts.domid}/${parts.devid}`;
    this.#spindle = new Spindle(parts.sim, parts.sim.random.stream(parts.stream));
  }

  /** Does what is to be done, until there is nothing. */
  reconcile(): void {
    if (this.#failed || (!this.#discovered && !this.#discover())) return;
    for (;;) {
      const { store } = this.#parts;
      const step = nextStep({
        own: this.#own,
        front: stateOf(store.tryRead(`${this.#frontend}/state`)),
        online: store.tryRead(`${this.#directory}/online`) !== '0',
        mapped: this.#connection !== undefined,
      });
      switch (step) {
        case 'wait':
          return;
        case 'connect':
          this.#connect();
          break;
        case 'drain':
          this.#draining = true;
          if (this.#spindle.pending > 0) return;
          this.#letGo();
          this.#become(XenbusStateClosing);
          break;
        case 'close':
          this.#become(XenbusStateClosing);
          break;
        case 'abandon':
          this.#letGo();
          this.#closeDisk();
          this.#become(XenbusStateClosed);
          break;
        case 'reopen':
          if (!this.#openDisk()) return;
          break;
      }
    }
  }

  /** The directory is gone: everything is let go at once and nothing written. */
  destroy(): void {
    if (this.#discovered) this.#parts.store.unwatch(`${this.#frontend}/state`, this.#parts.token);
    this.#discovered = false;
    this.#letGo();
    this.#closeDisk();
  }

  /** Finds the front end, watches its state, and opens the disk. @returns whether the directory is complete */
  #discover(): boolean {
    const { store, domid, token } = this.#parts;
    const frontend = store.tryRead(`${this.#directory}/frontend`);
    if (!frontend?.startsWith(`/local/domain/${domid}/`)) return false;
    // An empty drive has nothing to open: it stays as it is until something is put in.
    if (!store.tryRead(`${this.#directory}/params`)) return false;
    if (store.tryRead(`${this.#directory}/frontend-id`) !== String(domid)) return false;
    this.#frontend = frontend;
    this.#discovered = true;
    store.watch(`${frontend}/state`, token);
    return this.#openDisk();
  }

  #openDisk(): boolean {
    const { store, open } = this.#parts;
    this.#readonly = store.tryRead(`${this.#directory}/mode`) === 'r';
    const params = store.tryRead(`${this.#directory}/params`) ?? '';
    try {
      this.#disk = open(params, this.#readonly ? 'r' : 'w');
    } catch (error) {
      const sentence = error instanceof Error ? error.message : String(error);
      store.write(`${this.#directory}/hotplug-error`, sentence);
      store.write(`${this.#directory}/hotplug-status`, 'error');
      this.#tell(sentence);
      this.#failed = true;
      this.#become(XenbusStateClosed);
      return false;
    }
    store.write(`${this.#directory}/hotplug-status`, 'connected');
    publish(store, this.#directory, this.#disk.sectors, this.#readonly);
    this.#tell(`${params}, ${this.#disk.sectors} sectors${this.#readonly ? ', read-only' : ''}`);
    this.#become(XenbusStateInitWait);
    return true;
  }

  #connect(): void {
    const frontend = readFrontend(this.#parts.store, this.#frontend);
    if (typeof frontend === 'string') {
      this.#giveUp(frontend);
      return;
    }
    const { sim, dom0, domid, devid, onChange, onAnswered } = this.#parts;
    try {
      this.#connection = new Connection(
        {
          sim,
          dom0,
          domid,
          devid,
          disk: this.#disk as BlockStore,
          readonly: this.#readonly,
          spindle: this.#spindle,
          isDraining: () => this.#draining,
          onAnswered,
          onDone: () => {
            if (this.#draining) onChange();
          },
          onBroken: (sentence) => this.#giveUp(sentence),
        },
        frontend.ringRef,
        frontend.port,
      );
    } catch (error) {
      if (!(error instanceof XenError)) throw error;
      this.#giveUp(error.message);
      return;
    }
    this.#tell(`connected: ring grant ${frontend.ringRef}, port ${frontend.port}`);
    this.#become(XenbusStateConnected);
  }

  /** The guest got something wrong: its device is closed, and the front end is expected to close too. */
  #giveUp(sentence: string): void {
    this.#tell(`${sentence}; the device is closed`);
    this.#letGo();
    this.#become(XenbusStateClosing);
  }

  #letGo(): void {
    this.#connection?.release();
    this.#connection = undefined;
    this.#draining = false;
  }

  #closeDisk(): void {
    this.#disk?.close();
    this.#disk = undefined;
  }

  /** A directory that the toolstack removes meanwhile is not brought back by a state written into it. */
  #become(state: number): void {
    this.#own = state;
    const { store } = this.#parts;
    const node = `${this.#directory}/state`;
    if (store.tryRead(node) !== undefined) store.write(node, String(state));
  }

  #tell(sentence: string): void {
    const { sim, domid, devid } = this.#parts;
    sim.tell('xbdback', `domain ${domid}, device ${devid}: ${sentence}`);
  }
}
