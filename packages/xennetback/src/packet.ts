/*
 * One packet in the transmit ring: a chain of slots.
 *
 *     slot 0    netif_tx_request: gref, offset, flags, id, size — the size of the whole packet
 *     slot 1…   netif_extra_info, if slot 0 has NETTXF_extra_info; another while the last has XEN_NETIF_EXTRA_FLAG_MORE
 *     slot …    netif_tx_request for each further piece, while the last request has NETTXF_more_data; its size is its own
 *
 * The first piece is what the others leave of the whole. A slot lies in a page that its sender can write at any time, so it is
 * copied once and only the copy is looked at. Everything in it is hostile. There are two kinds of wrong: a packet that is not sent
 * (`refusal`; its slots are answered), and a ring that cannot be followed any more (a sentence), as in Linux's netback.
 */
import {
  NETTXF_extra_info,
  NETTXF_more_data,
  netif_extra_info,
  netif_tx_request,
  XEN_NETIF_EXTRA_FLAG_MORE,
  XEN_NETIF_EXTRA_TYPE_HASH,
  XEN_NETIF_EXTRA_TYPE_MAX,
  XEN_NETIF_EXTRA_TYPE_NONE,
  XEN_NETIF_NR_SLOTS_MIN,
} from '@port-xen/abi';
import { ETHER_HDR_LEN } from '@port-xen/bridge';
import { BytesMemory, type Memory } from '@port-xen/layout';
import type { BackRing } from '@port-xen/ring';

const PAGE_BYTES = 4096;

/** A chain longer than every back end must take is not sent; one longer than this is no accident (XSA-39). */
const FATAL_SLOTS = 20;

/** A piece of a packet in a page of the guest's. */
interface Piece {
  /** A grant reference, or a machine frame number: what the ring's requests carry. */
  readonly page: number;
  readonly offset: number;
  length: number;
}

/** A packet as its slots say. */
export interface Packet {
  /** Of each slot that is a request, its id; undefined for one of extra information. */
  readonly ids: readonly (number | undefined)[];
  readonly pieces: readonly Piece[];
  readonly bytes: number;
  /** NETTXF_* of the first slot. */
  readonly flags: number;
  /** Why it is not sent. */
  readonly refusal?: string;
}

/** Takes slots off a ring, each as a copy. */
const copies = (memory: Memory, ring: BackRing) => {
  const slot = new Uint8Array(netif_tx_request.size);
  const copy = new BytesMemory(slot);
  const request = netif_tx_request.at(copy, 0);
  const extra = netif_extra_info.at(copy, 0);
  const next = (): boolean => {
    const at = ring.nextRequest();
    if (at !== undefined) memory.read(at, slot);
    return at !== undefined;
  };
  return { request, extra, next };
};

/**
 * Takes the next packet off the ring.
 * @returns nothing when there is none; a sentence when the ring is not to be used any more
 */
export const takePacket = (
  memory: Memory,
  ring: BackRing,
  allowed: { readonly sg: boolean },
): Packet | string | undefined => {
  const { request, extra, next } = copies(memory, ring);
  if (!next()) return undefined;
  const { flags, size: bytes } = request;
  const ids: (number | undefined)[] = [request.id];
  const first: Piece = { page: request.gref, offset: request.offset, length: bytes };
  const pieces = [first];
  let refusal: string | undefined;

  let more = (flags & NETTXF_extra_info) !== 0;
  while (more) {
    if (!next()) return 'expected extra information after a request that says so, found no slot';
    const { type } = extra;
    more = (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE) !== 0;
    if (type === XEN_NETIF_EXTRA_TYPE_NONE || type >= XEN_NETIF_EXTRA_TYPE_MAX) {
      return `expected extra information of a type within [1, ${XEN_NETIF_EXTRA_TYPE_MAX}), found ${type}`;
    }
    // A hash helps whoever has several queues; everything else needs a feature that is not offered.
    if (type !== XEN_NETIF_EXTRA_TYPE_HASH) {
      refusal ??= `expected no extra information of a type that was not offered, found ${type}`;
    }
    ids.push(undefined);
    if (ids.length > FATAL_SLOTS) return tooLong();
  }

  more = (flags & NETTXF_more_data) !== 0;
  while (more) {
    if (!next()) return 'expected another request after one that says so, found no slot';
    const { gref, offset, size, id } = request;
    more = (request.flags & NETTXF_more_data) !== 0;
    ids.push(id);
    pieces.push({ page: gref, offset, length: size });
    first.length -= size;
    if (ids.length > FATAL_SLOTS) return tooLong();
    if (first.length < 0) return `expected pieces of a packet of ${bytes} bytes, found more`;
  }

  for (const { offset, length } of pieces) {
    if (offset + length > PAGE_BYTES) {
      return `expected a piece within its page of 4096 bytes, found ${length} bytes from ${offset} on`;
    }
  }
  if (pieces.length > 1 && !allowed.sg) {
    refusal ??= `expected packets in one slot, since feature-sg was not offered, found ${pieces.length}`;
  }
  if (ids.length > XEN_NETIF_NR_SLOTS_MIN) {
    refusal ??= `expected at most ${XEN_NETIF_NR_SLOTS_MIN} slots, found ${ids.length}`;
  }
  if (bytes < ETHER_HDR_LEN) {
    refusal ??= `expected at least an Ethernet header of ${ETHER_HDR_LEN} bytes, found ${bytes}`;
  }
  return { ids, pieces, bytes, flags, ...(refusal !== undefined && { refusal }) };
};

const tooLong = (): string => `expected a packet of at most ${FATAL_SLOTS} slots, found more`;
