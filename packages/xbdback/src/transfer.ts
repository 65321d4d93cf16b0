/*
 * Does what a checked request asks. Data moves between the guest's pages and the disk by grant copies through a
 * buffer of the back end's own, so a guest that revokes a grant, or grants read-only what it wants filled,
 * loses its own request and nothing else.
 *
 *   READ            disk → buffer, buffer → pages
 *   WRITE           pages → buffer, buffer → disk          (nothing is written unless every page could be read)
 *   WRITE_BARRIER   flush, as WRITE, flush
 *   FLUSH           flush
 */
import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_ERROR,
  BLKIF_RSP_OKAY,
  GNTST_okay,
} from '@port-xen/abi';
import type { Dom0 } from '@port-xen/hypervisor';
import type { BlockStore } from './block-store.ts';
import { type Request, SECTOR_BYTES, type Work } from './request.ts';

/** What doing a request came to; `reason` is for people, when the status is not OKAY. */
export interface Outcome {
  readonly status: number;
  readonly reason?: string;
}

const OKAY: Outcome = { status: BLKIF_RSP_OKAY };

const failed = (reason: string): Outcome => ({ status: BLKIF_RSP_ERROR, reason });

/** Between the request's pages and `buffer`, which holds them one after the other. */
const copy = (
  dom0: Pick<Dom0, 'grantCopy'>,
  domid: number,
  work: Work,
  buffer: Uint8Array,
  toGuest: boolean,
): Outcome => {
  let at = 0;
  const statuses = dom0.grantCopy(
    work.segments.map(({ gref, offset, bytes }) => {
      const page = { domid, ref: gref, offset };
      const part = { bytes: buffer, offset: at };
      at += bytes;
      return toGuest
        ? { source: part, dest: page, length: bytes }
        : { source: page, dest: part, length: bytes };
    }),
  );
  const bad = statuses.findIndex((status) => status !== GNTST_okay);
  if (bad < 0) return OKAY;
  return failed(
    `the copy ${toGuest ? 'to' : 'from'} grant ${work.segments[bad]?.gref} of domain ${domid} ended with status ${statuses[bad]}`,
  );
};

/** Only the store's own errors become outcomes; an error of Xen's is a bug and goes on. */
const onDisk = (work: () => void): Outcome => {
  try {
    work();
    return OKAY;
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
};

/** Does the request, now. */
export const transfer = (
  dom0: Pick<Dom0, 'grantCopy'>,
  domid: number,
  disk: BlockStore,
  request: Request,
  work: Work,
): Outcome => {
  const { operation, sector } = request;
  if (operation === BLKIF_OP_FLUSH_DISKCACHE) return onDisk(() => disk.flush());
  const buffer = new Uint8Array(work.sectors * SECTOR_BYTES);
  if (operation === BLKIF_OP_READ) {
    const outcome = onDisk(() => disk.read(sector, buffer));
    return outcome === OKAY ? copy(dom0, domid, work, buffer, true) : outcome;
  }
  const outcome = copy(dom0, domid, work, buffer, false);
  if (outcome !== OKAY) return outcome;
  const barrier = operation === BLKIF_OP_WRITE_BARRIER;
  return onDisk(() => {
    if (barrier) disk.flush();
    if (buffer.length > 0) disk.write(sector, buffer);
    if (barrier) disk.flush();
  });
};
