/*
 * The domU kernel, composed: which packages it is made of, and how their objects are made from nothing but a processor
 * and the addresses of their data. `link` runs at boot, at restore, and in amnesia mode before every macro-instruction.
 */
import { Clock, clock_data, clockText } from '@port-xen/clock';
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import {
  type Cpu,
  elfFile,
  type Kern,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  type Linked,
  linkKern,
  PAGE_SIZE,
} from '@port-xen/kern';
import { bytes, struct } from '@port-xen/layout';
import {
  Balloon,
  balloon_data,
  balloonText,
  type Machdep,
  machdep_data,
  mainText,
  processText,
  StartOfDay,
  suspendText,
  sysctlText,
  trapText,
} from '@port-xen/machdep';
import { linkNetinet, netinetLinked, netinetModules } from '@port-xen/netinet';
import { P2mFrameList, Pmap, p2m_frame_list_data, pmap_data, pmapText } from '@port-xen/pmap';
import { Uvm, uvm_data, uvmText } from '@port-xen/uvm';
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
import { GuestNetwork } from './guest-network.ts';
import { balloon as balloonProgram } from './programs/balloon.ts';
import { cat, dmesg } from './programs/cat.ts';
import { clockwatch } from './programs/clockwatch.ts';
import { counter } from './programs/counter.ts';
import { cp } from './programs/cp.ts';
import { date } from './programs/date.ts';
import { dd } from './programs/dd.ts';
import { echo } from './programs/echo.ts';
import { echod } from './programs/echod.ts';
import { httpd } from './programs/httpd.ts';
import { httpget } from './programs/httpget.ts';
import { pattern } from './programs/pattern.ts';
import { ping } from './programs/ping.ts';
import { sh } from './programs/sh.ts';
import { sha256 } from './programs/sha256.ts';
import { sleep } from './programs/sleep.ts';
import { sysctl } from './programs/sysctl.ts';
import { tcptalk } from './programs/tcptalk.ts';
import { ttcp } from './programs/ttcp.ts';
import { vmstress } from './programs/vmstress.ts';

const window_page = struct('window_page', { page: bytes(PAGE_SIZE) });

/** Which driver serves which type of device. */
const DRIVERS: readonly XenbusDriver[] = [
  { type: 'vbd', attach: 'xbd_xenbus_attach', changed: 'xbd_backend_changed' },
  { type: 'vif', attach: 'xennet_xenbus_attach', changed: 'xennet_backend_changed' },
];

const at = (data: Readonly<Record<string, number>>, module: string): number => {
  const address = data[module];
  if (address === undefined) throw new Error(`the kernel has no data for ${module}`);
  return address;
};

/** How a kernel differs from the one that is run by default. */
export interface KernelVariant {
  /** The clock's class. */
  readonly clock?: typeof Clock;
  /** More modules, and their objects by module name. */
  readonly modules?: KernelSpec['modules'];
  readonly link?: (kern: Kern, data: Readonly<Record<string, number>>) => Linked;
}

const link = (cpu: Cpu, data: Readonly<Record<string, number>>, variant: KernelVariant): Linked => {
  const kern = linkKern(cpu, data);
  const pmap = new Pmap(cpu, at(data, 'pmap'), kern);
  const uvm = new Uvm(cpu, at(data, 'uvm'), pmap, kern);
  const evtchn = new Evtchn(cpu, at(data, 'evtchn'), kern);
  const xengnt = new Xengnt(cpu, at(data, 'xengnt'), kern, pmap);
  const startOfDay = new StartOfDay(cpu, at(data, 'machdep'), kern.args);
  const clock = new (variant.clock ?? Clock)(cpu, at(data, 'clock'), kern, evtchn);
  const console = new Xencons(cpu, at(data, 'xencons'), kern, evtchn);
  const p2mFrameList = new P2mFrameList(cpu, at(data, 'p2mFrameList'), pmap, kern.spl.sharedInfo);
  const xenbus = new Xenbus(cpu, at(data, 'xenbus'), kern, evtchn, startOfDay, DRIVERS);
  const xbd = new XbdXenbus(cpu, at(data, 'xbd'), kern, evtchn, xengnt, pmap, uvm, xenbus);
  const net = linkNetinet(cpu, data, kern, { uptime_ns: () => clock.uptime_s() * 1e9 });
  const parts = { cpu, kern, evtchn, xengnt, pmap, uvm, xenbus, stack: net.inet };
  const xennet = new Xennet(at(data, 'xennet'), parts);
  const balloon = new Balloon(at(data, 'balloon'), kern, pmap, uvm, xenbus.watches, xennet);
  const machdep: Machdep = {
    kern,
    startOfDay,
    pmap,
    uvm,
    evtchn,
    xengnt,
    p2mFrameList,
    clock,
    console,
    shutdown: xenbus,
    network: new GuestNetwork(cpu, kern, net),
    balloon,
    window: at(data, 'window'),
  };
  return {
    ...kernLinked(kern),
    pmap,
    uvm,
    evtchn,
    upcall: { evtchn, sched: kern.sched },
    xengnt,
    clock,
    xencons: console,
    xenbus,
    xbd,
    ...netinetLinked(net),
    xennet,
    p2mFrameList,
    machdep,
    balloon,
    ...variant.link?.(kern, data),
  };
};

const specOf = (variant: KernelVariant): KernelSpec => ({
  name: 'port-xen',
  version: '0',
  entry: 'start',
  programs: [
    sha256,
    counter,
    date,
    sleep,
    clockwatch,
    sh,
    cat,
    cp,
    dd,
    dmesg,
    echo,
    pattern,
    vmstress,
    sysctl,
    ping,
    httpget,
    httpd,
    echod,
    ttcp,
    tcptalk,
    balloonProgram,
  ],
  modules: {
    ...kernModules,
    window: { data: window_page, align: PAGE_SIZE },
    pmap: { data: pmap_data, text: pmapText },
    p2mFrameList: { data: p2m_frame_list_data },
    uvm: { data: uvm_data, text: uvmText },
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    xengnt: { data: xengnt_data },
    machdep: {
      data: machdep_data,
      text: { ...mainText, ...processText, ...suspendText, ...sysctlText, ...trapText },
    },
    balloon: { data: balloon_data, text: balloonText },
    clock: { data: clock_data, text: clockText },
    xencons: { data: xencons_softc, text: xenconsText },
    xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
    xbd: { data: xbd_data, text: xbdText },
    ...netinetModules,
    xennet: { data: xennet_data, text: xennetText },
    ...variant.modules,
  },
  link: (cpu, data) => link(cpu, data, variant),
});

/** The kernel's text and data laid out. @param buildId 20 bytes */
export const kernelImage = (buildId: Uint8Array, variant: KernelVariant = {}): KernelImage =>
  new KernelImage(specOf(variant), buildId);

/** The same as an ELF file, for the domain builder. */
export const kernelFile = (image: KernelImage): Uint8Array => elfFile(image);
