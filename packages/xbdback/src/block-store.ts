/**
 * A disk as the back end sees it: an array of sectors of 512 bytes, reached synchronously.
 *
 * A file, a partition, memory, or an overlay of them: whoever opens the store knows. A last partial sector is
 * refused by whoever opens it. Anything that cannot be read or written throws, and the guest is answered
 * `BLKIF_RSP_ERROR`.
 */
export interface BlockStore {
  /** How many sectors of 512 bytes there are. */
  readonly sectors: number;
  /**
   * Reads from `sector` on, all of it or it throws: what `into` held before is another request's.
   * @param into a multiple of 512 bytes, all within the store
   */
  read(sector: number, into: Uint8Array): void;
  /**
   * Writes from `sector` on. What was written may be lost with the host until {@link flush}.
   * @param from a multiple of 512 bytes, all within the store; the caller's again afterwards
   */
  write(sector: number, from: Uint8Array): void;
  /** Everything written so far is on the medium when this returns. */
  flush(): void;
  /** The store is not used again. */
  close(): void;
}

/**
 * Opens what a `disk` entry's target names.
 * @param params the target, as the back end directory's `params` has it
 * @param mode 'r' opens it for reading only
 * @throws an Error whose message is a sentence for the person who wrote the disk entry
 */
export type OpenBlockStore = (params: string, mode: 'r' | 'w') => BlockStore;
