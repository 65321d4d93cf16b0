import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  EVTCHNOP_bind_virq,
  RUNSTATE_blocked,
  RUNSTATE_offline,
  RUNSTATE_runnable,
  RUNSTATE_running,
  SCHEDOP_block,
  SHUTDOWN_poweroff,
  VCPU_SSHOTTMR_future,
  VCPUOP_down,
  VCPUOP_get_physid,
  VCPUOP_get_runstate_info,
  VCPUOP_initialise,
  VCPUOP_is_up,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_register_vcpu_info,
  VCPUOP_register_vcpu_time_memory_area,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_stop_singleshot_timer,
  VCPUOP_up,
  VGCF_in_kernel,
  VIRQ_TIMER,
  vcpu_guest_context,
  XEN_EEXIST,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSYS,
  XEN_ETIME,
} from '@port-xen/abi';
import { type Engine, RAX, RDI, RIP, RSI } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { ARGS, type Guest, HANDLER, idle, Machine, NOWHERE, TEXT, va, XEN_VA } from './machine.ts';

const vcpuOp = (g: Guest, cmd: number, id = 0, arg = ARGS): number =>
  g.call(__HYPERVISOR_vcpu_op, cmd, id, arg);

/** Binds VIRQ_TIMER. */
const bindTimer = (g: Guest, vcpu = 0): number => {
  g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, g.words(va(12), VIRQ_TIMER, vcpu, 0));
  return g.ld32(va(12) + 8);
};

/** Takes a pending bit, as a handler would. */
const take = (g: Guest, port: number): boolean => {
  const was = g.pending(port);
  g.xen.memory.st32(g.domain.sharedInfo + 2048, 0);
  for (const vcpu of g.domain.vcpus) {
    g.xen.memory.st8(vcpu.infoAddress, 0);
    g.xen.memory.st32(vcpu.infoAddress + 8, 0);
  }
  return was;
};

/** Writes the context at va(20), two pages. */
const putContext = (g: Guest, change?: Parameters<Guest['context']>[0]): number => {
  g.vcpu.mmu.writeForXen(va(20), g.context(change));
  return va(20);
};

describe('initialise, up, down', () => {
  test('HV-VCPU-1: a vCPU is made once, is down until it is up, and runs then', () => {
    const started: number[] = [];
    const engine: Engine = {
      run: (vcpu, budget_ns) => {
        if (vcpu.id === 1) started.push(vcpu.registers.get(RIP));
        vcpu.spend(budget_ns);
      },
    };
    const machine = new Machine();
    const g = machine.guest({ vcpus: 2, engine });
    expect(vcpuOp(g, VCPUOP_up, 1)).toBe(-XEN_EINVAL);
    const context = putContext(g, (m) => {
      m.st32(vcpu_guest_context.offset.flags, VGCF_in_kernel);
      m.st32(vcpu_guest_context.offset.user_regs + 128, HANDLER);
    });
    expect(vcpuOp(g, VCPUOP_initialise, 1, NOWHERE)).toBe(-XEN_EFAULT);
    expect(vcpuOp(g, VCPUOP_initialise, 1, context)).toBe(0);
    expect(vcpuOp(g, VCPUOP_initialise, 1, context)).toBe(-XEN_EEXIST);
    expect(vcpuOp(g, VCPUOP_initialise, 0, context)).toBe(-XEN_EEXIST);
    expect(vcpuOp(g, VCPUOP_is_up, 1)).toBe(0);
    machine.runFor(3e6);
    expect(started).toEqual([]);
    expect(vcpuOp(g, VCPUOP_up, 1)).toBe(0);
    expect(vcpuOp(g, VCPUOP_is_up, 1)).toBe(1);
    machine.runFor(3e6);
    expect(started[0]).toBe(HANDLER);
    expect(vcpuOp(g, VCPUOP_down, 1)).toBe(0);
    expect(g.cpu(1).runnable).toBe(false);
    expect(vcpuOp(g, VCPUOP_up, 2)).toBe(-XEN_ENOENT);
    expect(vcpuOp(g, 99)).toBe(-XEN_ENOSYS);
    expect(vcpuOp(g, VCPUOP_get_physid)).toBe(-XEN_EINVAL);
  });

  test('HV-VCPU-2: the last one that goes down powers the domain off', () => {
    const g = new Machine().guest({ vcpus: 2 });
    expect(vcpuOp(g, VCPUOP_down, 0)).toBe(0);
    expect([g.domain.isShutDown, g.domain.shutdownCode]).toEqual([true, SHUTDOWN_poweroff]);
  });

  test('HV-VCPU-3: a context that is refused leaves nothing behind', () => {
    const g = new Machine().guest({ vcpus: 2 });
    const o = vcpu_guest_context.offset;
    const refused = (change: Parameters<Guest['context']>[0]) =>
      vcpuOp(g, VCPUOP_initialise, 1, putContext(g, change));
    expect(refused((m) => m.st32(o.ctrlreg + 24, g.mfn(1) * 4096))).toBe(-XEN_EINVAL);
    expect(refused((m) => m.st32(o.gdt_ents, 7169))).toBe(-XEN_EINVAL);
    expect(refused((m) => m.st32(o.gdt_ents, 512))).toBe(-XEN_EINVAL);
    expect(refused((m) => m.st32(o.ldt_ents + 4, 1))).toBe(-XEN_EINVAL);
    expect(refused((m) => m.st32(o.kernel_sp + 4, 0x10000))).toBe(-XEN_EINVAL);
    expect(refused((m) => m.st32(o.trap_ctxt + 16 * 255 + 12, 0x8000))).toBe(-XEN_EINVAL);
    expect(
      refused((m) => {
        m.st32(o.flags, 0);
        m.st32(o.ctrlreg + 8, 0);
        m.st32(o.ctrlreg + 12, 0);
      }),
    ).toBe(-XEN_EINVAL);
    expect(g.cpu(1).initialised).toBe(false);
    expect(g.xen.accounting()).toEqual([]);
  });
});

