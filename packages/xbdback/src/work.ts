/*
 * What a request asks of a disk, once it has been looked at: the same whatever ring it came by. A segment is a run of sectors within one
 * page of the guest's, first to last, both included.
 */

/** A sector of the ring's protocol, whatever the disk's own are. */
export const SECTOR_BYTES = 512;

const LAST_SECTOR_OF_PAGE = 7;

/**
 * What is to be done:
 *
 *     read            disk → buffer, buffer → pages
 *     write           pages → buffer, buffer → disk          (nothing is written unless every page could be read)
 *     write-through   as write, flush                        (where front ends have no other way to ask for it)
 *     barrier         flush, as write, flush
 *     flush           flush
 *     probe           a list of the disks there are → page
 */
export type Deed = 'read' | 'write' | 'write-through' | 'barrier' | 'flush' | 'probe';

/** A run of sectors within one page of the guest's. */
export interface Segment {
  /** A grant reference, or a machine frame number: what the ring's requests carry. */
  readonly page: number;
  /** Where in the page it starts. */
  readonly offset: number;
  readonly bytes: number;
}

/** What a request asks, found sound. */
export interface Work {
  readonly deed: Deed;
  readonly segments: readonly Segment[];
  readonly sectors: number;
}

/** Why a request is not done, and the BLKIF_RSP_* that says so. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** The disk that a request is checked against. */
export interface Extent {
  readonly sectors: number;
  readonly readonly: boolean;
}

/** A segment as a request has it. */
interface RawSegment {
  readonly page: number;
  readonly first_sect: number;
  readonly last_sect: number;
}

/** Whether a check ended in a refusal. */
export const isRefusal = (result: Work | Refusal): result is Refusal => 'status' in result;

/**
 * Checks a request that moves data. Whether its pages can be reached is seen when they are.
 * @param list `nr_segments` of them are asked for, if that is a number that can be
 * @param limits how many segments a request may have, and the status of a refusal
 */
export const checkData = (
  deed: Deed,
  sector: number,
  nr_segments: number,
  list: (i: number) => RawSegment,
  disk: Extent,
  limits: { readonly segments: number; readonly refused: number },
): Work | Refusal => {
  const refuse = (reason: string): Refusal => ({ status: limits.refused, reason });
  if (nr_segments < 1 || nr_segments > limits.segments) {
    return refuse(`expected 1 to ${limits.segments} segments, found ${nr_segments}`);
  }
  if (deed !== 'read' && disk.readonly) {
    return refuse(`expected reads of a read-only disk, found a ${deed}`);
  }
  const segments: Segment[] = [];
  let sectors = 0;
  for (let i = 0; i < nr_segments; i++) {
    const { page, first_sect, last_sect } = list(i);
    if (first_sect > last_sect || last_sect > LAST_SECTOR_OF_PAGE) {
      return refuse(
        `expected sectors within 0 to 7 in segment ${i}, found ${first_sect} to ${last_sect}`,
      );
    }
    const count = last_sect - first_sect + 1;
    segments.push({ page, offset: first_sect * SECTOR_BYTES, bytes: count * SECTOR_BYTES });
    sectors += count;
  }
  if (sector > disk.sectors - sectors) {
    return refuse(`expected sectors below ${disk.sectors}, found ${sectors} from ${sector} on`);
  }
  return { deed, segments, sectors };
};
