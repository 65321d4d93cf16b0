/*
 * Which host a save file is from, as far as it shows: the P2M's own pages are ordinary data in the file, and hold the MFNs
 * that the domain had there.
 */

import { BytesMemory, ldI64 } from '@port-xen/layout';
import {
  carriesData,
  ImageReader,
  type ImageVisitor,
  type Source,
} from '@port-xen/migration-stream';

const PAGE = 4096;
const PER_PAGE = 512;
const SLOT_FRAMES = 2 ** 21;

/** Thrown to leave the file once the answer is known. */
class Found extends Error {
  readonly mfn: number;

  constructor(mfn: number) {
    super(`found mfn ${mfn}`);
    this.mfn = mfn;
  }
}

const firstMfn = (page: Uint8Array): number | undefined => {
  const memory = new BytesMemory(page);
  for (let i = 0; i < PER_PAGE; i++) {
    const word = ldI64(memory, i * 8);
    if (word > 0 && word < 64 * SLOT_FRAMES) return word;
  }
  return undefined;
};

/**
 * An MFN that the domain had on the host where it was saved; undefined if its P2M holds none.
 * The file is read until the first page of the P2M has come.
 *
 * @throws StreamError
 */
export const oldMfn = (source: Source): number | undefined => {
  const leaves = new Set<number>();
  const page = new Uint8Array(PAGE);
  const visitor: ImageVisitor = {
    p2mFrames: ({ pfns }) => {
      for (const pfn of pfns) leaves.add(pfn);
    },
    pageData: ({ pfns, types }, readPage) => {
      for (const [i, pfn] of pfns.entries()) {
        if (!carriesData(types[i] as number)) continue;
        readPage(page);
        const mfn = leaves.has(pfn) ? firstMfn(page) : undefined;
        if (mfn !== undefined) throw new Found(mfn);
      }
    },
  };
  try {
    new ImageReader(source).read(visitor);
    return undefined;
  } catch (error) {
    if (error instanceof Found) return error.mfn;
    throw error;
  }
};

/**
 * The MFN slot of the host where the domain was saved, so that a restore can take another and stale handles show.
 *
 * @param slotFrames frames of a slot: 2^21, or the hypervisor's XEN2_SLOT_FRAMES for a domain of Xen 2
 * @throws StreamError
 */
export const slotHint = (source: Source, slotFrames: number = SLOT_FRAMES): number | undefined => {
  const mfn = oldMfn(source);
  return mfn === undefined ? undefined : Math.floor(mfn / slotFrames);
};
