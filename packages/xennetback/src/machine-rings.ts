/*
 * The rings of a front end on Xen 2's controller interface (io/netif.h of Xen 2.0), pages known by their machine frame numbers:
 *
 *     tx   req_prod u32 @0 · req_cons @4 · resp_prod @8 · event @12 · ring[256] of 12 bytes @16
 *          request   addr u64 @0 · id u16 @8 · size u16 @10           response   id u16 @0 · status i8 @2
 *     rx   req_prod u32 @0 · resp_prod @4 · event @8 · ring[256] of 12 bytes @12
 *          request   id u16 @0                                        response   addr u64 @0 · id u16 @8 · status i16 @10
 *
 * A packet is one request, and its page is mapped if it is the domain's. What is received comes in a page of the back end's that becomes the
 * guest's, for one that it gave away before; the response says where it is. An event is sent when resp_prod passes `event`.
 */
import {
  NETIF_RSP_ERROR,
  XEN2_NETIF_RING_SIZE,
  xen2_netif_rx_request,
  xen2_netif_rx_response,
  xen2_netif_rx_ring,
  xen2_netif_tx_request,
  xen2_netif_tx_response,
  xen2_netif_tx_ring,
} from '@port-xen/abi';
import { ETHER_HDR_LEN } from '@port-xen/bridge';
import { type FrameMapping, XenError } from '@port-xen/hypervisor';
import { BytesMemory, type Memory } from '@port-xen/layout';
import type { NetRings, RxRing, TxRing } from './net-rings.ts';
import type { NetbackXen } from './netback-xen.ts';
import type { Packet } from './packet.ts';

const PAGE_BYTES = 4096;
/** Machine addresses have 32 bits. */
const MAX_MFN = 2 ** 20;

/** What Xen does for a back end that knows frames by their numbers. */
export type MachineXen = Pick<NetbackXen, 'mapFrame' | 'reassignPage'>;

/** Where rings that are machine frames are. */
export interface MachinePlace {
  readonly dom0: MachineXen;
  readonly domid: number;
  readonly txMfn: number;
  readonly rxMfn: number;
}

/**
 * Maps both rings, which are at rest.
 * @throws XenError when a frame is not the domain's, or not to be written; nothing is held then
 */
export const machineRings = ({ dom0, domid, txMfn, rxMfn }: MachinePlace): NetRings => {
  const tx = new MachineTxRing(dom0, domid, dom0.mapFrame(domid, txMfn, false));
  try {
    return { tx, rx: new MachineRxRing(dom0, domid, dom0.mapFrame(domid, rxMfn, false)) };
  } catch (error) {
    tx.release();
    throw error;
  }
};

/** Where a ring's words and slots are, bytes. */
interface Geometry {
  readonly req_prod: number;
  readonly resp_prod: number;
  readonly event: number;
  readonly ring: number;
}

const SLOT_BYTES = xen2_netif_tx_request.size;

/** What both rings have in common: indices that the guest can write at any time, and two of our own that are never read back. */
class MachineRing {
  readonly mapping: FrameMapping;
  readonly #at: Geometry;
  readonly #which: string;
  #taken: number;
  #put: number;
  #pushed: number;

  constructor(mapping: FrameMapping, at: Geometry, which: string) {
    this.mapping = mapping;
    this.#at = at;
    this.#which = which;
    this.#put = mapping.memory.ld32(at.resp_prod);
    this.#taken = this.#put;
    this.#pushed = this.#put;
  }

  get memory(): Memory {
    return this.mapping.memory;
  }

  get taken(): number {
    return this.#taken;
  }

  get #producer(): number {
    return this.memory.ld32(this.#at.req_prod);
  }

