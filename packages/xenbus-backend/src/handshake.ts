/*
 * One device of one domain, as far as every back end has it alike: a directory /local/domain/0/backend/KIND/D/DEVID that the
 * toolstack made, the front end that it names, and the states of both.
 *
 *   1  Initialising   made by the toolstack
 *   2  InitWait       what the device stands on is open, what it can do is published
 *   4  Connected      the front end's rings are mapped and its port bound
 *   5  Closing        every request taken has been answered, the rings are let go
 *   6  Closed         nothing is held
 *
 * What the front end publishes is hostile text. Whatever is wrong with it closes this device, with a sentence in the
 * story, and touches no other. A device that cannot be opened is told as a hotplug script tells it, in
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
import type { StoreClient } from '@port-xen/xenstore';
import type { DeviceEnd, DeviceHandle } from './device-end.ts';
import { nextStep } from './next-step.ts';
import { stateOf } from './state-of.ts';

/** What a handshake is made of. */
export interface HandshakeParts {
  readonly store: StoreClient;
  /** Of the watch on the front end's state: its events mean {@link Handshake.reconcile}. */
  readonly token: string;
  readonly domid: number;
  readonly devid: number;
  readonly directory: string;
  readonly make: (handle: DeviceHandle) => DeviceEnd;
  readonly changed: () => void;
  readonly tell: (sentence: string) => void;
}

/** The states of one device. */
export class Handshake implements DeviceHandle {
  readonly #parts: HandshakeParts;
  readonly #end: DeviceEnd;
  #own = XenbusStateInitialising;
  #connected = false;
  #draining = false;
  #frontend = '';
  #discovered = false;
  /** The device could not be opened: there is nothing to wait for but the directory's end. */
  #failed = false;

  constructor(parts: HandshakeParts) {
    this.#parts = parts;
    this.#end = parts.make(this);
  }

  get domid(): number {
    return this.#parts.domid;
  }

  get devid(): number {
    return this.#parts.devid;
  }

  get directory(): string {
    return this.#parts.directory;
  }

  get draining(): boolean {
    return this.#draining;
  }

  changed(): void {
    this.#parts.changed();
  }

  tell(sentence: string): void {
    this.#parts.tell(sentence);
  }

  giveUp(sentence: string): void {
    this.tell(`${sentence}; the device is closed`);
    this.#release();
    this.#become(XenbusStateClosing);
  }

  /** Does what is to be done, until there is nothing. */
  reconcile(): void {
    if (this.#failed || (!this.#discovered && !this.#discover())) return;
    for (;;) {
      const { store, directory } = this.#parts;
      const step = nextStep({
        own: this.#own,
        front: stateOf(store.tryRead(`${this.#frontend}/state`)),
        online: store.tryRead(`${directory}/online`) !== '0',
        mapped: this.#connected,
        readyAt: this.#end.readyAt,
      });
      switch (step) {
        case 'wait':
          return;
        case 'connect':
          this.#connect();
          break;
        case 'drain':
          this.#draining = true;
          if (this.#end.pending > 0) return;
          this.#release();
          this.#become(XenbusStateClosing);
          break;
        case 'close':
          this.#become(XenbusStateClosing);
          break;
        case 'abandon':
          this.#release();
          this.#end.close();
          this.#become(XenbusStateClosed);
          break;
        case 'reopen':
          if (!this.#open()) return;
          break;
      }
    }
  }

  /** The directory is gone: everything is let go at once and nothing written. */
  destroy(): void {
    if (this.#discovered) this.#parts.store.unwatch(`${this.#frontend}/state`, this.#parts.token);
    this.#discovered = false;
    this.#release();
    this.#end.close();
  }

  /** Finds the front end, watches its state, and opens the device. @returns whether that could be done */
  #discover(): boolean {
    const { store, domid, directory, token } = this.#parts;
    const frontend = store.tryRead(`${directory}/frontend`);
    if (!frontend?.startsWith(`/local/domain/${domid}/`)) return false;
    if (store.tryRead(`${directory}/frontend-id`) !== String(domid)) return false;
    if (!this.#end.isComplete()) return false;
    this.#frontend = frontend;
    this.#discovered = true;
    store.watch(`${frontend}/state`, token);
    return this.#open();
  }

  #open(): boolean {
    const { store, directory } = this.#parts;
    const sentence = this.#end.open();
    if (sentence !== undefined) {
      store.write(`${directory}/hotplug-error`, sentence);
      store.write(`${directory}/hotplug-status`, 'error');
      this.tell(sentence);
      this.#failed = true;
      this.#become(XenbusStateClosed);
      return false;
    }
    store.write(`${directory}/hotplug-status`, 'connected');
    this.#become(XenbusStateInitWait);
    return true;
  }

  #connect(): void {
    const sentence = this.#tryConnect();
    if (sentence !== undefined) {
      this.giveUp(sentence);
      return;
    }
    this.#connected = true;
    this.#become(XenbusStateConnected);
  }

  #tryConnect(): string | undefined {
    try {
      return this.#end.connect(this.#frontend);
    } catch (error) {
      if (error instanceof XenError) return error.message;
      throw error;
    }
  }

  #release(): void {
    this.#end.release();
    this.#connected = false;
    this.#draining = false;
  }

  /** A directory that the toolstack removes meanwhile is not brought back by a state written into it. */
  #become(state: number): void {
    this.#own = state;
    const { store, directory } = this.#parts;
    const node = `${directory}/state`;
    if (store.tryRead(node) !== undefined) store.write(node, String(state));
  }
}
