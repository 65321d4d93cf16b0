/** What interfaces have carried, as their guests see it: transmitted is what they sent. */
export interface Counters {
  /** Frames and bytes that went on to the bridge. */
  readonly txFrames: number;
  readonly txBytes: number;
  /** Packets that were answered with NETIF_RSP_ERROR. */
  readonly txErrors: number;
  /** Frames and bytes put into the guest's pages. */
  readonly rxFrames: number;
  readonly rxBytes: number;
  /** Frames that could not be put into them, because the guest's grants were no good. */
  readonly rxErrors: number;
  /** Frames that came while there was no front end, or found its queue full, or were too long for it. */
  readonly rxDropped: number;
}

/** Counters while they are counted. */
export type Counting = { -readonly [K in keyof Counters]: number };

export const noCounts = (): Counting => ({
  txFrames: 0,
  txBytes: 0,
  txErrors: 0,
  rxFrames: 0,
  rxBytes: 0,
  rxErrors: 0,
  rxDropped: 0,
});
