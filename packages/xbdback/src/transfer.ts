/*
 * Does what a checked request asks of its disk. Data moves between the guest's pages and the disk through a buffer of the back
 * end's own, so a guest that takes a page away, or lets only be read what it wants filled, loses its own request and nothing else.
 */
import { BLKIF_RSP_ERROR, BLKIF_RSP_OKAY } from '@port-xen/abi';
import type { BlockRing } from './block-ring.ts';
import type { BlockStore } from './block-store.ts';
import { SECTOR_BYTES, type Work } from './work.ts';

/** What doing a request came to; `reason` is for people, when the status is not OKAY. */
export interface Outcome {
  readonly status: number;
  readonly reason?: string;
}

const OKAY: Outcome = { status: BLKIF_RSP_OKAY };

const failed = (reason: string): Outcome => ({ status: BLKIF_RSP_ERROR, reason });

/** Only the store's own errors become outcomes; an error of Xen's is a bug and goes on. */
const onDisk = (work: () => void): Outcome => {
  try {
    work();
    return OKAY;
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
};

/** The back end's own buffer, for one request after the other; as large as the largest so far. */
export class TransferBuffer {
  #bytes = new Uint8Array(0);

  /** Bytes of a former request, to be overwritten. */
  of(length: number): Uint8Array {
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
    return this.#bytes.subarray(0, length);
  }
}

/** Does the request, now. */
export const transfer = (
  ring: Pick<BlockRing, 'copy'>,
  disk: BlockStore,
  sector: number,
  work: Work,
  own: TransferBuffer,
): Outcome => {
  const { deed } = work;
  if (deed === 'flush') return onDisk(() => disk.flush());
  const buffer = own.of(work.sectors * SECTOR_BYTES);
  if (deed === 'read') {
    const outcome = onDisk(() => disk.read(sector, buffer));
    if (outcome !== OKAY) return outcome;
    const reason = ring.copy(work, buffer, true);
    return reason === undefined ? OKAY : failed(reason);
  }
  const reason = ring.copy(work, buffer, false);
  if (reason !== undefined) return failed(reason);
  return onDisk(() => {
    if (deed === 'barrier') disk.flush();
    if (buffer.length > 0) disk.write(sector, buffer);
    if (deed !== 'write') disk.flush();
  });
};