describe('vcpu_info', () => {
  const register = (g: Guest, id: number, mfn: number, offset: number, from = 0): number => {
    g.longs(ARGS, mfn, offset);
    return g.callOn(from, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, id, ARGS);
  };

  test('HV-VCPU-10: it moves to a page of the guest’s with all it held, and everything is marked pending', () => {
    const g = new Machine().guest();
    g.vcpu.upcallMask = 1;
    expect(register(g, 0, g.mfn(20), 64)).toBe(0);
    expect([g.ld32(va(20) + 64) & 0xffff, g.ld32(va(20) + 72), g.ld32(va(20) + 76)]).toEqual([
      0x0101, -1, -1,
    ]);
    expect(g.vcpu.infoAddress).toBe(g.mfn(20) * 4096 + 64);
    expect(g.xen.accounting()).toEqual([]);
    // The page is held writable: it cannot become a table.
    expect(g.xen.host.types.pin(g.mfn(20), g.domid, 1)).toBeLessThan(0);
  });

  test('HV-VCPU-11: once, within the page, of the domain’s own, for oneself or one that is down', () => {
    const g = new Machine().guest({ vcpus: 2 });
    expect(register(g, 0, g.mfn(20), 4033)).toBe(-XEN_EINVAL);
    expect(register(g, 0, g.mfn(3), 0)).toBe(-XEN_EINVAL);
    expect(register(g, 0, 1, 0)).toBe(-XEN_EINVAL);
    expect(register(g, 0, 2 ** 52, 0)).toBe(-XEN_EINVAL);
    expect(register(g, 1, g.mfn(20), 0)).toBe(0);
    expect(register(g, 1, g.mfn(20), 64)).toBe(-XEN_EINVAL);
    g.cpu(1).online = true;
    expect(register(g, 0, g.mfn(20), 4032)).toBe(0);
    expect(vcpuOp(g, VCPUOP_register_vcpu_info, 0, NOWHERE)).toBe(-XEN_EFAULT);
    const h = new Machine().guest({ vcpus: 2 });
    h.cpu(1).online = true;
    expect(register(h, 1, h.mfn(20), 0)).toBe(-XEN_EINVAL);
  });

  test('HV-VCPU-12: events and time go there from then on', () => {
    const machine = new Machine();
    const g = machine.guest();
    register(g, 0, g.mfn(20), 0);
    const port = bindTimer(g);
    take(g, port);
    machine.runFor(1e9);
    expect(g.ld32(va(20)) & 0xff).toBe(1);
    expect(g.ld64(va(20) + 48)).toBe(3601e9);
  });

  test('HV-VCPU-13: the page is let go when the domain dies', () => {
    const g = new Machine().guest();
    register(g, 0, g.mfn(20), 0);
    const { free, total } = g.xen.counts();
    g.xen.domctl.destroyDomain(g.domid);
    expect(g.xen.counts().free).toBe(free + 64 + 2);
    expect(g.xen.counts().total).toBe(total);
    expect(g.xen.accounting()).toEqual([]);
  });
});

