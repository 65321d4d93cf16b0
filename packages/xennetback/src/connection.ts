/*
 * A connected interface: two rings mapped, one event channel bound. An event may be about either ring, so both are looked at.
 */
import type { Frame } from '@port-xen/bridge';
import type { ConnectionParts } from './connection-parts.ts';
import type { NetRings } from './net-rings.ts';
import { Receive } from './receive.ts';
import { Transmit } from './transmit.ts';

/** One life of the rings between a front end and its interface. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #rings: NetRings;
  readonly #port: number;
  readonly #transmit: Transmit;
  readonly #receive: Receive;

  /**
   * Binds the port; the guest may have put requests into the rings already.
   * @param rings mapped; the connection lets go of them
   * @param remotePort the guest's
   * @throws XenError when the port is no good; the rings are let go of then
   */
  constructor(parts: ConnectionParts, rings: NetRings, remotePort: number) {
    this.#parts = parts;
    this.#rings = rings;
    const { dom0, handle } = parts;
    try {
      this.#port = dom0.bindInterdomain(handle.domid, remotePort, () => this.#onEvent());
    } catch (error) {
      this.#unmap();
      throw error;
    }
    const notify = (): void => dom0.notify(this.#port);
    this.#transmit = new Transmit(parts, rings.tx, notify);
    this.#receive = new Receive(parts, rings.rx, notify);
  }

  /** A frame from the bridge. */
  receive(frame: Frame): void {
    this.#receive.enqueue(frame);
  }

  /** Drops what waits, and lets go of port and pages. Nothing is called back afterwards. */
  release(): void {
    this.#transmit.stop();
    this.#receive.stop();
    this.#parts.dom0.close(this.#port);
    this.#unmap();
  }

  #unmap(): void {
    this.#rings.tx.release();
    this.#rings.rx.release();
  }

  #onEvent(): void {
    this.#transmit.take();
    this.#receive.pump();
  }
}
