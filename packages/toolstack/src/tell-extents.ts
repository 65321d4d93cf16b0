import type { Sim } from '@port-xen/sim';
import { hex } from './hex.ts';

/** At most so many runs of frames are told one by one. */
const TOLD = 8;

/** Tells which frames a domain got, in runs of consecutive pfns with consecutive MFNs. */
export const tellExtents = (sim: Sim, domid: number, mfnOf: Int32Array): void => {
  let runs = 0;
  for (let pfn = 0; pfn < mfnOf.length; ) {
    const first = mfnOf[pfn] as number;
    if (first < 0) {
      pfn++;
      continue;
    }
    let count = 1;
    while (mfnOf[pfn + count] === first + count) count++;
    if (++runs <= TOLD) {
      sim.tell(
        'toolstack',
        `domain ${domid}: pfn ${hex(pfn)} … ${hex(pfn + count - 1)} are mfn ${hex(first)} … ${hex(first + count - 1)}`,
      );
    }
    pfn += count;
  }
  if (runs > TOLD) sim.tell('toolstack', `domain ${domid}: and ${runs - TOLD} more runs of frames`);
};