describe('runstate', () => {
  test('HV-VCPU-20: every nanosecond since its creation is running, runnable, blocked or offline', () => {
    const machine = new Machine();
    let block = false;
    const g = machine.guest({
      engine: {
        run: (vcpu, budget_ns) => {
          vcpu.spend(budget_ns);
          if (!block) return;
          vcpu.registers.set(RAX, __HYPERVISOR_sched_op);
          vcpu.registers.set(RDI, SCHEDOP_block);
          vcpu.registers.set(RSI, 0);
          vcpu.registers.set(RIP, TEXT + 2);
          vcpu.syscall();
        },
      },
      paused: true,
    });
    machine.runFor(7e6);
    machine.xen.domctl.unpauseDomain(g.domid);
    // Somebody else has the processor half of the time.
    machine.guest({ engine: idle });
    machine.runFor(20e6);
    block = true;
    machine.runFor(100e6);
    const { runstate } = g.vcpu;
    runstate.change(RUNSTATE_blocked);
    const times = [0, 1, 2, 3].map((state) => runstate.time_ns(state));
    expect(times.reduce((sum, time) => sum + time, 0)).toBe(machine.sim.now_ns);
    expect(times[RUNSTATE_offline]).toBe(7e6);
    expect(times[RUNSTATE_running]).toBeGreaterThan(9e6);
    expect(times[RUNSTATE_runnable]).toBeGreaterThan(9e6);
    expect(times[RUNSTATE_blocked]).toBeGreaterThan(95e6);
  });

  test('HV-VCPU-20: what is done at an earlier time than a slice ended at takes nothing away', () => {
    const machine = new Machine();
    const { runstate } = machine.guest().vcpu;
    machine.runFor(5e6);
    runstate.change(RUNSTATE_blocked);
    const now = machine.sim.now_ns;
    const before = [0, 1, 2, 3].map((state) => runstate.time_ns(state));
    machine.sim.now_ns = now - 1000;
    runstate.change(RUNSTATE_runnable);
    machine.sim.now_ns = now + 10;
    runstate.change(RUNSTATE_blocked);
    before[RUNSTATE_runnable] = (before[RUNSTATE_runnable] as number) + 10;
    expect([0, 1, 2, 3].map((state) => runstate.time_ns(state))).toEqual(before);
  });

  test('HV-VCPU-21: get_runstate_info counts the present state up to now', () => {
    const machine = new Machine();
    const g = machine.guest();
    machine.runFor(5e6);
    expect(vcpuOp(g, VCPUOP_get_runstate_info)).toBe(0);
    const sum = [16, 24, 32, 40].reduce((total, at) => total + g.ld64(ARGS + at), 0);
    expect(sum).toBe(machine.sim.now_ns);
    expect(vcpuOp(g, VCPUOP_get_runstate_info, 0, NOWHERE)).toBe(-XEN_EFAULT);
  });

  test('HV-VCPU-23: what comes from before the end of a slice takes no time back', () => {
    const machine = new Machine();
    const { runstate } = machine.guest().vcpu;
    machine.sim.now_ns = 5e6;
    runstate.change(RUNSTATE_blocked);
    machine.sim.now_ns = 3e6;
    runstate.change(RUNSTATE_runnable);
    machine.sim.now_ns = 9e6;
    runstate.change(RUNSTATE_running);
    const times = [1, 2, 3].map((state) => runstate.time_ns(state));
    expect(times).toEqual([9e6, 0, 0]);
  });

  test('HV-VCPU-22: the guest’s copy is kept, also while user mode runs; a page that is gone is passed over', () => {
    const machine = new Machine();
    const g = machine.guest();
    expect(vcpuOp(g, VCPUOP_register_runstate_memory_area, 0, NOWHERE)).toBe(-XEN_EFAULT);
    expect(vcpuOp(g, VCPUOP_register_runstate_memory_area, 0, g.longs(ARGS, XEN_VA))).toBe(
      -XEN_EFAULT,
    );
    expect(vcpuOp(g, VCPUOP_register_runstate_memory_area, 0, g.longs(ARGS, va(20)))).toBe(0);
    g.enterUser();
    machine.runFor(5e6);
    expect(g.ld32(va(20))).toBe(RUNSTATE_runnable);
    expect(g.ld64(va(20) + 8)).toBe(machine.uptime_ns);
    expect(g.ld64(va(20) + 16)).toBeGreaterThan(4.99e6);
    g.vcpu.mmu.kernelMode = true;
    g.call(14, va(20), 0, 2);
    machine.runFor(5e6);
    expect(g.domain.isShutDown).toBe(false);
    g.longs(ARGS, 0);
    expect(vcpuOp(g, VCPUOP_register_runstate_memory_area)).toBe(0);
    expect(g.vcpu.runstate.area).toBe(0);
  });
});

