/*
 * The rings of a front end on xenbus: pages that were granted, and requests that name grants (io/netif.h, io/ring.h). What is received is
 * copied into the guest's pages, or given to it in pages of the back end's own, for those that it gave away.
 */
import {
  GNTST_okay,
  NETIF_RSP_ERROR,
  NETIF_RSP_NULL,
  NETRXF_more_data,
  netif_rx_request,
  netif_rx_response,
  netif_rx_sring_entry,
  netif_tx_response,
  netif_tx_sring_entry,
} from '@port-xen/abi';
import type { GrantMapping } from '@port-xen/hypervisor';
import { BackRing, ringSize } from '@port-xen/ring';
import type { NetRings, RxRing, TxRing } from './net-rings.ts';
import type { NetbackXen } from './netback-xen.ts';
import { type Packet, takePacket } from './packet.ts';

const RING_BYTES = 4096;
const PAGE_BYTES = 4096;

/** Where rings that are grants are, and what the back end offered. */
export interface GrantPlace {
  readonly dom0: NetbackXen;
  readonly domid: number;
  readonly txRingRef: number;
  readonly rxRingRef: number;
  readonly features: { readonly sg: boolean; readonly rxCopy: boolean };
}

/**
 * Maps both rings; the guest may have put requests there already.
 * @throws XenError when a reference is no good; nothing is held then
 */
export const grantRings = (place: GrantPlace): NetRings => {
  const tx = new GrantTxRing(place);
  try {
    return { tx, rx: new GrantRxRing(place) };
  } catch (error) {
    tx.release();
    throw error;
  }
};

const overflowOf = (ring: BackRing, which: string): string | undefined =>
  ring.overflown
    ? `expected at most ${ring.entries} requests in the ${which} ring, found producer ${ring.requestProducer} with ${ring.taken} taken`
    : undefined;

class GrantTxRing implements TxRing {
  readonly #place: GrantPlace;
  readonly #mapping: GrantMapping;
  readonly #ring: BackRing;

  constructor(place: GrantPlace) {
    this.#place = place;
    this.#mapping = place.dom0.grantMap(place.domid, place.txRingRef, false);
    const { size } = netif_tx_sring_entry;
    this.#ring = new BackRing(this.#mapping.memory, ringSize(RING_BYTES, size), size);
  }

  get overflow(): string | undefined {
    return overflowOf(this.#ring, 'transmit');
  }

  take(): Packet | string | undefined {
    return takePacket(this.#mapping.memory, this.#ring, this.#place.features);
  }

  /** An event is asked for also when the ring is full: it will be full again. */
  finalCheck(): boolean {
    return this.#ring.finalCheckForRequests() && !this.#ring.full;
  }

  copy({ bytes: length, pieces }: Packet): Uint8Array | string {
    const { dom0, domid } = this.#place;
    const bytes = new Uint8Array(length);
    let at = 0;
    const statuses = dom0.grantCopy(
      pieces.map((piece) => {
        const dest = { bytes, offset: at };
        at += piece.length;
        const source = { domid, ref: piece.page, offset: piece.offset };
        return { source, dest, length: piece.length };
      }),
    );
    const bad = statuses.findIndex((status) => status !== GNTST_okay);
    if (bad < 0) return bytes;
    return `the copy from grant ${pieces[bad]?.page} of domain ${domid} ended with status ${statuses[bad]}`;
  }

  answer(id: number | undefined, status: number): void {
    const response = netif_tx_response.at(this.#mapping.memory, this.#ring.nextResponse());
    response.id = id ?? 0;
    response.status = id === undefined ? NETIF_RSP_NULL : status;
  }

  push(): boolean {
    return this.#ring.pushResponses();
  }

  release(): void {
    this.#mapping.unmap();
  }
}

/** What a page takes of a frame. */
interface Piece {
  readonly ref: number;
  readonly offset: number;
  readonly length: number;
}

class GrantRxRing implements RxRing {
  readonly #place: GrantPlace;
  readonly #mapping: GrantMapping;
  readonly #ring: BackRing;

  constructor(place: GrantPlace) {
    this.#place = place;
    this.#mapping = place.dom0.grantMap(place.domid, place.rxRingRef, false);
    const { size } = netif_rx_sring_entry;
    this.#ring = new BackRing(this.#mapping.memory, ringSize(RING_BYTES, size), size);
  }

  get overflow(): string | undefined {
    return overflowOf(this.#ring, 'receive');
  }

  has(pages: number): boolean {
    return this.#ring.available >= pages || this.#ring.finalCheckForRequests(pages);
  }

  give(bytes: Uint8Array, flags: number): boolean {
    const { memory } = this.#mapping;
    const ids: number[] = [];
    const pieces: Piece[] = [];
    for (let offset = 0; offset < bytes.length; offset += PAGE_BYTES) {
      const request = netif_rx_request.at(memory, this.#ring.nextRequest() as number);
      ids.push(request.id);
      const length = Math.min(PAGE_BYTES, bytes.length - offset);
      pieces.push({ ref: request.gref, offset, length });
    }
    const statuses = this.#hand(bytes, pieces);
    for (const [i, id] of ids.entries()) {
      const response = netif_rx_response.at(memory, this.#ring.nextResponse());
      response.id = id;
      response.offset = 0;
      response.flags = (i === 0 ? flags : 0) | (i < ids.length - 1 ? NETRXF_more_data : 0);
      response.status = statuses[i] === GNTST_okay ? (pieces[i]?.length ?? 0) : NETIF_RSP_ERROR;
    }
    return statuses.every((status) => status === GNTST_okay);
  }

  /** Puts pieces of a frame where their references say. @returns GNTST_* for each */
  #hand(bytes: Uint8Array, pieces: readonly Piece[]): Int16Array {
    const { dom0, domid, features } = this.#place;
    if (!features.rxCopy) {
      const pages = pieces.map(({ ref, offset, length }) => ({
        bytes: bytes.subarray(offset, offset + length),
        domid,
        ref,
      }));
      return dom0.grantTransfer(pages);
    }
    const copies = pieces.map(({ ref, offset, length }) => ({
      source: { bytes, offset },
      dest: { domid, ref, offset: 0 },
      length,
    }));
    return dom0.grantCopy(copies);
  }

  push(): boolean {
    return this.#ring.pushResponses();
  }

  release(): void {
    this.#mapping.unmap();
  }
}
