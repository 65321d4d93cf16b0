import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_send,
  SCHEDOP_block,
  SCHEDOP_pin_override,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
  SHUTDOWN_crash,
  SHUTDOWN_reboot,
  SHUTDOWN_suspend,
  SHUTDOWN_watchdog,
  XEN_EBUSY,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSPC,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import { type Engine, RAX, RDI, RIP, RSI, type Vcpu } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { ARGS, type Guest, HANDLER, Machine, NOWHERE, TEXT, va } from './machine.ts';

const sched = (g: Guest, cmd: number, ...words: number[]): number =>
  g.call(__HYPERVISOR_sched_op, cmd, g.words(ARGS, ...words));

const ipi = (g: Guest, vcpu = 0): number => {
  g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, g.words(ARGS, vcpu, 0));
  return g.ld32(ARGS + 4);
};

const send = (g: Guest, port: number, from = 0): number =>
  g.callOn(from, __HYPERVISOR_event_channel_op, EVTCHNOP_send, g.words(va(12), port));

/** Polls ports that stand at va(13), until a system time. */
const poll = (g: Guest, ports: readonly number[], timeout_ns = 0): number => {
  g.words(va(13), ...ports);
  g.longs(ARGS, va(13), ports.length, timeout_ns);
  return g.call(__HYPERVISOR_sched_op, SCHEDOP_poll, ARGS);
};

describe('yield, block', () => {
  test('HV-SCHED-1: unknown commands -ENOSYS, the control domain’s -EPERM', () => {
    const g = new Machine().guest();
    expect(sched(g, 99)).toBe(-XEN_ENOSYS);
    expect(sched(g, SCHEDOP_pin_override)).toBe(-XEN_EPERM);
    expect(sched(g, SCHEDOP_remote_shutdown, g.domid)).toBe(-XEN_EPERM);
    expect(sched(g, SCHEDOP_remote_shutdown, 999)).toBe(-XEN_ESRCH);
    expect(g.call(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, NOWHERE)).toBe(-XEN_EFAULT);
    expect(sched(g, SCHEDOP_yield)).toBe(0);
    expect(g.vcpu.stop).toBe(true);
  });

  test('HV-SCHED-2: block unmasks events first; with one pending it does not block', () => {
    const g = new Machine().guest();
    const port = ipi(g);
    g.vcpu.upcallMask = 1;
    expect(sched(g, SCHEDOP_block)).toBe(0);
    expect([g.vcpu.blocked, g.vcpu.upcallMask]).toEqual([true, 0]);
    send(g, port);
    expect(g.vcpu.blocked).toBe(false);
    expect(sched(g, SCHEDOP_block)).toBe(0);
    expect(g.vcpu.blocked).toBe(false);
  });

  test('HV-SCHED-3: a blocked vCPU goes on when an event becomes pending, and not for a masked port', () => {
    const g = new Machine().guest({ vcpus: 2 });
    const port = ipi(g);
    g.setMask(port, true);
    sched(g, SCHEDOP_block);
    send(g, port);
    expect(g.vcpu.blocked).toBe(true);
    const other = ipi(g);
    g.domain.evtchn.send(other);
    expect(g.vcpu.blocked).toBe(false);
  });

  test('HV-SCHED-4: two vCPUs share a processor by slices of 1 ms; one that never yields delays the other by one', () => {
    const runs: [number, number, number][] = [];
    const machine = new Machine();
    const engine: Engine = {
      run: (vcpu, budget_ns) => {
        runs.push([
          (vcpu as unknown as { domain: { domid: number } }).domain.domid,
          machine.sim.now_ns,
          budget_ns,
        ]);
        vcpu.spend(budget_ns);
      },
    };
    machine.guest({ engine });
    machine.guest({ engine });
    machine.runFor(10e6);
    expect(runs.length).toBeGreaterThan(9);
    for (const [i, [domid, start, budget]] of runs.entries()) {
      expect(budget).toBeLessThanOrEqual(1e6);
      if (i === 0) continue;
      const [before, at, spent] = runs[i - 1] as [number, number, number];
      expect(domid).not.toBe(before);
      expect(start).toBe(at + spent);
    }
  });

  test('HV-SCHED-5: hypercalls count: a slice is over when its time is, whoever spent it', () => {
    let calls = 0;
    const machine = new Machine();
    machine.guest({
      engine: {
        run: (vcpu: Vcpu) => {
          do {
            vcpu.registers.set(RAX, 999);
            vcpu.registers.set(RIP, TEXT + 2);
            vcpu.syscall();
            calls++;
          } while (!vcpu.stop);
        },
      },
    });
    machine.runFor(500_000);
    expect(calls).toBeLessThan(3400);
    expect(calls).toBeGreaterThan(1600);
  });
});

