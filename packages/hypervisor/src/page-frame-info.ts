import {
  XEN_DOMCTL_PFINFO_L1TAB,
  XEN_DOMCTL_PFINFO_LPINTAB,
  XEN_DOMCTL_PFINFO_NOTAB,
  XEN_DOMCTL_PFINFO_XTAB,
} from '@port-xen/abi';
import { PGC_xen_heap, PGT_l4_page_table, PGT_pinned } from './frame-table.ts';
import type { HostMemory } from './host-memory.ts';

/**
 * What a frame is used as, for the tools (XEN_DOMCTL_getpageframeinfo3).
 * The type is told as it stands: a table that lost its last reference is one until the frame gets another type.
 * @param mfn any Number
 * @returns XEN_DOMCTL_PFINFO_*, unsigned: L1TAB … L4TAB, with LPINTAB if pinned; NOTAB; XTAB when it is not the domain's or is Xen's
 */
export const pageFrameInfo = (host: HostMemory, domid: number, mfn: number): number => {
  const { table } = host;
  const i = table.index(mfn);
  if (i < 0 || table.owner[i] !== domid || table.refs[i] === 0) return XEN_DOMCTL_PFINFO_XTAB;
  const type = table.type[i] as number;
  const flags = table.flags[i] as number;
  if ((flags & PGC_xen_heap) !== 0) return XEN_DOMCTL_PFINFO_XTAB;
  if (type > PGT_l4_page_table) return XEN_DOMCTL_PFINFO_NOTAB;
  const pinned = (flags & PGT_pinned) !== 0 ? XEN_DOMCTL_PFINFO_LPINTAB : 0;
  return type * XEN_DOMCTL_PFINFO_L1TAB + pinned;
};
