/**
 * An Ethernet frame on its way, from the destination address on, without the check sequence. Nobody changes its bytes: one frame
 * may be on its way to many.
 */
export interface Frame {
  readonly bytes: Uint8Array;
  /**
   * What is known of the TCP or UDP checksum, as Linux's `ip_summed` has it: `none`, it is in the frame for whoever wants to check it;
   * `blank`, it is not in the frame, because whoever sent it is on this host and memory does not err; `validated`, it is
   * in the frame and right.
   */
  readonly checksum: 'none' | 'blank' | 'validated';
}

/** Addresses and type. */
export const ETHER_HDR_LEN = 14;

/** Longest frame there is: what 16 bits of a network interface's ring can say. */
export const MAX_FRAME_BYTES = 0xffff;

/** Whatever sits at the end of a cable. */
export interface Station {
  /** A frame arrives. */
  receive(frame: Frame): void;
}
