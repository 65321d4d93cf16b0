/*
 * Memory for a domain: extents of 2 MiB where whole aligned ones are wanted and Xen has some, else single frames.
 */
import type { Hypervisor } from '@port-xen/hypervisor';

/** Pages of a 2 MiB extent. */
const EXTENT = 512;

const SUPERPAGE_ORDER = 9;

/** As many single frames as one memory operation asks for. */
const BATCH = 1024;

const extent = (hv: Hypervisor, domid: number, pfn: number, mfnOf: Int32Array): boolean => {
  const [first] = hv.domctl.populatePhysmap(domid, Int32Array.of(pfn), SUPERPAGE_ORDER);
  if (first === undefined) return false;
  for (let i = 0; i < EXTENT; i++) mfnOf[pfn + i] = first + i;
  return true;
};

/** @returns how many it did not get */
const singles = (hv: Hypervisor, domid: number, pfns: Int32Array, mfnOf: Int32Array): number => {
  for (let at = 0; at < pfns.length; at += BATCH) {
    const some = pfns.subarray(at, at + BATCH);
    const mfns = hv.domctl.populatePhysmap(domid, some, 0);
    for (let i = 0; i < mfns.length; i++) mfnOf[some[i] as number] = mfns[i] as number;
    if (mfns.length < some.length) return pfns.length - at - mfns.length;
  }
  return 0;
};

/**
 * Gives the domain a frame for each of `pfns`.
 *
 * @param pfns ascending, none populated
 * @param mfnOf where the MFNs are noted, by pfn
 * @returns how many it did not get, because the host or the domain's share is used up
 */
export const populate = (
  hv: Hypervisor,
  domid: number,
  pfns: Int32Array,
  mfnOf: Int32Array,
): number => {
  let from = 0;
  for (let i = 0; i < pfns.length; ) {
    const pfn = pfns[i] as number;
    const whole = pfn % EXTENT === 0 && pfns[i + EXTENT - 1] === pfn + EXTENT - 1;
    if (whole && extent(hv, domid, pfn, mfnOf)) {
      const missing = singles(hv, domid, pfns.subarray(from, i), mfnOf);
      if (missing > 0) return missing + pfns.length - i - EXTENT;
      i += EXTENT;
      from = i;
    } else i++;
  }
  return singles(hv, domid, pfns.subarray(from), mfnOf);
};
