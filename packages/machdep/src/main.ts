/*
 * From Xen's entry to the first program: `start` (locore.S, init_x86_64) and main() (init_main.c, mainbus, hypervisor).
 */
import {
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_xen_version,
  FLAT_KERNEL_SS,
  MACH2PHYS_VIRT_START,
  XENVER_version,
} from '@port-xen/abi';
import {
  attachMm,
  call,
  done,
  goto,
  KERNBASE,
  KERNTEXTOFF,
  L_IDLE,
  PAGE_SIZE,
  Panic,
  PRI_IDLE,
  PRI_KTHREAD,
  push64,
  raw,
  routine,
  type Text,
} from '@port-xen/kern';
import { i64, ldI64, struct, u32 } from '@port-xen/layout';
import { RIP, RSI, RSP } from '@port-xen/vcpu';
import { execInit } from './exec.ts';
import type { Machdep } from './machdep.ts';
import { RB_POWERDOWN, rebootText } from './reboot.ts';
import { rootDevicesText } from './root-devices.ts';
import { swapOn } from './swapctl.ts';
import { SYSENT } from './sysent.ts';

const GRANT_FRAMES = 64;
/** Virtual time of start of day: most of it is zeroing and page tables. */
const START_NS = 500_000;

/** Memory, traps and the first lwps: everything before anything can wait. */
const startOfDay = (m: Machdep): void => {
  const { cpu, sched, callout, spl, syscalls } = m.kern;
  const startInfoVa = cpu.registers.get(RSI);
  const m2p = (mfn: number): number =>
    ldI64(cpu.memory, MACH2PHYS_VIRT_START + 8 * mfn) * PAGE_SIZE;
  m.startOfDay.note(startInfoVa, m2p);
  m.pmap.bootstrap(m.startOfDay, m.window);
  const { pages } = m.uvm;
  pages.physload((KERNTEXTOFF - KERNBASE) / PAGE_SIZE, m.startOfDay.firstFreePfn, m.pmap.nrPages);
  pages.unmapFree();
  m.pmap.kreplaceMa(spl.sharedInfo, Math.floor(m.startOfDay.sharedInfoMa / PAGE_SIZE), true);
  m.startOfDay.register();
  m.evtchn.reset();
  callout.init();
  sched.d.sched_activate = cpu.sym('pmap_activate');
  for (const [number, symbol, ...operands] of SYSENT) {
    syscalls.setHandler(number, symbol, ...operands);
  }
  const main = sched.adoptBoot('main');
  sched.create('idle', cpu.sym('idle_loop'), 0, PRI_IDLE, L_IDLE);
  cpu.hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, main.l_stack);
  cpu.registers.set(RSP, main.l_stack);
  push64(cpu, cpu.sym('lwp_exit'));
  cpu.registers.set(RIP, cpu.sym('main'));
};

/** The devices that need no xenstore. */
const attachRoot = (m: Machdep): number => {
  const { autoconf, msgbuf, cpu } = m.kern;
  const version = cpu.hypercall(__HYPERVISOR_xen_version, XENVER_version);
  const { magic, nrPages } = m.startOfDay;
  msgbuf.printf(
    `port-xen: ${magic} domain on Xen ${version >>> 16}.${version & 0xffff}, ` +
      `${nrPages} pages (${Math.floor((nrPages * PAGE_SIZE) / 2 ** 20)} MiB), ${m.uvm.pages.free} free\n`,
  );
  const mainbus = autoconf.attach('mainbus0', 0, 0);
  autoconf.pmfRegister(mainbus, 0, 0);
  const hypervisor = autoconf.attach('hypervisor0', mainbus.address, 0);
  autoconf.pmfRegister(hypervisor, cpu.sym('hypervisor_suspend'), cpu.sym('hypervisor_resume'));
  const vcpu = autoconf.attach('vcpu0', hypervisor.address, 0);
  autoconf.pmfRegister(vcpu, 0, 0);
  return hypervisor.address;
};

const booting = struct('main_locals', {
  hypervisor: i64,
  /** What devices that are found are children of. */
  bus: i64,
  init: i64,
  probed: u32,
});
/** The kernel's command line up to what the first program is given. */
const kernelOptions = (m: Machdep): string => m.startOfDay.commandLine.split('init=')[0] ?? '';

/** The part of the kernel's command line after `init=`: the first program and its arguments. */
const initArguments = (m: Machdep): string[] => {
  const line = m.startOfDay.commandLine;
  const at = line.indexOf('init=');
  if (at < 0) return [];
  return line
    .slice(at + 'init='.length)
    .split(' ')
    .filter((word) => word !== '');
};

export const mainText: Text<Machdep> = {
  ...rebootText,
  ...rootDevicesText,

  start: raw((m) => startOfDay(m), START_NS),

  main: routine(booting, {
    root: (m, l) => {
      const { cpu, cdevsw, sched } = m.kern;
      m.xengnt?.init(m.uvm.kmAllocVa(GRANT_FRAMES));
      m.evtchn.init();
      m.p2mFrameList.build(m.uvm);
      l.hypervisor = attachRoot(m);
      l.bus = m.controlPath.attach(m.kern, l.hypervisor);
      cdevsw.attach('console', 0, {
        read: cpu.sym('xencons_read'),
        write: cpu.sym('xencons_write'),
      });
      cdevsw.attach('klog', 0, { read: cpu.sym('klog_read') });
      attachMm(cdevsw);
      m.clock.initclocks(m.startOfDay.commandLine);
      m.network?.init();
      sched.create('sysmon', cpu.sym('sysmon_thread'), 0, PRI_KTHREAD);
      return goto('probe');
    },
    probe: (m, l) => {
      const symbol = m.controlPath.probes[l.probed++];
      return symbol === undefined ? goto('settle') : call('probe', m.kern.cpu.sym(symbol), l.bus);
    },
    settle: (m, l) => {
      const { cpu, autoconf } = m.kern;
      if (autoconf.d.config_pending !== 0) {
        return call('settle', cpu.sym('tsleep'), autoconf.data, 0);
      }
      swapOn(m, kernelOptions(m));
      m.network?.start(kernelOptions(m));
      const started = execInit(m, initArguments(m));
      // As NetBSD: a system without its first program is of no use to anybody.
      if (typeof started === 'string') throw new Panic(`no init: ${started}`);
      l.init = started.address;
      return goto('wait');
    },
    wait: (m, l) => {
      const { cpu, syscalls, msgbuf } = m.kern;
      const init = syscalls.procAt(l.init);
      if (init.p_exited === 0) return call('wait', cpu.sym('tsleep'), init.address, 0);
      if (init.p_xstat !== 0) msgbuf.printf(`init exited with status ${init.p_xstat}\n`);
      return call('ended', cpu.sym('cpu_reboot'), RB_POWERDOWN);
    },
    ended: () => done(),
  }),
};