describe('poll', () => {
  test('HV-SCHED-10: at most 128 ports, each one a channel, readable', () => {
    const g = new Machine().guest();
    const port = ipi(g);
    expect(poll(g, new Array(129).fill(port))).toBe(-XEN_EINVAL);
    expect(poll(g, [port, port + 1])).toBe(-XEN_EINVAL);
    g.longs(ARGS, NOWHERE, 1, 0);
    expect(g.call(__HYPERVISOR_sched_op, SCHEDOP_poll, ARGS)).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_sched_op, SCHEDOP_poll, NOWHERE)).toBe(-XEN_EFAULT);
    expect(g.vcpu.blocked).toBe(false);
  });

  test('HV-SCHED-11: a pending port ends it, masked or not; those after it are not looked at', () => {
    const g = new Machine().guest();
    const port = ipi(g);
    g.setMask(port, true);
    send(g, port);
    expect(poll(g, [port, 50])).toBe(0);
    expect(g.vcpu.blocked).toBe(false);
  });

  test('HV-SCHED-12: with one port it waits for that one, with several for any of the domain’s', () => {
    for (const [several, woken] of [
      [false, false],
      [true, true],
    ] as const) {
      const g = new Machine().guest({ vcpus: 2 });
      const [a, b, c] = [ipi(g), ipi(g), ipi(g)];
      for (const port of [a, b, c]) g.setMask(port, true);
      expect(poll(g, several ? [a, b] : [a])).toBe(0);
      expect(g.vcpu.blocked).toBe(true);
      g.domain.evtchn.send(c);
      expect(g.vcpu.blocked).toBe(!woken);
      g.domain.evtchn.send(a);
      expect(g.vcpu.blocked).toBe(false);
    }
  });

  test('HV-SCHED-13: an upcall that becomes pending ends it, also when events are masked', () => {
    const g = new Machine().guest();
    const [a, b] = [ipi(g), ipi(g)];
    g.setMask(a, true);
    g.vcpu.upcallMask = 1;
    poll(g, [a]);
    g.domain.evtchn.send(b);
    expect(g.vcpu.blocked).toBe(false);
  });

  test('HV-SCHED-14: the timeout is a system time; a past one ends it at once', () => {
    const machine = new Machine();
    const g = machine.guest();
    const port = ipi(g);
    g.setMask(port, true);
    g.vcpu.upcallMask = 1;
    poll(g, [port], machine.uptime_ns + 5e6);
    machine.runFor(4.9e6);
    expect(g.vcpu.blocked).toBe(true);
    machine.runFor(0.2e6);
    expect(g.vcpu.blocked).toBe(false);
    poll(g, [port], 1);
    machine.runFor(0);
    expect(g.vcpu.blocked).toBe(false);
    // Nothing is left behind that would end a later one.
    poll(g, [port], machine.uptime_ns + 50e6);
    machine.runFor(10e6);
    expect(g.vcpu.blocked).toBe(true);
  });
});

