/*
 * Domains of Xen 3: xenstore and console have a page and a port each, which start_info names; grants 0 and 1 give the pages to domain 0.
 */
import { shared_info } from '@port-xen/abi';
import { ldI64 } from '@port-xen/layout';
import { isXen2SharedInfo, mergeSharedInfo, patchStartInfo } from '@port-xen/migration-stream';
import { GuestFrames } from './guest-frames.ts';
import type { GuestInterface } from './guest-interface.ts';
import { hex } from './hex.ts';
import { leavesOfTables, leavesOfTree, mfnAt, PFNS_PER_PAGE, wrongP2m } from './p2m-leaves.ts';
import { rewriteStartInfo } from './rewrite-start-info.ts';
import { CMDLINE_BYTES, fillStartInfo } from './start-info.ts';

const PAGE = 4096;
const DOM0 = 0;
/** Domain 0 holds both ends of these grants (GNTTAB_RESERVED_CONSOLE, GNTTAB_RESERVED_XENSTORE). */
const CONSOLE_REF = 0;
const STORE_REF = 1;
/** The largest count that the tree can hold. */
const MAX_PFNS = PFNS_PER_PAGE ** 3;

export const XEN_3: GuestInterface = {
  name: 'xen-3.0',
  cmdlineBytes: CMDLINE_BYTES,
  hasRings: true,
  check: () => {},
  allocatePorts: ({ dom0 }, domid) => ({
    storePort: dom0.allocUnbound(domid, DOM0),
    consolePort: dom0.allocUnbound(domid, DOM0),
    controllerPort: 0,
  }),
  fillStartInfo,
  maskUpcalls: (sharedInfo) => {
    const { vcpu_info } = shared_info.at(sharedInfo, 0);
    for (let vcpu = 0; vcpu < vcpu_info.length; vcpu++) vcpu_info.at(vcpu).evtchn_upcall_mask = 1;
  },
  seedGrants: ({ dom0 }, domid, { consoleMfn, storeMfn }) => {
    dom0.seedGrant(domid, CONSOLE_REF, DOM0, consoleMfn);
    dom0.seedGrant(domid, STORE_REF, DOM0, storeMfn);
  },
  p2mPlace: (hv, domid, sharedInfo) => {
    const frames = new GuestFrames(hv, domid);
    const { arch } = shared_info.at(sharedInfo, 0);
    const pages = arch.max_pfn;
    if (pages < 1 || pages > MAX_PFNS) {
      wrongP2m(`arch.max_pfn within [1, ${MAX_PFNS}]`, `${pages}: the guest has not published it`);
    }
    const count = Math.ceil(pages / PFNS_PER_PAGE);
    const root = mfnAt(sharedInfo, (shared_info.offset.arch + 8) / 8);
    const linear = arch.p2m_cr3 !== 0;
    if (!linear && root <= 0) {
      wrongP2m('arch.pfn_to_mfn_frame_list_list to be an MFN', hex(root));
    }
    const va = ldI64(sharedInfo, shared_info.offset.arch + 32);
    const leaves = linear
      ? leavesOfTables(frames, arch.p2m_cr3, va, count)
      : leavesOfTree(frames, root, count);
    return { pages, leaves };
  },
  isSharedInfo: (saved) => !isXen2SharedInfo(saved),
  mergeSharedInfo,
  patchStartInfo: (page, frames, sharedInfoMfn, { storePort, consolePort }) => {
    const { store_mfn, console_mfn } = patchStartInfo(page, frames, {
      shared_info: sharedInfoMfn * PAGE,
      store_evtchn: storePort,
      console_evtchn: consolePort,
    });
    return { storeMfn: store_mfn, consoleMfn: console_mfn };
  },
  rewriteStartInfo,
  // Every port of the domain was closed: the lowest ones are given out again, in the same order.
  tellPorts: () => {},
};
