/*
 * A kernel to try the machine-dependent part with: everything but drivers of devices, and a device of its own that refuses to
 * be suspended while somebody says so (the `refuser`), or that says nothing about power management.
 */
import { Clock, clock_data, clockText } from '@port-xen/clock';
import { Evtchn } from '@port-xen/evtchn';
import {
  type Cpu,
  elfFile,
  KernelImage,
  type KernelSpec,
  kernLinked,
  kernModules,
  type Linked,
  leaf,
  linkKern,
  type Program,
  TextEngine,
} from '@port-xen/kern';
import { struct, u32 } from '@port-xen/layout';
import { P2mFrameList, Pmap, p2m_frame_list_data } from '@port-xen/pmap';
import { Uvm } from '@port-xen/uvm';
import { shutdownText, Xenbus, xenbus_data, xenbusText, xsText } from '@port-xen/xenbus';
import { Xencons, xencons_softc, xenconsText } from '@port-xen/xencons';
import { Xengnt, xengnt_data } from '@port-xen/xengnt';
import {
  Balloon,
  type Machdep,
  machdepLinked,
  machdepModules,
  Xen3StartOfDay,
  XenstorePath,
} from '../src/index.ts';

const refuser_data = struct('refuser_data', { attached: u32, refusals: u32 });

/** What the refuser does; `refusals` many suspends are refused. */
export interface Refuser {
  readonly refusals?: number;
  /** It does not say how it is suspended. */
  readonly silent?: boolean;
}

/** What is different from boot to boot. */
export interface KernelOptions {
  readonly programs: readonly Program[];
  readonly refuser?: Refuser;
  /** Called by a kernel lwp whenever it looks for what the toolstack asks for. */
  readonly onSysmon?: (m: Machdep) => void;
  readonly amnesia?: boolean;
}

const at = (data: Readonly<Record<string, number>>, module: string): number =>
  data[module] as number;

interface Refusing {
  readonly cpu: Cpu;
  readonly data: number;
}

const attachRefuser = (m: Machdep, data: number, refuser: Refuser): void => {
  const { cpu, autoconf } = m.kern;
  const d = refuser_data.at(cpu.memory, data);
  if (d.attached !== 0) return;
  d.attached = 1;
  d.refusals = refuser.refusals ?? 0;
  const parent = autoconf.devices()[0]?.address ?? 0;
  const dv = autoconf.attach('refuser0', parent, 0);
  if (!refuser.silent) autoconf.pmfRegister(dv, cpu.sym('refuser_suspend'), 0);
};

/** The kernel as a file, and the engine that runs it. */
export const machdepKernel = (options: KernelOptions): { elf: Uint8Array; engine: TextEngine } => {
  const link = (cpu: Cpu, data: Readonly<Record<string, number>>): Linked => {
    const kern = linkKern(cpu, data);
    const pmap = new Pmap(cpu, at(data, 'pmap'), kern);
    const uvm = new Uvm(cpu, at(data, 'uvm'), pmap, kern);
    const evtchn = new Evtchn(cpu, at(data, 'evtchn'), kern);
    const xengnt = new Xengnt(cpu, at(data, 'xengnt'), kern, pmap);
    const startOfDay = new Xen3StartOfDay(cpu, at(data, 'machdep'), kern.args);
    const clock = new Clock(cpu, at(data, 'clock'), kern, evtchn);
    const console = new Xencons(cpu, at(data, 'xencons'), kern, evtchn);
    const p2mFrameList = new P2mFrameList(cpu, at(data, 'p2mFrameList'), pmap, kern.spl.sharedInfo);
    const xenbus = new Xenbus(cpu, at(data, 'xenbus'), kern, evtchn, startOfDay, []);
    const balloon = new Balloon(at(data, 'balloon'), kern, pmap, uvm, xenbus.watches);
    const machdep: Machdep = {
      kern,
      startOfDay,
      pmap,
      uvm,
      evtchn,
      xengnt,
      p2mFrameList,
      clock,
      controlPath: new XenstorePath(startOfDay, console),
      console,
      shutdown: {
        wchan: xenbus.wchan,
        take: () => {
          if (options.refuser) attachRefuser(machdep, at(data, 'refuser'), options.refuser);
          options.onSysmon?.(machdep);
          return xenbus.take();
        },
      },
      balloon,
      window: at(data, 'window'),
    };
    return {
      ...kernLinked(kern),
      ...machdepLinked(machdep),
      xengnt,
      clock,
      xencons: console,
      xenbus,
      p2mFrameList,
      refuser: { cpu, data: at(data, 'refuser') },
    };
  };
  const spec: KernelSpec = {
    name: 'machdep-test',
    version: '0',
    entry: 'start',
    programs: options.programs,
    modules: {
      ...kernModules,
      ...machdepModules,
      p2mFrameList: { data: p2m_frame_list_data },
      xengnt: { data: xengnt_data },
      clock: { data: clock_data, text: clockText },
      xencons: { data: xencons_softc, text: xenconsText },
      xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
      refuser: {
        data: refuser_data,
        text: {
          refuser_suspend: leaf((m: Refusing) => {
            const d = refuser_data.at(m.cpu.memory, m.data);
            if (d.refusals === 0) return 1;
            d.refusals--;
            return 0;
          }),
        },
      },
    },
    link,
  };
  const image = new KernelImage(spec, new Uint8Array(20).fill(7));
  return {
    elf: elfFile(image),
    engine: new TextEngine(image, { amnesia: options.amnesia ?? false }),
  };
};