describe('timers', () => {
  test('HV-VCPU-30: set_timer_op fires VIRQ_TIMER at its system time, 0 stops it, a past one is at once', () => {
    const machine = new Machine();
    const g = machine.guest();
    const port = bindTimer(g);
    vcpuOp(g, VCPUOP_stop_periodic_timer);
    take(g, port);
    expect(g.call(__HYPERVISOR_set_timer_op, machine.uptime_ns + 5e6)).toBe(0);
    machine.runFor(4.9e6);
    expect(g.pending(port)).toBe(false);
    machine.runFor(0.2e6);
    expect(take(g, port)).toBe(true);
    g.call(__HYPERVISOR_set_timer_op, machine.uptime_ns + 5e6);
    g.call(__HYPERVISOR_set_timer_op, 0);
    machine.runFor(50e6);
    expect(g.pending(port)).toBe(false);
    g.call(__HYPERVISOR_set_timer_op, 1);
    machine.runFor(0);
    expect(take(g, port)).toBe(true);
  });

  test('HV-VCPU-31: a timeout that is negative, or 2^50 ns ahead, becomes 100 ms', () => {
    for (const timeout of [-1, -(2 ** 62), 'far', 2 ** 62] as const) {
      const machine = new Machine();
      const g = machine.guest();
      const port = bindTimer(g);
      vcpuOp(g, VCPUOP_stop_periodic_timer);
      take(g, port);
      const now = machine.uptime_ns + 300;
      g.call(__HYPERVISOR_set_timer_op, timeout === 'far' ? now + 2 ** 50 : timeout);
      machine.runFor(99.9e6);
      expect(g.pending(port)).toBe(false);
      machine.runFor(0.2e6);
      expect(g.pending(port)).toBe(true);
    }
    const machine = new Machine();
    const g = machine.guest();
    const port = bindTimer(g);
    vcpuOp(g, VCPUOP_stop_periodic_timer);
    take(g, port);
    g.call(__HYPERVISOR_set_timer_op, machine.uptime_ns + 300 + 2 ** 50 - 1);
    machine.runFor(200e6);
    expect(g.pending(port)).toBe(false);
  });

  test('HV-VCPU-32: singleshot: one’s own only; a past time is -ETIME if that was asked for', () => {
    const machine = new Machine();
    const g = machine.guest({ vcpus: 2 });
    const port = bindTimer(g);
    vcpuOp(g, VCPUOP_stop_periodic_timer);
    take(g, port);
    g.longs(ARGS, 1, VCPU_SSHOTTMR_future);
    expect(vcpuOp(g, VCPUOP_set_singleshot_timer)).toBe(-XEN_ETIME);
    expect(vcpuOp(g, VCPUOP_set_singleshot_timer, 1)).toBe(-XEN_EINVAL);
    expect(vcpuOp(g, VCPUOP_stop_singleshot_timer, 1)).toBe(-XEN_EINVAL);
    expect(vcpuOp(g, VCPUOP_set_singleshot_timer, 0, NOWHERE)).toBe(-XEN_EFAULT);
    machine.runFor(1e6);
    expect(g.pending(port)).toBe(false);
    g.longs(ARGS, 1, 0);
    expect(vcpuOp(g, VCPUOP_set_singleshot_timer)).toBe(0);
    machine.runFor(0);
    expect(take(g, port)).toBe(true);
    g.longs(ARGS, machine.uptime_ns + 2e6, VCPU_SSHOTTMR_future);
    expect(vcpuOp(g, VCPUOP_set_singleshot_timer)).toBe(0);
    expect(vcpuOp(g, VCPUOP_stop_singleshot_timer)).toBe(0);
    machine.runFor(5e6);
    expect(g.pending(port)).toBe(false);
  });

  /** Ticks that a guest which takes each at once sees in a time. */
  const ticks = (machine: Machine, g: Guest, port: number, ns: number): number => {
    let count = 0;
    const end = machine.sim.now_ns + ns;
    while (machine.sim.now_ns < end) {
      machine.runFor(0.5e6);
      if (take(g, port)) count++;
    }
    return count;
  };

  test('HV-VCPU-33: a new vCPU has a 100 Hz tick, until it stops it; periods of 1 ms and more', () => {
    const machine = new Machine();
    const g = machine.guest();
    const port = bindTimer(g);
    // The first one is due when it first gets a processor.
    machine.runFor(1e6);
    expect(take(g, port)).toBe(true);
    expect(ticks(machine, g, port, 1e9)).toBe(100);
    g.longs(ARGS, 999_999);
    expect(vcpuOp(g, VCPUOP_set_periodic_timer)).toBe(-XEN_EINVAL);
    g.longs(ARGS, 2 ** 62);
    expect(vcpuOp(g, VCPUOP_set_periodic_timer)).toBe(-XEN_EINVAL);
    g.longs(ARGS, 4e6);
    expect(vcpuOp(g, VCPUOP_set_periodic_timer)).toBe(0);
    expect(ticks(machine, g, port, 1e9)).toBeGreaterThan(248);
    expect(vcpuOp(g, VCPUOP_stop_periodic_timer)).toBe(0);
    take(g, port);
    expect(ticks(machine, g, port, 1e9)).toBe(0);
  });

  test('HV-VCPU-34: it ticks only while the vCPU has a processor; what fell due comes when it gets one', () => {
    const machine = new Machine();
    const g = machine.guest();
    const port = bindTimer(g);
    machine.runFor(20e6);
    take(g, port);
    g.vcpu.upcallMask = 0;
    g.call(__HYPERVISOR_sched_op, SCHEDOP_block);
    expect(ticks(machine, g, port, 1e9)).toBe(0);
    expect(g.vcpu.blocked).toBe(true);
    g.vcpu.kick();
    machine.runFor(0);
    expect(take(g, port)).toBe(true);
  });

  test('HV-VCPU-35: the singleshot timer wakes a vCPU that is blocked', () => {
    const machine = new Machine();
    const g = machine.guest();
    g.vcpu.eventCallback = HANDLER;
    const port = bindTimer(g);
    machine.runFor(20e6);
    take(g, port);
    g.call(__HYPERVISOR_set_timer_op, machine.uptime_ns + 30e6);
    g.call(__HYPERVISOR_sched_op, SCHEDOP_block);
    machine.runFor(29e6);
    expect(g.vcpu.blocked).toBe(true);
    machine.runFor(2e6);
    expect(g.vcpu.blocked).toBe(false);
  });

  test('HV-VCPU-36: a timer of a suspended domain still fires; a dead domain’s does not', () => {
    const machine = new Machine();
    const g = machine.guest();
    const port = bindTimer(g);
    vcpuOp(g, VCPUOP_stop_periodic_timer);
    take(g, port);
    g.call(__HYPERVISOR_set_timer_op, machine.uptime_ns + 5e6);
    g.domain.shutdown(2);
    machine.runFor(10e6);
    expect(g.pending(port)).toBe(true);
    machine.xen.domctl.resumeDomain(g.domid);
    g.call(__HYPERVISOR_set_timer_op, machine.uptime_ns + 5e6);
    machine.xen.domctl.destroyDomain(g.domid);
    machine.runFor(10e6);
  });

  test('HV-VCPU-37: the time area is a copy of vcpu_time_info, kept as that is', () => {
    const machine = new Machine();
    const g = machine.guest();
    expect(vcpuOp(g, VCPUOP_register_vcpu_time_memory_area, 0, g.longs(ARGS, XEN_VA))).toBe(
      -XEN_EFAULT,
    );
    expect(vcpuOp(g, VCPUOP_register_vcpu_time_memory_area, 0, g.longs(ARGS, va(20)))).toBe(0);
    expect(g.ld64(va(20) + 16)).toBe(3600e9);
    machine.runFor(3.5e9);
    const copy = new Uint8Array(32);
    const original = new Uint8Array(32);
    g.vcpu.mmu.read(va(20), copy);
    g.xen.memory.read(g.vcpu.infoAddress + 32, original);
    expect(copy).toEqual(original);
    expect(g.ld64(va(20) + 16)).toBe(3603e9);
  });
});
