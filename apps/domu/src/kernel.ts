/*
 * The domU kernel, composed: which packages it is made of, and how their objects are made from nothing but a processor
 * and the addresses of their data. `link` runs at boot, at restore, and in amnesia mode before every macro-instruction.
 */
import { Clock, clock_data, clockText } from '@port-xen/clock';
import type { CtrlIf } from '@port-xen/ctrl-if';
import { Evtchn } from '@port-xen/evtchn';
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
} from '@port-xen/kern';
import {
  Balloon,
  type BalloonStore,
  type Machdep,
  machdepLinked,
  machdepModules,
} from '@port-xen/machdep';
import { linkNetinet, netinetLinked, netinetModules } from '@port-xen/netinet';
import { Pmap } from '@port-xen/pmap';
import { Uvm } from '@port-xen/uvm';
import { GuestNetwork } from './guest-network.ts';
import type { KernelPath } from './kernel-path.ts';
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
import { xen2Path } from './xen2-kernel.ts';
import { xen3Path } from './xen3-kernel.ts';

const at = (data: Readonly<Record<string, number>>, module: string): number => {
  const address = data[module];
  if (address === undefined) throw new Error(`the kernel has no data for ${module}`);
  return address;
};

/** What a variant's own modules may use. */
export interface VariantParts {
  readonly pmap: Pmap;
  readonly clock: Clock;
  /** Watches of the store, where there is one. */
  readonly watches: BalloonStore | undefined;
  /** The objects of what leads to domain 0, by module name. */
  readonly linked: Linked;
}

/** How a kernel differs from the one that is run by default. */
export interface KernelVariant {
  /** The Xen that it is for; xen-3.0 when absent. */
  readonly interface?: 'xen-3.0' | 'xen-2.0';
  /** The controller interface's class. */
  readonly ctrlIf?: typeof CtrlIf;
  /** The clock's class. */
  readonly clock?: typeof Clock;
  /** More modules, and their objects by module name. */
  readonly modules?: KernelSpec['modules'];
  readonly link?: (
    kern: Kern,
    data: Readonly<Record<string, number>>,
    parts: VariantParts,
  ) => Linked;
}

/** The kernel for Xen 2, whose control path is the controller interface. */
export const xen2Kernel: KernelVariant = { interface: 'xen-2.0' };

const pathOf = (variant: KernelVariant): KernelPath =>
  variant.interface === 'xen-2.0' ? xen2Path(variant.ctrlIf) : xen3Path;

const link = (
  cpu: Cpu,
  data: Readonly<Record<string, number>>,
  variant: KernelVariant,
  path: KernelPath,
): Linked => {
  const kern = linkKern(cpu, data, path.layout);
  const pmap = new Pmap(cpu, at(data, 'pmap'), kern);
  const uvm = new Uvm(cpu, at(data, 'uvm'), pmap, kern);
  const evtchn = new Evtchn(cpu, at(data, 'evtchn'), kern);
  const time = path.time(cpu, kern.spl.sharedInfo);
  const clock = new (variant.clock ?? Clock)(cpu, at(data, 'clock'), kern, evtchn, time);
  const net = linkNetinet(cpu, data, kern, { uptime_ns: () => clock.uptime_s() * 1e9 });
  const base = { cpu, kern, pmap, uvm, evtchn, net, at: (module: string) => at(data, module) };
  const control = path.link(base);
  const balloon = new Balloon(
    at(data, 'balloon'),
    kern,
    pmap,
    uvm,
    control.watches,
    control.lender,
  );
  const machdep: Machdep = {
    ...control.machdep,
    kern,
    pmap,
    uvm,
    evtchn,
    clock,
    network: new GuestNetwork(cpu, kern, net),
    balloon,
    window: at(data, 'window'),
  };
  return {
    ...kernLinked(kern),
    ...machdepLinked(machdep),
    clock,
    ...netinetLinked(net),
    ...control.linked,
    ...variant.link?.(kern, data, {
      pmap,
      clock,
      watches: control.watches,
      linked: control.linked,
    }),
  };
};

const specOf = (variant: KernelVariant, path: KernelPath): KernelSpec => ({
  name: 'port-xen',
  version: '0',
  xenVersion: path.layout.xenVersion,
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
    ...machdepModules,
    clock: { data: clock_data, text: clockText },
    ...netinetModules,
    ...path.modules,
    ...variant.modules,
  },
  link: (cpu, data) => link(cpu, data, variant, path),
});

/** The kernel's text and data laid out. @param buildId 20 bytes */
export const kernelImage = (buildId: Uint8Array, variant: KernelVariant = {}): KernelImage =>
  new KernelImage(specOf(variant, pathOf(variant)), buildId);

/** The same as an ELF file, for the domain builder. */
export const kernelFile = (image: KernelImage): Uint8Array => elfFile(image);
