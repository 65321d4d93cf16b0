/*
 * Memory for a domain: extents of 2 MiB where whole aligned ones are wanted and Xen has some, else single frames.
 */
import { type Hypervisor, XenError } from '@port-xen/hypervisor';

/** Pages of a 2 MiB extent. */
export const EXTENT = 512;

const SUPERPAGE_ORDER = 9;
const ENOMEM = 12;

/** As many single frames as one memory operation asks for. */
const BATCH = 1024;

const extent = (hv: Hypervisor, domid: number, pfn: number, mfnOf: Int32Array): boolean => {
  try {
    const first = hv.domctl.populatePhysmap(
      domid,
      Int32Array.of(pfn),
      SUPERPAGE_ORDER,
    )[0] as number;
    for (let i = 0; i < EXTENT; i++) mfnOf[pfn + i] = first + i;
    return true;
  } catch (error) {
    if (error instanceof XenError && error.errno === ENOMEM) return false;
    throw error;
  }
};

const singles = (hv: Hypervisor, domid: number, pfns: Int32Array, mfnOf: Int32Array): void => {
  for (let at = 0; at < pfns.length; at += BATCH) {
    const some = pfns.subarray(at, at + BATCH);
    const mfns = hv.domctl.populatePhysmap(domid, some, 0);
    for (let i = 0; i < some.length; i++) mfnOf[some[i] as number] = mfns[i] as number;
  }
};

/**
 * Gives the domain a frame for each of `pfns`.
 *
 * @param pfns ascending, none populated
 * @param mfnOf where the MFNs are noted, by pfn
 * @throws XenError if there is not enough memory
 */
export const populate = (
  hv: Hypervisor,
  domid: number,
  pfns: Int32Array,
  mfnOf: Int32Array,
): void => {
  let from = 0;
  for (let i = 0; i < pfns.length; ) {
    const pfn = pfns[i] as number;
    const whole = pfn % EXTENT === 0 && pfns[i + EXTENT - 1] === pfn + EXTENT - 1;
    if (whole && extent(hv, domid, pfn, mfnOf)) {
      singles(hv, domid, pfns.subarray(from, i), mfnOf);
      i += EXTENT;
      from = i;
    } else i++;
  }
  singles(hv, domid, pfns.subarray(from), mfnOf);
};
