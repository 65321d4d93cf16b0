import { fromUser, leaf, push64, raw, type Sched, saveTrapframe, type Text } from '@port-xen/kern';
import { RIP } from '@port-xen/vcpu';
import type { Evtchn } from './evtchn.ts';

export const evtchnText: Text<Evtchn> = {
  /** leaf(level): see Spl.splx. */
  evtchn_dispatch_pending: leaf((m, level) => m.dispatchPending(level)),

  /** VIRQ_DEBUG: `xl debug-keys q`. */
  xen_debug_handler: leaf((m, port) => {
    m.kern.msgbuf.printf(`debug event on port ${port}, level ${m.kern.spl.level}\n`);
  }),
};

/** What the callback needs. */
export interface Upcall {
  readonly evtchn: Evtchn;
  readonly sched: Sched;
}

export const upcallText: Text<Upcall> = {
  /**
   * Entered by Xen with upcalls masked and a bounce frame at rsp. Kernel lwps go on where they were; a user's processor is
   * given away first when somebody more urgent waits.
   */
  hypervisor_callback: raw((m, cpu) => {
    const frame = saveTrapframe(cpu, 0, false);
    m.sched.idleEvent();
    m.evtchn.dispatch();
    const { ci_want_resched, sched_frozen } = m.sched.d;
    cpu.registers.set(RIP, cpu.sym('trap_return'));
    if (fromUser(frame) && (ci_want_resched !== 0 || sched_frozen !== 0)) {
      push64(cpu, cpu.sym('trap_return'));
      cpu.registers.set(RIP, cpu.sym('yield'));
    }
  }),
};
