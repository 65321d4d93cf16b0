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
  NETIF_RSP_ERROR,
  NETIF_RSP_OKAY,
  NETTXF_csum_blank,
  NETTXF_data_validated,
} from '@port-xen/abi';
import { type Frame, hasTransportChecksum } from '@port-xen/bridge';
import type { ConnectionParts } from './connection-parts.ts';
import type { TxRing } from './net-rings.ts';
import type { Packet } from './packet.ts';

/** Takes what the guest transmits. */
export class Transmit {
  readonly #parts: ConnectionParts;
  readonly #ring: TxRing;
  readonly #notify: () => void;
  #stopped = false;
  #told = false;

  /** @param notify tells the guest that there are responses */
  constructor(parts: ConnectionParts, ring: TxRing, notify: () => void) {
    this.#parts = parts;
    this.#ring = ring;
    this.#notify = notify;
  }

  /** Nothing more is taken. */
  stop(): void {
    this.#stopped = true;
  }

  /** Takes packets until there is none or no room for one. */
  take(): void {
    const ring = this.#ring;
    const { handle, port } = this.#parts;
    for (;;) {
      if (this.#stopped || handle.draining) break;
      const { overflow } = ring;
      if (overflow !== undefined) {
        handle.giveUp(overflow);
        return;
      }
      if (!port.toBridge.hasRoom) {
        port.toBridge.whenRoom(() => this.take());
        break;
      }
      const packet = ring.take();
      if (typeof packet === 'string') {
        handle.giveUp(packet);
        return;
      }
      if (packet !== undefined) this.#transmit(packet);
      else if (!ring.finalCheck()) break;
    }
    if (!this.#stopped && ring.push()) this.#notify();
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
    const { features } = this.#parts;
    const bytes = this.#ring.copy(packet);
    if (typeof bytes === 'string') return bytes;
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
    for (const id of packet.ids) {
      if (sim.faults.hit('xennetback.answer', handle.domid, handle.devid, id ?? -1)) continue;
      this.#ring.answer(id, status);
    }
  }

  /** A guest that sends nonsense is told of once, however often it does. */
  #tellOnce(reason: string): void {
    if (this.#told) return;
    this.#told = true;
    this.#parts.handle.tell(`a packet was not sent: ${reason}`);
  }
}
