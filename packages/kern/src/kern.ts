/*
 * The machine-independent kernel put together: which modules it has, and how their objects are made from the processor
 * and the addresses of their data.
 */
import {
  __HYPERVISOR_sched_op,
  SCHEDOP_shutdown,
  SHUTDOWN_crash,
  sched_shutdown,
} from '@port-xen/abi';
import { bytes, struct, textOf, u64 } from '@port-xen/layout';
import { Autoconf, autoconf_data } from './autoconf.ts';
import { BufPool, buf_data, bufText } from './buf.ts';
import { Callout, callout_data, calloutText } from './callout.ts';
import { Cdevsw, cdev_data } from './cdev.ts';
import type { Cpu } from './cpu.ts';
import { exitText } from './exit-text.ts';
import { HypercallArgs, hypercall_args } from './hypercall-args.ts';
import { PAGE_SIZE } from './image.ts';
import type { ModuleSpec } from './kernel-spec.ts';
import { mmText } from './mm.ts';
import { Msgbuf, msgbuf_data } from './msgbuf.ts';
import { pmfText } from './pmf.ts';
import { Sched, sched_data, uarea_data } from './sched.ts';
import { idleText, schedText } from './sched-text.ts';
import { type SharedInfoLayout, XEN3_SHARED_INFO } from './shared-info.ts';
import { Softint, softint_data } from './softint.ts';
import { Spl, spl_data } from './spl.ts';
import { Syscalls, syscalls_data } from './syscalls.ts';
import { syscallsText } from './syscalls-text.ts';
import { hypercall, routine, type Text } from './text.ts';
import { trapframeText } from './trapframe.ts';

/** The objects of the machine-independent kernel. */
export interface Kern {
  readonly cpu: Cpu;
  readonly args: HypercallArgs;
  readonly msgbuf: Msgbuf;
  readonly spl: Spl;
  readonly softint: Softint;
  readonly callout: Callout;
  readonly sched: Sched;
  readonly autoconf: Autoconf;
  readonly cdevsw: Cdevsw;
  readonly bufs: BufPool;
  readonly syscalls: Syscalls;
}

const panicking = struct('panic_locals', { message: bytes(256), arg: u64 });
const MESSAGE_MAX = 256;

const panicText: Text<Kern> = {
  /** (message): prints it and crashes the domain. */
  panic: routine(panicking, {
    start: (m, l, message) => {
      const text = new Uint8Array(MESSAGE_MAX);
      m.cpu.memory.read(message, text);
      m.msgbuf.printf(`panic: ${textOf(text)}\n`);
      sched_shutdown.at(m.cpu.memory, l.address + panicking.offset.arg).reason = SHUTDOWN_crash;
      return hypercall(
        'start',
        __HYPERVISOR_sched_op,
        SCHEDOP_shutdown,
        l.address + panicking.offset.arg,
      );
    },
  }),
};

/** shared_info is mapped over this page of the kernel's own; the page beneath is not used. */
const shared_info_page = struct('shared_info_page', { page: bytes(PAGE_SIZE) });

export const kernModules: Readonly<Record<string, ModuleSpec>> = {
  HYPERVISOR_shared_info: { data: shared_info_page, align: PAGE_SIZE },
  uarea: { data: uarea_data, align: PAGE_SIZE },
  hypercall_args: { data: hypercall_args, align: PAGE_SIZE },
  kern: { text: { ...panicText, ...trapframeText, ...idleText, ...pmfText } },
  msgbuf: { data: msgbuf_data },
  spl: { data: spl_data },
  softint: { data: softint_data },
  callout: { data: callout_data, text: calloutText },
  sched: { data: sched_data, text: schedText },
  autoconf: { data: autoconf_data },
  cdevsw: { data: cdev_data, text: mmText },
  bufs: { data: buf_data, text: bufText },
  syscalls: { data: syscalls_data, text: { ...syscallsText, ...exitText } },
};

/** Makes the kernel's objects. @param data the address of each module's data @param layout shared_info's */
export const linkKern = (
  cpu: Cpu,
  data: Readonly<Record<string, number>>,
  layout: SharedInfoLayout = XEN3_SHARED_INFO,
): Kern => {
  const at = (module: string): number => {
    const address = data[module];
    if (address === undefined) throw new Error(`the kernel has no data for ${module}`);
    return address;
  };
  const msgbuf = new Msgbuf(cpu, at('msgbuf'));
  const spl = new Spl(cpu, at('spl'), at('HYPERVISOR_shared_info'), layout);
  const softint = new Softint(cpu, at('softint'), spl);
  const callout = new Callout(cpu, at('callout'), softint);
  const sched = new Sched(cpu, at('sched'), at('uarea'), callout);
  const autoconf = new Autoconf(cpu, at('autoconf'), sched);
  const cdevsw = new Cdevsw(cpu, at('cdevsw'));
  return {
    cpu,
    args: new HypercallArgs(cpu, at('hypercall_args')),
    msgbuf,
    spl,
    softint,
    callout,
    sched,
    autoconf,
    cdevsw,
    bufs: new BufPool(cpu, at('bufs'), sched),
    syscalls: new Syscalls(cpu, at('syscalls'), sched, cdevsw),
  };
};

/** The same objects under the names of their modules, for a kernel's `link`. */
export const kernLinked = (kern: Kern): Record<string, object> => ({
  kern,
  msgbuf: kern.msgbuf,
  spl: kern.spl,
  softint: kern.softint,
  callout: kern.callout,
  sched: kern.sched,
  autoconf: kern.autoconf,
  cdevsw: kern.cdevsw,
  bufs: kern.bufs,
  syscalls: kern.syscalls,
});