  get overflow(): string | undefined {
    if ((this.#producer - this.#put) >>> 0 <= XEN2_NETIF_RING_SIZE) return undefined;
    return `expected at most ${XEN2_NETIF_RING_SIZE} requests in the ${this.#which} ring, found producer ${this.#producer >>> 0} with ${this.#taken >>> 0} taken`;
  }

  /** Requests that can be taken. */
  get available(): number {
    const there = (this.#producer - this.#taken) >>> 0;
    return there > XEN2_NETIF_RING_SIZE ? 0 : there;
  }

  /** @returns the address of the next request; there must be one {@link available} */
  next(): number {
    const at = this.#slot(this.#taken);
    this.#taken = (this.#taken + 1) | 0;
    return at;
  }

  /** @returns the address where the next response goes */
  nextResponse(): number {
    const at = this.#slot(this.#put);
    this.#put = (this.#put + 1) | 0;
    return at;
  }

  push(): boolean {
    const before = this.#pushed;
    this.#pushed = this.#put;
    this.memory.st32(this.#at.resp_prod, this.#put);
    const event = this.memory.ld32(this.#at.event);
    return (this.#put - event) >>> 0 < (this.#put - before) >>> 0;
  }

  #slot(index: number): number {
    return this.#at.ring + (index & (XEN2_NETIF_RING_SIZE - 1)) * SLOT_BYTES;
  }
}

class MachineTxRing implements TxRing {
  readonly #dom0: MachineXen;
  readonly #domid: number;
  readonly #ring: MachineRing;

  constructor(dom0: MachineXen, domid: number, mapping: FrameMapping) {
    this.#dom0 = dom0;
    this.#domid = domid;
    this.#ring = new MachineRing(mapping, xen2_netif_tx_ring.offset, 'transmit');
  }

  get overflow(): string | undefined {
    return this.#ring.overflow;
  }

  take(): Packet | undefined {
    const ring = this.#ring;
    if (ring.available === 0) return undefined;
    const slot = new BytesMemory(new Uint8Array(SLOT_BYTES));
    ring.memory.read(ring.next(), slot.bytes);
    // A front end tells of a request only if all before it have been seen.
    ring.memory.st32(xen2_netif_tx_ring.offset.req_cons, ring.taken);
    const { addr, id, size } = xen2_netif_tx_request.at(slot, 0);
    const page = Math.floor(addr / PAGE_BYTES);
    const offset = addr % PAGE_BYTES;
    const refusal = refusalOf(page, offset, size);
    const pieces = [{ page, offset, length: size }];
    return { ids: [id], pieces, bytes: size, flags: 0, ...(refusal !== undefined && { refusal }) };
  }

  finalCheck(): boolean {
    return false;
  }

  copy({ bytes, pieces }: Packet): Uint8Array | string {
    const [piece] = pieces;
    if (piece === undefined) return 'expected a page, found none';
    let page: FrameMapping;
    try {
      page = this.#dom0.mapFrame(this.#domid, piece.page, true);
    } catch (error) {
      if (error instanceof XenError) return error.message;
      throw error;
    }
    const copied = page.bytes.slice(piece.offset, piece.offset + bytes);
    page.unmap();
    return copied;
  }

  answer(id: number | undefined, status: number): void {
    const response = xen2_netif_tx_response.at(this.#ring.memory, this.#ring.nextResponse());
    response.id = id ?? 0;
    response.status = status;
  }

  push(): boolean {
    return this.#ring.push();
  }

  release(): void {
    this.#ring.mapping.unmap();
  }
}

const refusalOf = (page: number, offset: number, size: number): string | undefined => {
  if (page >= MAX_MFN) return `expected a machine address of 32 bits, found frame ${page}`;
  if (offset + size > PAGE_BYTES) {
    return `expected a packet within its page of 4096 bytes, found ${size} bytes from ${offset} on`;
  }
  if (size < ETHER_HDR_LEN) {
    return `expected at least an Ethernet header of ${ETHER_HDR_LEN} bytes, found ${size}`;
  }
  return undefined;
};

class MachineRxRing implements RxRing {
  readonly #dom0: MachineXen;
  readonly #domid: number;
  readonly #ring: MachineRing;

  constructor(dom0: MachineXen, domid: number, mapping: FrameMapping) {
    this.#dom0 = dom0;
    this.#domid = domid;
    this.#ring = new MachineRing(mapping, xen2_netif_rx_ring.offset, 'receive');
  }

  get overflow(): string | undefined {
    return this.#ring.overflow;
  }

  /** The front end tells of requests that it puts. */
  has(pages: number): boolean {
    return this.#ring.available >= pages;
  }

  /** Frames are no longer than a page: the front end takes no longer ones. */
  give(bytes: Uint8Array): boolean {
    const { memory } = this.#ring;
    const { id } = xen2_netif_rx_request.at(memory, this.#ring.next());
    const mfn = this.#dom0.reassignPage(this.#domid, bytes);
    const response = xen2_netif_rx_response.at(memory, this.#ring.nextResponse());
    response.addr = mfn < 0 ? 0 : mfn * PAGE_BYTES;
    response.id = id;
    response.status = mfn < 0 ? NETIF_RSP_ERROR : bytes.length;
    return mfn >= 0;
  }

  push(): boolean {
    return this.#ring.push();
  }

  release(): void {
    this.#ring.mapping.unmap();
  }
}
