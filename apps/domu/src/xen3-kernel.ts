import { Xen3Time } from '@port-xen/clock';
import { XEN3_SHARED_INFO } from '@port-xen/kern';
import { Xen3StartOfDay, XenstorePath } from '@port-xen/machdep';
import { P2mFrameList, p2m_frame_list_data } from '@port-xen/pmap';
import { XbdXenbus, xbd_data, xbdText } from '@port-xen/xbd';
import {
  shutdownText,
  Xenbus,
  type XenbusDriver,
  xenbus_data,
  xenbusText,
  xsText,
} from '@port-xen/xenbus';
import { Xencons, xencons_softc, xenconsText } from '@port-xen/xencons';
import { Xengnt, xengnt_data } from '@port-xen/xengnt';
import { Xennet, xennet_data, xennetText } from '@port-xen/xennet';
import type { KernelPath } from './kernel-path.ts';

/** Which driver serves which type of device. */
const DRIVERS: readonly XenbusDriver[] = [
  { type: 'vbd', attach: 'xbd_xenbus_attach', changed: 'xbd_backend_changed' },
  { type: 'vif', attach: 'xennet_xenbus_attach', changed: 'xennet_backend_changed' },
];

/** xen-3.0: grants, xenstore, a console ring, and drivers on xenbus. */
export const xen3Path: KernelPath = {
  layout: XEN3_SHARED_INFO,
  time: (cpu, sharedInfo) => new Xen3Time(cpu, sharedInfo),
  modules: {
    p2mFrameList: { data: p2m_frame_list_data },
    xengnt: { data: xengnt_data },
    xencons: { data: xencons_softc, text: xenconsText },
    xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
    xbd: { data: xbd_data, text: xbdText },
    xennet: { data: xennet_data, text: xennetText },
  },
  link: ({ cpu, kern, pmap, uvm, evtchn, net, at }) => {
    const { sharedInfo } = kern.spl;
    const xengnt = new Xengnt(cpu, at('xengnt'), kern, pmap);
    const startOfDay = new Xen3StartOfDay(cpu, at('machdep'), kern.args);
    const xencons = new Xencons(cpu, at('xencons'), kern, evtchn);
    const p2mFrameList = new P2mFrameList(cpu, at('p2mFrameList'), pmap, sharedInfo);
    const xenbus = new Xenbus(cpu, at('xenbus'), kern, evtchn, startOfDay, DRIVERS);
    const xbd = new XbdXenbus(cpu, at('xbd'), kern, evtchn, xengnt, pmap, uvm, xenbus);
    const parts = { cpu, kern, evtchn, xengnt, pmap, uvm, xenbus, stack: net.inet };
    const xennet = new Xennet(at('xennet'), parts);
    const controlPath = new XenstorePath(startOfDay, xencons);
    return {
      machdep: {
        startOfDay,
        xengnt,
        p2mFrameList,
        controlPath,
        console: xencons,
        shutdown: xenbus,
      },
      watches: xenbus.watches,
      lender: xennet,
      linked: { xengnt, xencons, xenbus, xbd, xennet, p2mFrameList },
    };
  },
};
