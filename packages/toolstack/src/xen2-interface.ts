/*
 * Domains of Xen 2: one channel, to the domain controller, whose rings are in shared_info's page; no page of start_info's for anybody.
 *
 *     boot      start_info at Xen 2's offsets, in rsi as for Xen 3
 *     suspend   start_info's frame in rdx; the P2M in one list of frames, which shared_info.arch.pfn_to_mfn_frame_list names
 *     restore   344 bytes of shared_info without what was pending, the rest zero, the control interface too; start_info's first three
 *               fields and the port of the new channel (xc_linux_restore.c of Xen 2.0, which leaves the port to xend)
 *
 * The list has words of 64 bits, 512 in a page, as the P2M that it names has on this processor. A domain that has suspended says in
 * start_info.nr_pages how many pfns there are; of one that runs the list shows where the P2M's pages end.
 */
import {
  CONTROL_IF_OFFSET,
  SHUTDOWN_suspend,
  vcpu_guest_context,
  XEN2_MAX_VIRT_CPUS,
  xen2_shared_info,
  xen2_start_info,
} from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import { BytesMemory, cString, type Memory } from '@port-xen/layout';
import {
  isXen2SharedInfo,
  mergeXen2SharedInfo,
  patchXen2StartInfo,
} from '@port-xen/migration-stream';
import { GuestFrames } from './guest-frames.ts';
import type { GuestInterface } from './guest-interface.ts';
import { hex } from './hex.ts';
import { leavesOfList, mfnAt, PFNS_PER_PAGE, wrongP2m } from './p2m-leaves.ts';
import { ToolstackError } from './toolstack-error.ts';

const PAGE = 4096;
const DOM0 = 0;
/** Rings carry machine addresses of 32 bits. */
const MEMORY_MAX_KIB = 256 << 10;
const MAX_PFNS = PFNS_PER_PAGE ** 2;
const CMDLINE_BYTES = xen2_start_info.size - xen2_start_info.offset.cmd_line;

/** @param use is given the start_info that a suspended domain has named */
const withStartInfo = <T>(hv: Hypervisor, domid: number, use: (memory: Memory) => T): T => {
  const context = new BytesMemory(hv.domctl.getVcpuContext(domid, 0));
  const { rdx } = vcpu_guest_context.at(context, 0).user_regs;
  return new GuestFrames(hv, domid).with(rdx, (_, memory) => use(memory));
};

/** How many pfns a suspended domain has. */
const pagesOf = (hv: Hypervisor, domid: number, leaves: number): number => {
  const { nr_pages } = withStartInfo(hv, domid, (memory) => {
    const info = xen2_start_info.at(memory, 0);
    return { nr_pages: info.nr_pages };
  });
  const room = leaves * PFNS_PER_PAGE;
  if (nr_pages < 1 || nr_pages > room) {
    wrongP2m(`start_info.nr_pages within [1, ${room}], as its frame list has`, `${nr_pages}`);
  }
  return nr_pages;
};

export const XEN_2: GuestInterface = {
  name: 'xen-2.0',
  cmdlineBytes: CMDLINE_BYTES,
  hasRings: false,
  check: ({ maxMem_kib, maxVcpus }) => {
    if (maxMem_kib > MEMORY_MAX_KIB) {
      throw new ToolstackError(
        `expected memory of at most ${MEMORY_MAX_KIB >> 10} MiB for a domain of xen-2.0, found ${Math.ceil(maxMem_kib / 1024)} MiB: its rings carry machine addresses of 32 bits`,
      );
    }
    if (maxVcpus > XEN2_MAX_VIRT_CPUS) {
      throw new ToolstackError(
        `expected one vcpu for a domain of xen-2.0, found ${maxVcpus}: its shared_info has no room for more`,
      );
    }
  },
  allocatePorts: ({ dom0 }, domid) => ({
    storePort: 0,
    consolePort: 0,
    controllerPort: dom0.allocUnbound(domid, DOM0),
  }),
  fillStartInfo: (memory, layout, { sharedInfoMfn, controllerPort }, cmdline) => {
    const info = xen2_start_info.at(memory, 0);
    info.nr_pages = layout.pages;
    info.shared_info = sharedInfoMfn * PAGE;
    info.domain_controller_evtchn = controllerPort;
    info.pt_base = layout.virtBase + layout.ptBasePfn * PAGE;
    info.nr_pt_frames = layout.ptFrames;
    info.mfn_list = layout.p2mVa;
    info.cmd_line = cString(cmdline);
  },
  maskUpcalls: (sharedInfo) => {
    xen2_shared_info.at(sharedInfo, 0).vcpu_data.at(0).evtchn_upcall_mask = 1;
  },
  seedGrants: () => {},
  p2mPlace: (hv, domid, sharedInfo) => {
    const { arch } = xen2_shared_info.offset;
    const root = mfnAt(sharedInfo, (arch + 8) / 8);
    if (root <= 0) wrongP2m('arch.pfn_to_mfn_frame_list to be an MFN', hex(root));
    const leaves = leavesOfList(new GuestFrames(hv, domid), root);
    const { shutdown, shutdownReason } = hv.domctl.getDomainInfo(domid);
    const suspended = shutdown && shutdownReason === SHUTDOWN_suspend;
    const pages = suspended
      ? pagesOf(hv, domid, leaves.length)
      : Math.min(leaves.length * PFNS_PER_PAGE, MAX_PFNS);
    return { pages, leaves: leaves.slice(0, Math.ceil(pages / PFNS_PER_PAGE)) };
  },
  isSharedInfo: isXen2SharedInfo,
  mergeSharedInfo: mergeXen2SharedInfo,
  patchStartInfo: (page, frames, sharedInfoMfn, { controllerPort }) => {
    patchXen2StartInfo(page, frames, {
      shared_info: sharedInfoMfn * PAGE,
      domain_controller_evtchn: controllerPort,
    });
    return { storeMfn: -1, consoleMfn: -1 };
  },
  // Nothing in it became a pfn. It is there: its pages were counted.
  rewriteStartInfo: () => ({ storeMfn: -1, consoleMfn: -1 }),
  tellPorts: (hv, domid, { controllerPort }) => {
    withStartInfo(hv, domid, (memory) => {
      xen2_start_info.at(memory, 0).domain_controller_evtchn = controllerPort;
    });
    // The new channel's rings begin anew, as after a restore.
    const { sharedInfoMfn } = hv.domctl.getDomainInfo(domid);
    new GuestFrames(hv, domid).with(sharedInfoMfn, (page) => page.fill(0, CONTROL_IF_OFFSET));
  },
};
