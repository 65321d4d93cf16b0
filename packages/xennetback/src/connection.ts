/*
 * A connected interface: two rings mapped, one event channel bound. An event may be about either ring, so both are looked at.
 */
import { netif_rx_sring_entry, netif_tx_sring_entry } from '@port-xen/abi';
import type { Frame } from '@port-xen/bridge';
import { BackRing, ringSize } from '@port-xen/ring';
import type { ConnectionParts, MappedRing } from './connection-parts.ts';
import { Receive } from './receive.ts';
import { Transmit } from './transmit.ts';

const RING_BYTES = 4096;

/** One life of the rings between a front end and its interface. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #tx: MappedRing;
  readonly #rx: MappedRing;
  readonly #port: number;
  readonly #transmit: Transmit;
  readonly #receive: Receive;

  /**
   * Maps the rings and binds the port; the guest may have put requests there already.
   * @throws XenError when a reference or the port is no good; nothing is held then
   */
  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    const { txRingRef, rxRingRef, port } = parts.frontend;
    const { dom0, handle } = parts;
    this.#tx = this.#map(txRingRef, netif_tx_sring_entry.size);
    try {
      this.#rx = this.#map(rxRingRef, netif_rx_sring_entry.size);
    } catch (error) {
      this.#tx.mapping.unmap();
      throw error;
    }
    try {
      this.#port = dom0.bindInterdomain(handle.domid, port, () => this.#onEvent());
    } catch (error) {
      this.#tx.mapping.unmap();
      this.#rx.mapping.unmap();
      throw error;
    }
    const notify = (): void => dom0.notify(this.#port);
    this.#transmit = new Transmit(parts, this.#tx, notify);
    this.#receive = new Receive(parts, this.#rx, notify);
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
    this.#tx.mapping.unmap();
    this.#rx.mapping.unmap();
  }

  #map(ref: number, entryBytes: number): MappedRing {
    const mapping = this.#parts.dom0.grantMap(this.#parts.handle.domid, ref, false);
    const ring = new BackRing(mapping.memory, ringSize(RING_BYTES, entryBytes), entryBytes);
    return { mapping, ring };
  }

  #onEvent(): void {
    this.#transmit.take();
    this.#receive.pump();
  }
}
