/*
 * From the guest to the bridge:
 *
 *     event ──▶ room on the cable? ──▶ take a packet ──▶ copy its pieces ──▶ answer every slot ──▶ bridge
 *                  └─ no: what is in the ring stays there until there is
 *
 * A packet is copied before it is answered, so its pages are the guest's again when it sees the response. The fault point
 * 'xennetback.answer' (domid, devid, id) swallows the response to a slot: the packet went out and the guest is not told.
 */
import {
  GNTST_okay,
  NETIF_RSP_ERROR,
  NETIF_RSP_NULL,
  NETIF_RSP_OKAY,
  NETTXF_csum_blank,
  NETTXF_data_validated,
  netif_tx_response,
} from '@port-xen/abi';
import { type Frame, hasTransportChecksum } from '@port-xen/bridge';
import type { ConnectionParts, MappedRing } from './connection-parts.ts';
import { type Packet, takePacket } from './packet.ts';

/** Takes what the guest transmits. */
export class Transmit {
  readonly #parts: ConnectionParts;
  readonly #tx: MappedRing;
  readonly #notify: () => void;
  #stopped = false;
  #told = false;

  /** @param notify tells the guest that there are responses */
  constructor(parts: ConnectionParts, tx: MappedRing, notify: () => void) {
    this.#parts = parts;
    this.#tx = tx;
    this.#notify = notify;
  }

  /** Nothing more is taken. */
  stop(): void {
    this.#stopped = true;
  }

  /** Takes packets until there is none or no room for one. */
  take(): void {
    const { ring, mapping } = this.#tx;
    const { handle, features, port } = this.#parts;
    for (;;) {
      if (this.#stopped || handle.draining) break;
      if (ring.overflown) {
        handle.giveUp(
          `expected at most ${ring.entries} requests in the transmit ring, found producer ${ring.requestProducer} with ${ring.taken} taken`,
        );
        return;
      }
      if (!port.toBridge.hasRoom) {
        port.toBridge.whenRoom(() => this.take());
        break;
      }
      const packet = takePacket(mapping.memory, ring, features);
      if (typeof packet === 'string') {
        handle.giveUp(packet);
        return;
      }
      if (packet !== undefined) this.#transmit(packet);
      else if (!ring.finalCheckForRequests() || ring.full) break;
    }
    if (!this.#stopped && ring.pushResponses()) this.#notify();
  }

  #transmit(packet: Packet): void {
    const { sim, handle, port, counting, onFrame } = this.#parts;
    const frame = packet.refusal ?? this.#copy(packet);
    const sent = typeof frame !== 'string';
    if (sim.trace.on) {
      const { ids, bytes, flags } = packet;
      const status = sent ? NETIF_RSP_OKAY : NETIF_RSP_ERROR;
      sim.trace.emit(
        'ring',
        handle.domid,
        'net-tx',
        handle.devid,
        ids.length,
        bytes,
        flags,
        status,
      );
    }
    this.#answer(packet, sent ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
    if (!sent) {
      counting.txErrors++;
      this.#tellOnce(frame);
      return;
    }
    counting.txFrames++;
    counting.txBytes += frame.bytes.length;
    onFrame('out', frame);
    port.send(frame);
  }

  /** @returns the frame, or why there is none */
  #copy(packet: Packet): Frame | string {
    const { dom0, handle, features } = this.#parts;
    const bytes = new Uint8Array(packet.bytes);
    let at = 0;
    const statuses = dom0.grantCopy(
      packet.pieces.map(({ gref, offset, length }) => {
        const dest = { bytes, offset: at };
        at += length;
        return { source: { domid: handle.domid, ref: gref, offset }, dest, length };
      }),
    );
    const bad = statuses.findIndex((status) => status !== GNTST_okay);
    if (bad >= 0) {
      return `the copy from grant ${packet.pieces[bad]?.gref} of domain ${handle.domid} ended with status ${statuses[bad]}`;
    }
    // A back end that did not offer this knows of no flag: the checksum is what is in the frame.
    if (!features.checksumOffload) return { bytes, checksum: 'none' };
    if ((packet.flags & NETTXF_csum_blank) === 0) {
      const validated = (packet.flags & NETTXF_data_validated) !== 0;
      return { bytes, checksum: validated ? 'validated' : 'none' };
    }
    if (hasTransportChecksum(bytes)) return { bytes, checksum: 'blank' };
    return 'expected a TCP or UDP checksum in a packet that says it is blank, found none';
  }

  #answer(packet: Packet, status: number): void {
    const { sim, handle } = this.#parts;
    const { ring, mapping } = this.#tx;
    for (const id of packet.ids) {
      if (sim.faults.hit('xennetback.answer', handle.domid, handle.devid, id ?? -1)) continue;
      const response = netif_tx_response.at(mapping.memory, ring.nextResponse());
      response.id = id ?? 0;
      response.status = id === undefined ? NETIF_RSP_NULL : status;
    }
  }

  /** A guest that sends nonsense is told of once, however often it does. */
  #tellOnce(reason: string): void {
    if (this.#told) return;
    this.#told = true;
    this.#parts.handle.tell(`a packet was not sent: ${reason}`);
  }
}