describe('shutdown', () => {
  test('HV-SCHED-20: all vCPUs stand still; dom0 is told, with the low byte of the reason', () => {
    const machine = new Machine();
    const told: number[][] = [];
    machine.xen.onDomainShutdown((domid, reason) => told.push([domid, reason]));
    const g = machine.guest({ vcpus: 2 });
    expect(sched(g, SCHEDOP_shutdown, 0x100 + SHUTDOWN_suspend)).toBe(0);
    expect(g.vcpu.runnable).toBe(false);
    expect(g.vcpu.stop).toBe(true);
    machine.runFor(1e6);
    expect(told).toEqual([[g.domid, SHUTDOWN_suspend]]);
    const info = machine.xen.domctl.getDomainInfo(g.domid);
    expect([info.shutdown, info.shutdownReason]).toEqual([true, SHUTDOWN_suspend]);
    machine.xen.domctl.resumeDomain(g.domid);
    expect(machine.xen.domctl.getDomainInfo(g.domid).shutdown).toBe(false);
    expect(g.vcpu.runnable).toBe(true);
    expect(() => machine.xen.domctl.resumeDomain(g.domid)).toThrow('has not shut down');
  });

  test('HV-SCHED-21: shutdown_code is recorded once and is what the shutdown says', () => {
    const g = new Machine().guest();
    expect(sched(g, SCHEDOP_shutdown_code, SHUTDOWN_crash)).toBe(0);
    expect(g.domain.isShutDown).toBe(false);
    expect(g.xen.domctl.getDomainInfo(g.domid).shutdown).toBe(false);
    expect(sched(g, SCHEDOP_shutdown_code, SHUTDOWN_reboot)).toBe(-XEN_EBUSY);
    expect(sched(g, SCHEDOP_shutdown, SHUTDOWN_reboot)).toBe(0);
    expect(g.domain.shutdownCode).toBe(SHUTDOWN_crash);
  });

  test('HV-SCHED-22: watchdogs: two, taken with id 0, set anew, given back with timeout 0', () => {
    const machine = new Machine();
    const g = machine.guest();
    const dog = (id: number, timeout_s: number) => sched(g, SCHEDOP_watchdog, id, timeout_s);
    expect(dog(1, 1)).toBe(-XEN_EINVAL);
    expect(dog(3, 1)).toBe(-XEN_EINVAL);
    expect([dog(0, 10), dog(0, 20)]).toEqual([1, 2]);
    expect(dog(0, 5)).toBe(-XEN_ENOSPC);
    expect(dog(2, 0)).toBe(0);
    expect(dog(2, 0)).toBe(-XEN_EINVAL);
    machine.runFor(9.9e9);
    expect(dog(1, 10)).toBe(0);
    machine.runFor(9.9e9);
    expect(g.domain.isShutDown).toBe(false);
    machine.runFor(0.2e9);
    expect([g.domain.isShutDown, g.domain.shutdownCode]).toEqual([true, SHUTDOWN_watchdog]);
  });

  test('HV-SCHED-23: a crash says why, once', () => {
    const g = new Machine().guest();
    g.domain.crash('first');
    g.domain.crash('second');
    expect([g.domain.crashReason, g.domain.shutdownCode]).toEqual(['first', SHUTDOWN_crash]);
  });
});

describe('waking', () => {
  test('HV-SCHED-30: a guest that blocks is entered at its event callback when the event comes', () => {
    const machine = new Machine();
    const entered: number[] = [];
    let first = true;
    const g = machine.guest({
      vcpus: 1,
      engine: {
        run: (vcpu) => {
          entered.push(vcpu.registers.get(RIP));
          if (!first) return vcpu.spend(2e6);
          first = false;
          vcpu.registers.set(RAX, __HYPERVISOR_sched_op);
          vcpu.registers.set(RDI, SCHEDOP_block);
          vcpu.registers.set(RSI, 0);
          vcpu.registers.set(RIP, TEXT + 2);
          vcpu.syscall();
        },
      },
    });
    g.vcpu.eventCallback = HANDLER;
    const port = ipi(g);
    machine.runFor(5e6);
    expect(entered).toEqual([TEXT + 2]);
    g.domain.evtchn.send(port);
    machine.runFor(1e6);
    expect(entered[1]).toBe(HANDLER);
  });
});
