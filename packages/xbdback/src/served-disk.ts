import type { BlockStore } from './block-store.ts';
import type { Spindle } from './spindle.ts';

/** A disk as a connection serves it. */
export interface ServedDisk {
  readonly store: BlockStore;
  readonly readonly: boolean;
  /** The number by which front and back end know it. */
  readonly devid: number;
  /** Its requests on their way. */
  readonly spindle: Spindle;
}
