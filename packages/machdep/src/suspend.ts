/*
 * xen_suspend_domain (sys/arch/xen/xen/xen_machdep.c), in the corrected order. Each step may rely on those before it.
 *
 *   down   user lwps held · devices, leaf to root · start_info's frame found · VIRQ_TIMER let go ·
 *          start_info's frames → pfns · recursive slot cleared · shared_info unmapped · SCHEDOP_shutdown
 *   up     shared_info mapped · recursive slot · same size? · [cancelled: pfns → frames | restored: every port forgotten] ·
 *          clock re-based · devices, root to leaf · user lwps go on
 *
 * Xen returns 0 in the restored domain and 1 in the same domain when the suspend was cancelled. A device that refuses
 * ends it before the hypercall, with every device active again.
 */
import {
  __HYPERVISOR_sched_op,
  SCHEDOP_shutdown,
  SHUTDOWN_suspend,
  sched_shutdown,
} from '@port-xen/abi';
import { call, done, hypercall, kassert, PAGE_SIZE, routine, type Text } from '@port-xen/kern';
import { nest, struct, u32, u64 } from '@port-xen/layout';
import type { Machdep } from './machdep.ts';

const suspending = struct('xen_suspend_domain_locals', {
  shutdown: nest(sched_shutdown),
  cancelled: u32,
  start_info_mfn: u64,
});

/** What the console shows of where the domain is. */
const whereabouts = (m: Machdep): string => {
  const mfn = Math.floor(m.startOfDay.sharedInfoMa / PAGE_SIZE);
  return (
    `shared_info mfn 0x${mfn.toString(16)}, host up ${m.clock.hostUptime_s().toFixed(3)} s, ` +
    `TSC ${(m.clock.tscKhz / 1e6).toFixed(3)} GHz, guest up ${m.clock.uptime_s().toFixed(3)} s`
  );
};

export const suspendText: Text<Machdep> = {
  /** @returns 0 after a restore, 1 when the domain never left (cancelled or refused) */
  xen_suspend_domain: routine(suspending, {
    start: (m) => {
      m.kern.sched.d.sched_frozen = 1;
      m.kern.msgbuf.printf(`suspend: ${whereabouts(m)}\n`);
      return call('quiet', m.kern.cpu.sym('pmf_system_suspend'));
    },
    quiet: (m, l, suspended) => {
      if (suspended === 0) {
        m.kern.msgbuf.printf('suspend: refused, going on\n');
        m.kern.sched.d.sched_frozen = 0;
        return done(1);
      }
      const sharedInfo = m.kern.spl.sharedInfo;
      l.start_info_mfn = m.pmap.extractMfn(0, m.startOfDay.d.start_info);
      m.clock.suspendclocks();
      m.startOfDay.framesToPfns(m.pmap);
      m.pmap.unmapRecursive();
      m.pmap.kremove(sharedInfo);
      l.shutdown.reason = SHUTDOWN_suspend;
      return hypercall(
        'back',
        __HYPERVISOR_sched_op,
        SCHEDOP_shutdown,
        l.shutdown.address,
        l.start_info_mfn,
      );
    },
    back: (m, l, cancelled) => {
      l.cancelled = cancelled === 0 ? 0 : 1;
      // A frame of the host that was: nothing keeps it.
      l.start_info_mfn = 0;
      const mfn = Math.floor(m.startOfDay.sharedInfoMa / PAGE_SIZE);
      m.pmap.kreplaceMa(m.kern.spl.sharedInfo, mfn, true);
      m.pmap.mapRecursive();
      const { nrPages } = m.startOfDay;
      kassert(
        nrPages === m.pmap.nrPages,
        `suspended with ${m.pmap.nrPages} pages, restored with ${nrPages}`,
      );
      if (l.cancelled !== 0) m.startOfDay.pfnsToFrames(m.pmap);
      else m.evtchn.reset();
      m.clock.resumeclocks(l.cancelled !== 0);
      m.kern.msgbuf.printf(
        l.cancelled === 0
          ? `resume: ${whereabouts(m)}\nclock: VIRQ_TIMER on port ${m.clock.port}\n`
          : 'resume: cancelled, the same domain goes on\n',
      );
      return call('awake', m.kern.cpu.sym('pmf_system_resume'), l.cancelled);
    },
    awake: (m, l, resumed) => {
      kassert(resumed !== 0, 'a device could not be resumed');
      m.kern.sched.d.sched_frozen = 0;
      m.kern.msgbuf.printf('domain resumed\n');
      return done(l.cancelled);
    },
  }),
};
