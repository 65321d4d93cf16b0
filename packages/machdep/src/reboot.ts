/*
 * The end of the system (cpu_reboot), and the lwp that does what the toolstack asks for (sysmon_power.c and powerd's scripts).
 */
import {
  __HYPERVISOR_sched_op,
  SCHEDOP_shutdown,
  SHUTDOWN_poweroff,
  SHUTDOWN_reboot,
  sched_shutdown,
} from '@port-xen/abi';
import { call, goto, hypercall, routine, type Text } from '@port-xen/kern';
import { nest, struct, u32, u64 } from '@port-xen/layout';
import type { Machdep } from './machdep.ts';

const rebooting = struct('cpu_reboot_locals', {
  shutdown: nest(sched_shutdown),
  tries: u32,
  howto: u64,
});

export const RB_AUTOBOOT = 0;
export const RB_POWERDOWN = 1;
/** Ticks that the console is given to show what is queued. */
const DRAIN_TICKS = 100;

const waiting = struct('sysmon_locals', { pad: u64 });

export const rebootText: Text<Machdep> = {
  /** (howto): lets the console show what is queued, then leaves. */
  cpu_reboot: routine(rebooting, {
    start: (_, l, howto) => {
      l.howto = howto;
      return goto('drain');
    },
    drain: (m, l) => {
      if (!m.console.drained && l.tries++ < DRAIN_TICKS) {
        return call('drain', m.kern.cpu.sym('tsleep'), l.address, 1);
      }
      l.shutdown.reason = l.howto === RB_POWERDOWN ? SHUTDOWN_poweroff : SHUTDOWN_reboot;
      return hypercall('drain', __HYPERVISOR_sched_op, SCHEDOP_shutdown, l.shutdown.address);
    },
  }),

  /** What the toolstack asks for, one request after the other. */
  sysmon_thread: routine(waiting, {
    next: (m) => {
      const { cpu } = m.kern;
      switch (m.shutdown.take()) {
        case 'poweroff':
          return call('next', cpu.sym('cpu_reboot'), RB_POWERDOWN);
        case 'reboot':
          return call('next', cpu.sym('cpu_reboot'), RB_AUTOBOOT);
        case 'suspend':
          return call('next', cpu.sym('xen_suspend_domain'));
        default:
          return call('next', cpu.sym('tsleep'), m.shutdown.wchan, 0);
      }
    },
  }),
};
