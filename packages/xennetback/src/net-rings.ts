import type { Packet } from './packet.ts';

/** A transmit ring that a front end and a back end share, with the way to the guest's pages that its requests name. */
export interface TxRing {
  /** What is wrong with the front end's indices, as a sentence; undefined if nothing is. */
  readonly overflow: string | undefined;
  /** @returns the next packet; nothing when there is none; a sentence when the ring is not to be used any more */
  take(): Packet | string | undefined;
  /** There was no packet: asks for an event. @returns whether one is there after all */
  finalCheck(): boolean;
  /** @returns a packet's bytes, or why they cannot be had */
  copy(packet: Packet): Uint8Array | string;
  /** Answers one slot of a packet. @param id undefined for a slot of extra information */
  answer(id: number | undefined, status: number): void;
  /** Publishes the answers. @returns whether the front end is to be notified */
  push(): boolean;
  /** Lets go of the page. */
  release(): void;
}

/** A receive ring. */
export interface RxRing {
  /** What is wrong with the front end's indices, as a sentence; undefined if nothing is. */
  readonly overflow: string | undefined;
  /** Whether there are so many requests; asks for an event when there are, if not. */
  has(pages: number): boolean;
  /**
   * Gives a frame to the guest, in as many of its pages as it takes, and answers their requests; there are enough of them.
   * @param flags NETRXF_* of the first page
   * @returns whether the guest has got it
   */
  give(bytes: Uint8Array, flags: number): boolean;
  /** Publishes the answers. @returns whether the front end is to be notified */
  push(): boolean;
  /** Lets go of the page. */
  release(): void;
}

/** Both rings of an interface. */
export interface NetRings {
  readonly tx: TxRing;
  readonly rx: RxRing;
}
