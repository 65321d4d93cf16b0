/*
 * GNTTABOP_copy by domain 0: bytes between a grant of a domain's, or bytes of domain 0's own, and another of either. A grant is
 * held while the copy lasts. (A guest's: grant-copy.ts.)
 */
import { GNTST_bad_copy_arg, GNTST_bad_domain, GNTST_bad_page, GNTST_okay } from '@port-xen/abi';
import { holdFrame, releaseFrame } from './grant-mapping.ts';
import type { Hypervisor } from './hypervisor.ts';

/** One side of a copy. */
export type CopySide =
  | { readonly domid: number; readonly ref: number; readonly offset: number }
  | { readonly bytes: Uint8Array; readonly offset: number };

export interface CopyOp {
  readonly source: CopySide;
  readonly dest: CopySide;
  readonly length: number;
}

/** One side, held until it is done. */
interface Taken {
  readonly status: number;
  readonly bytes: Uint8Array;
  done(): void;
}

const take = (xen: Hypervisor, side: CopySide, writable: boolean): Taken => {
  const nothing = (): void => {};
  if ('bytes' in side) return { status: GNTST_okay, bytes: side.bytes, done: nothing };
  const failed = (status: number) => ({ status, bytes: new Uint8Array(0), done: nothing });
  const domain = xen.domains.get(side.domid);
  if (domain === undefined || domain.dying) return failed(GNTST_bad_domain);
  const { host } = xen;
  const taken = domain.grants.acquire(side.ref, 0, writable, false);
  if (taken.status !== GNTST_okay) return failed(taken.status);
  if (!holdFrame(host, taken.mfn, side.domid, writable)) {
    domain.grants.release(side.ref, writable);
    return failed(GNTST_bad_page);
  }
  return {
    status: GNTST_okay,
    bytes: host.memory.frameBytes(taken.mfn),
    done: () => {
      if (writable) host.markDirty(taken.mfn);
      releaseFrame(host, taken.mfn, writable);
      domain.grants.release(side.ref, writable);
    },
  };
};

/** @returns GNTST_* */
export const copyForDom0 = (xen: Hypervisor, { source, dest, length }: CopyOp): number => {
  const end = (side: CopySide): number => ('bytes' in side ? side.bytes.length : 4096);
  const fits = (side: CopySide): boolean => side.offset >= 0 && side.offset + length <= end(side);
  if (length < 0 || !fits(source) || !fits(dest)) return GNTST_bad_copy_arg;
  const from = take(xen, source, false);
  if (from.status !== GNTST_okay) return from.status;
  const to = take(xen, dest, true);
  if (to.status === GNTST_okay) {
    to.bytes.set(from.bytes.subarray(source.offset, source.offset + length), dest.offset);
    to.done();
  }
  from.done();
  return to.status;
};
