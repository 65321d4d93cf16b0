/*
 * Xen 3's start_info, the page by which a PV domain learns what it has been given, as the domain builder fills it at boot. (What
 * restore writes over in it is migration-stream's to say.)
 */
import { SIF_VIRT_P2M_4TOOLS, start_info } from '@port-xen/abi';
import { cString, type Memory } from '@port-xen/layout';
import type { DomainLayout } from './domain-layout.ts';
import type { HostHandles } from './host-handles.ts';

const PAGE = 4096;

/** Room for the command line, its NUL included (MAX_GUEST_CMDLINE). */
export const CMDLINE_BYTES = 1024;

/** Fills the page of a domain that starts. It is zero before. */
export const fillStartInfo = (
  memory: Memory,
  layout: DomainLayout,
  handles: HostHandles,
  cmdline: string,
): void => {
  const info = start_info.at(memory, 0);
  info.magic = cString('xen-3.0-x86_64');
  info.nr_pages = layout.pages;
  info.shared_info = handles.sharedInfoMfn * PAGE;
  info.flags = SIF_VIRT_P2M_4TOOLS;
  info.store_mfn = handles.storeMfn;
  info.store_evtchn = handles.storePort;
  info.console.domU.mfn = handles.consoleMfn;
  info.console.domU.evtchn = handles.consolePort;
  info.pt_base = layout.virtBase + layout.ptBasePfn * PAGE;
  info.nr_pt_frames = layout.ptFrames;
  info.mfn_list = layout.p2mVa;
  if (layout.p2mFrames > 0) {
    info.first_p2m_pfn = layout.p2mPfn;
    info.nr_p2m_frames = layout.p2mFrames;
  }
  info.cmd_line = cString(cmdline);
};
