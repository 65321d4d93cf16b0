import type { Hypervisor } from '@port-xen/hypervisor';

/** A page of a domain, copied. */
export interface Page {
  readonly mfn: number;
  /** 1 to 4 for a page table, 0 for any other page. */
  readonly level: number;
  readonly bytes: Uint8Array;
}

/** A domain's memory by pfn, as Xen's own tables have it: the M2P says which page a frame is. */
export type Memory = ReadonlyMap<number, Page>;

const LEVEL_SHIFT = 28;
const LEVEL_MASK = 7;

/** Copies a domain's pages. */
export const snapshot = (hv: Hypervisor, domid: number): Memory => {
  const mfns: number[] = [];
  for (let mfn = hv.firstMfn; mfn < hv.firstMfn + hv.frames; mfn++) {
    const pfn = hv.m2p.get(mfn);
    if (hv.host.table.ownerOf(mfn) === domid && pfn >= 0 && pfn < 2 ** 24) mfns.push(mfn);
  }
  const types = hv.domctl.pageFrameInfo(domid, Int32Array.from(mfns));
  return new Map(
    mfns.map((mfn, i) => [
      hv.m2p.get(mfn),
      {
        mfn,
        level: ((types[i] as number) >>> LEVEL_SHIFT) & LEVEL_MASK,
        bytes: hv.memory.frameBytes(mfn).slice(),
      },
    ]),
  );
};
