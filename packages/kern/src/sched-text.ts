import { __HYPERVISOR_sched_op, SCHEDOP_block } from '@port-xen/abi';
import { ldI64, struct, u64 } from '@port-xen/layout';
import { RDI, RIP, RSP } from '@port-xen/vcpu';
import type { Sched } from './sched.ts';
import type { Spl } from './spl.ts';
import { call, hypercall, leaf, raw, routine, type Text } from './text.ts';

const none = struct('none', { pad: u64 });

/** Lwps start, sleep, yield and end here. */
export const schedText: Text<Sched> = {
  /** rsp → | func | arg | lwp_exit |: enters func with lwp_exit as its return address. */
  lwp_trampoline: raw((m, cpu) => {
    const rsp = cpu.registers.get(RSP);
    cpu.registers.set(RIP, ldI64(cpu.memory, rsp));
    cpu.registers.set(RDI, ldI64(cpu.memory, rsp + 8));
    cpu.registers.set(RSP, rsp + 16);
    void m;
  }),
  lwp_exit: raw((m) => m.exit()),
  tsleep: raw((m) => m.tsleep()),
  yield: raw((m) => m.yield()),
  sleep_timeout: leaf((m, l) => m.sleepTimeout(l)),
};

/** What the idle lwp needs. */
export interface Idle {
  readonly sched: Sched;
  readonly spl: Spl;
}

export const idleText: Text<Idle> = {
  /**
   * Looks for work with upcalls off, so that none is delivered between the look and the hypercall; SCHEDOP_block turns
   * them on again and returns at once if one is pending.
   */
  idle_loop: routine(none, {
    loop: (m) => {
      m.spl.disableIntr();
      if (!m.sched.anyRunnable) {
        m.sched.idleBlock();
        return hypercall('loop', __HYPERVISOR_sched_op, SCHEDOP_block, 0);
      }
      m.sched.idleLeave();
      m.spl.enableIntr();
      return call('loop', m.sched.cpu.sym('yield'));
    },
  }),
};
