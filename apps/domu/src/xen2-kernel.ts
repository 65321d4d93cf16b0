import { CONTROL_IF_OFFSET } from '@port-xen/abi';
import { Xen2Time } from '@port-xen/clock';
import {
  CtrlIf,
  CtrlIfShutdown,
  ctrl_if_data,
  ctrl_if_shutdown_data,
  ctrlIfShutdownText,
  ctrlIfText,
} from '@port-xen/ctrl-if';
import { XEN2_SHARED_INFO } from '@port-xen/kern';
import { ControllerPath, Xen2StartOfDay } from '@port-xen/machdep';
import { p2m_frame_list_data, Xen2P2mFrameList } from '@port-xen/pmap';
import { XbdCtrlIf, xbd_blkif_data, xbdCtrlIfText } from '@port-xen/xbd';
import { XenconsCtrlIf, xencons_ctrl_if_softc, xenconsCtrlIfText } from '@port-xen/xencons';
import { netif_data, netifText, XennetCtrlIf } from '@port-xen/xennet';
import type { KernelPath } from './kernel-path.ts';

/**
 * xen-2.0: all there is goes through the controller interface.
 * @param make the controller interface, or one that lacks a step
 */
export const xen2Path = (make: typeof CtrlIf = CtrlIf): KernelPath => ({
  layout: XEN2_SHARED_INFO,
  time: (cpu, sharedInfo) => new Xen2Time(cpu, sharedInfo),
  modules: {
    p2mFrameList: { data: p2m_frame_list_data },
    ctrlIf: { data: ctrl_if_data, text: ctrlIfText },
    ctrlIfShutdown: { data: ctrl_if_shutdown_data, text: ctrlIfShutdownText },
    xencons: { data: xencons_ctrl_if_softc, text: xenconsCtrlIfText },
    xbd: { data: xbd_blkif_data, text: xbdCtrlIfText },
    xennet: { data: netif_data, text: netifText },
  },
  link: ({ cpu, kern, pmap, uvm, evtchn, net, at }) => {
    const { sharedInfo } = kern.spl;
    const startOfDay = new Xen2StartOfDay(cpu, at('machdep'), kern.args);
    const rings = sharedInfo + CONTROL_IF_OFFSET;
    const ctrlIf = new make(cpu, at('ctrlIf'), kern, evtchn, rings, startOfDay);
    const shutdown = new CtrlIfShutdown(at('ctrlIfShutdown'), ctrlIf, kern.msgbuf);
    const xencons = new XenconsCtrlIf(cpu, at('xencons'), kern, ctrlIf);
    const xbd = new XbdCtrlIf(cpu, at('xbd'), kern, evtchn, pmap, uvm, ctrlIf);
    const parts = { cpu, kern, evtchn, pmap, uvm, ctrlIf, stack: net.inet };
    const xennet = new XennetCtrlIf(at('xennet'), parts);
    const p2mFrameList = new Xen2P2mFrameList(cpu, at('p2mFrameList'), pmap, sharedInfo);
    const controlPath = new ControllerPath(ctrlIf, shutdown, xencons);
    return {
      machdep: { startOfDay, p2mFrameList, controlPath, console: xencons, shutdown },
      lender: xennet,
      linked: { ctrlIf, ctrlIfShutdown: shutdown, xencons, xbd, xennet, p2mFrameList },
    };
  },
});
