/*
 * A test kernel's suspend and resume, in machdep's order: devices leaf to root, the timer, start_info's frames, shared_info.
 */
import {
  __HYPERVISOR_sched_op,
  SCHEDOP_shutdown,
  SHUTDOWN_suspend,
  sched_shutdown,
  start_info,
} from '@port-xen/abi';
import {
  call,
  goto,
  hypercall,
  KERNBASE,
  kassert,
  leaf,
  PAGE_SIZE,
  routine,
  type Text,
} from '@port-xen/kern';
import { ldI64, nest, st64, struct, u32 } from '@port-xen/layout';
import { sayWhere, takePorts } from './start.ts';
import type { TestMachine } from './test-machine.ts';
import { startTicks, stopTicks } from './ticks.ts';

const suspending = struct('test_suspend_locals', {
  shutdown: nest(sched_shutdown),
  cancelled: u32,
  start_info_mfn: u32,
});

/** start_info's two frame numbers, by the M2P or the P2M. */
const translate = ({ base }: TestMachine, by: (frame: number) => number): void => {
  const si = base.startInfo;
  for (const offset of [start_info.offset.store_mfn, start_info.offset.console]) {
    st64(si.memory, si.address + offset, by(ldI64(si.memory, si.address + offset)));
  }
};

/** The domain is a new one: no port of the old one is good. */
const forgetPorts = (m: TestMachine): void => {
  m.parts.evtchn.reset();
  m.base.d.lives++;
  m.base.pmap.publishP2m(m.base.kern.spl.sharedInfo);
};

export const suspendText: Text<TestMachine> = {
  test_suspend_asked: leaf((m) => {
    m.base.d.suspend_wanted = 1;
    m.base.kern.sched.wakeup(m.base.data);
  }),

  test_sysmon: routine(suspending, {
    next: (m) => {
      const { d, cpu, data } = m.base;
      const { shutdown } = m.parts;
      if (shutdown === undefined) {
        if (d.suspend_wanted === 0) return call('next', cpu.sym('tsleep'), data, 0);
        d.suspend_wanted = 0;
        return goto('suspend');
      }
      const request = shutdown.take();
      if (request === '') return call('next', cpu.sym('tsleep'), shutdown.wchan, 0);
      if (request === 'suspend') return goto('suspend');
      m.base.kern.msgbuf.printf(`test: ${request} asked for\n`);
      return goto('next');
    },
    suspend: (m) => {
      m.base.kern.sched.d.sched_frozen = 1;
      return call('quiet', m.base.cpu.sym('pmf_system_suspend'));
    },
    quiet: (m, l, suspended) => {
      const { base } = m;
      const { kern, pmap, d } = base;
      if (suspended === 0) {
        kern.msgbuf.printf('test: suspend refused\n');
        kern.sched.d.sched_frozen = 0;
        return goto('next');
      }
      stopTicks(m);
      translate(m, (mfn) => pmap.paOf(mfn) / PAGE_SIZE);
      l.start_info_mfn = pmap.mfnOf(d.start_info - KERNBASE);
      pmap.kremove(kern.spl.sharedInfo);
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
      const { base } = m;
      const { pmap, kern } = base;
      l.cancelled = cancelled === 0 ? 0 : 1;
      pmap.kenterMa(kern.spl.sharedInfo, Math.floor(base.startInfo.shared_info / PAGE_SIZE), true);
      if (l.cancelled === 0) forgetPorts(m);
      else translate(m, (pfn) => pmap.mfnOf(pfn * PAGE_SIZE));
      m.parts.clock?.resumeclocks(l.cancelled !== 0);
      startTicks(m);
      if (l.cancelled === 0) takePorts(m);
      return call('awake', base.cpu.sym('pmf_system_resume'), l.cancelled);
    },
    awake: (m, l, resumed) => {
      kassert(resumed !== 0, 'test kernel: a device could not be resumed');
      m.base.kern.sched.d.sched_frozen = 0;
      m.base.kern.msgbuf.printf(l.cancelled === 0 ? 'test: restored\n' : 'test: cancelled\n');
      sayWhere(m);
      return goto('next');
    },
  }),

  test_hypervisor_suspend: leaf((m) => {
    m.parts.evtchn.suspend();
    m.parts.xengnt?.suspend();
    return 1;
  }),
  test_hypervisor_resume: leaf((m, _, cancelled) => {
    m.parts.xengnt?.resume(cancelled !== 0);
    m.parts.evtchn.init();
    return 1;
  }),
  test_xencons_suspend: leaf((m) => {
    m.parts.console?.suspend();
    return 1;
  }),
  test_xencons_resume: leaf((m) => {
    m.parts.console?.resume(m.base.consolePort);
    return 1;
  }),
};
