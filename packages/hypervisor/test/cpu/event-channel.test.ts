import {
  __HYPERVISOR_event_channel_op,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_pirq,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_init_control,
  EVTCHNOP_reset,
  EVTCHNOP_send,
  EVTCHNOP_status,
  EVTCHNOP_unmask,
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  VIRQ_DEBUG,
  VIRQ_DOM_EXC,
  VIRQ_TIMER,
  XEN_EBUSY,
  XEN_EEXIST,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSPC,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ARGS, DOMID_SELF, type Guest, Machine, NOWHERE, va } from './machine.ts';

const op = (g: Guest, cmd: number, ...words: number[]): number =>
  g.call(__HYPERVISOR_event_channel_op, cmd, g.words(ARGS, ...words));

const allocUnbound = (g: Guest, remote: number, dom = DOMID_SELF): number => {
  const rc = op(g, EVTCHNOP_alloc_unbound, dom | (remote << 16), 0);
  return rc === 0 ? g.ld32(ARGS + 4) : rc;
};

const bindInterdomain = (g: Guest, remote: number, port: number): number => {
  const rc = op(g, EVTCHNOP_bind_interdomain, remote, port, 0);
  return rc === 0 ? g.ld32(ARGS + 8) : rc;
};

const bindVirq = (g: Guest, virq: number, vcpu = 0): number => {
  const rc = op(g, EVTCHNOP_bind_virq, virq, vcpu, 0);
  return rc === 0 ? g.ld32(ARGS + 8) : rc;
};

const bindIpi = (g: Guest, vcpu = 0): number => {
  const rc = op(g, EVTCHNOP_bind_ipi, vcpu, 0);
  return rc === 0 ? g.ld32(ARGS + 4) : rc;
};

/** Its status, vCPU, and the two words of its particulars. */
const status = (g: Guest, port: number): number[] => {
  const rc = op(g, EVTCHNOP_status, DOMID_SELF, port, 0, 0, 0, 0);
  if (rc !== 0) return [rc];
  return [8, 12, 16, 20].map((at) => g.ld32(ARGS + at));
};

describe('allocation', () => {
  test('HV-EVT-1: the lowest free port, from the host’s first one; port 0 is nobody’s', () => {
    const machine = new Machine({ firstPort: 7 });
    const g = machine.guest();
    expect([allocUnbound(g, 0), allocUnbound(g, 0), allocUnbound(g, 0)]).toEqual([7, 8, 9]);
    expect(op(g, EVTCHNOP_close, 8)).toBe(0);
    expect(op(g, EVTCHNOP_close, 7)).toBe(0);
    expect([allocUnbound(g, 0), allocUnbound(g, 0), allocUnbound(g, 0)]).toEqual([7, 8, 10]);
    expect(op(g, EVTCHNOP_close, 0)).toBe(-XEN_EINVAL);
    expect(op(g, EVTCHNOP_close, 2)).toBe(-XEN_EINVAL);
  });

  test('HV-EVT-2: for oneself; for another domain -EPERM, for none -ESRCH', () => {
    const machine = new Machine();
    const [g, other] = [machine.guest(), machine.guest()];
    expect(allocUnbound(g, 0, g.domid)).toBe(1);
    expect(allocUnbound(g, 0, other.domid)).toBe(-XEN_EPERM);
    expect(allocUnbound(g, 0, 0)).toBe(-XEN_EPERM);
    expect(allocUnbound(g, 0, 999)).toBe(-XEN_ESRCH);
    expect(g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, NOWHERE)).toBe(
      -XEN_EFAULT,
    );
  });

  test('HV-EVT-3: at the domain’s limit -ENOSPC, for every kind', () => {
    const g = new Machine().guest({ maxEvtchnPort: 3 });
    expect([1, 2, 3].map(() => allocUnbound(g, 0))).toEqual([1, 2, 3]);
    expect(allocUnbound(g, 0)).toBe(-XEN_ENOSPC);
    expect(bindVirq(g, VIRQ_TIMER)).toBe(-XEN_ENOSPC);
    expect(bindIpi(g)).toBe(-XEN_ENOSPC);
    expect(bindInterdomain(g, g.domid, 1)).toBe(-XEN_ENOSPC);
    expect(g.domain.evtchn.count).toBe(3);
  });
});

describe('interdomain', () => {
  test('HV-EVT-10: the peer must be unbound and meant for the caller; the binder’s port fires once', () => {
    const machine = new Machine();
    const [a, b, c] = [machine.guest(), machine.guest(), machine.guest()];
    const port = allocUnbound(a, b.domid);
    expect(bindInterdomain(c, a.domid, port)).toBe(-XEN_EINVAL);
    expect(bindInterdomain(b, 999, port)).toBe(-XEN_ESRCH);
    expect(bindInterdomain(b, a.domid, port + 1)).toBe(-XEN_EINVAL);
    const own = bindInterdomain(b, a.domid, port);
    expect(own).toBe(1);
    expect(b.pending(own)).toBe(true);
    expect(a.pending(port)).toBe(false);
    expect(bindInterdomain(b, a.domid, port)).toBe(-XEN_EINVAL);
    expect(status(a, port)).toEqual([EVTCHNSTAT_interdomain, 0, b.domid, own]);
    expect(status(b, own)).toEqual([EVTCHNSTAT_interdomain, 0, a.domid, port]);
  });

  test('HV-EVT-11: send sets the peer’s port pending, and both ends of a loop may be one domain’s', () => {
    const g = new Machine().guest();
    const first = allocUnbound(g, DOMID_SELF);
    const second = bindInterdomain(g, DOMID_SELF, first);
    g.xen.memory.st32(g.domain.sharedInfo + 2048, 0);
    expect(op(g, EVTCHNOP_send, second)).toBe(0);
    expect([g.pending(first), g.pending(second)]).toEqual([true, false]);
  });

  test('HV-EVT-12: send: unbound is lost in silence, IPI comes back, the rest is -EINVAL', () => {
    const g = new Machine().guest();
    const [unbound, virq, ipi] = [allocUnbound(g, 0), bindVirq(g, VIRQ_TIMER), bindIpi(g)];
    expect(op(g, EVTCHNOP_send, unbound)).toBe(0);
    expect(op(g, EVTCHNOP_send, virq)).toBe(-XEN_EINVAL);
    expect(op(g, EVTCHNOP_send, 40)).toBe(-XEN_EINVAL);
    expect(op(g, EVTCHNOP_send, 2 ** 31)).toBe(-XEN_EINVAL);
    expect(op(g, EVTCHNOP_send, ipi)).toBe(0);
    expect([unbound, virq, ipi].map((port) => g.pending(port))).toEqual([false, false, true]);
  });

  test('HV-EVT-13: close frees the port and its pending bit; the peer waits for the closer again', () => {
    const machine = new Machine();
    const [a, b] = [machine.guest(), machine.guest()];
    const port = allocUnbound(a, b.domid);
    const own = bindInterdomain(b, a.domid, port);
    expect(op(b, EVTCHNOP_close, own)).toBe(0);
    expect(b.pending(own)).toBe(false);
    expect(status(b, own)[0]).toBe(EVTCHNSTAT_closed);
    expect(status(a, port).slice(0, 3)).toEqual([EVTCHNSTAT_unbound, 0, b.domid]);
    expect(op(a, EVTCHNOP_send, port)).toBe(0);
    expect(bindInterdomain(b, a.domid, port)).toBe(own);
  });

  test('HV-EVT-14: a domain that dies leaves its peers unbound; their events vanish', () => {
    const machine = new Machine();
    const [a, b] = [machine.guest(), machine.guest()];
    const port = allocUnbound(a, b.domid);
    bindInterdomain(b, a.domid, port);
    machine.xen.domctl.destroyDomain(b.domid);
    expect(status(a, port)[0]).toBe(EVTCHNSTAT_unbound);
    expect(op(a, EVTCHNOP_send, port)).toBe(0);
  });
});

describe('VIRQs, IPIs, PIRQs', () => {
  test('HV-EVT-20: per-vCPU VIRQs need a vCPU, global ones vCPU 0 and the control domain', () => {
    const g = new Machine().guest({ vcpus: 2 });
    expect(bindVirq(g, VIRQ_TIMER, 0)).toBe(1);
    expect(bindVirq(g, VIRQ_TIMER, 0)).toBe(-XEN_EEXIST);
    expect(bindVirq(g, VIRQ_TIMER, 1)).toBe(2);
    expect(bindVirq(g, VIRQ_DEBUG, 2)).toBe(-XEN_ENOENT);
    expect(bindVirq(g, 24, 0)).toBe(-XEN_EINVAL);
    expect(bindVirq(g, -1, 0)).toBe(-XEN_EINVAL);
    expect(bindVirq(g, VIRQ_DOM_EXC, 1)).toBe(-XEN_EINVAL);
    expect(bindVirq(g, VIRQ_DOM_EXC, 0)).toBe(-XEN_EBUSY);
    expect(status(g, 2).slice(0, 3)).toEqual([EVTCHNSTAT_virq, 1, VIRQ_TIMER]);
    op(g, EVTCHNOP_close, 1);
    expect(bindVirq(g, VIRQ_TIMER, 0)).toBe(1);
  });

  test('HV-EVT-21: bind_ipi', () => {
    const g = new Machine().guest({ vcpus: 2 });
    expect(bindIpi(g, 1)).toBe(1);
    expect(bindIpi(g, 2)).toBe(-XEN_ENOENT);
    expect(status(g, 1).slice(0, 2)).toEqual([EVTCHNSTAT_ipi, 1]);
  });

  test('HV-EVT-22: bind_pirq: none is permitted; the FIFO ABI is not there', () => {
    const g = new Machine().guest();
    expect(op(g, EVTCHNOP_bind_pirq, 3, 0, 0)).toBe(-XEN_EPERM);
    expect(op(g, EVTCHNOP_bind_pirq, 48, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(g, EVTCHNOP_init_control, 0, 0)).toBe(-XEN_ENOSYS);
    expect(op(g, 99)).toBe(-XEN_ENOSYS);
  });
});

describe('delivery', () => {
  test('HV-EVT-30: pending, selector, upcall; a port that was pending tells nobody again', () => {
    const g = new Machine().guest();
    const ipi = bindIpi(g);
    const info = g.vcpu.infoAddress;
    const { memory } = g.xen;
    op(g, EVTCHNOP_send, ipi);
    expect([memory.ld8(info), memory.ld32(info + 8)]).toEqual([1, 1]);
    memory.st8(info, 0);
    memory.st32(info + 8, 0);
    op(g, EVTCHNOP_send, ipi);
    expect([memory.ld8(info), memory.ld32(info + 8)]).toEqual([0, 0]);
  });

  test('HV-EVT-31: a masked port becomes pending and no more; unmask makes up for it', () => {
    const g = new Machine().guest();
    const ipi = bindIpi(g);
    const info = g.vcpu.infoAddress;
    g.setMask(ipi, true);
    op(g, EVTCHNOP_send, ipi);
    expect(g.pending(ipi)).toBe(true);
    expect(g.vcpu.upcallPending).toBe(false);
    expect(op(g, EVTCHNOP_unmask, ipi)).toBe(0);
    expect([g.xen.memory.ld8(info), g.xen.memory.ld32(info + 8)]).toEqual([1, 1]);
    g.xen.memory.st8(info, 0);
    expect(op(g, EVTCHNOP_unmask, ipi)).toBe(0);
    expect(g.vcpu.upcallPending).toBe(false);
  });

  test('HV-EVT-32: unmask and status know ports by bucket of 64: valid is not in use', () => {
    const g = new Machine().guest();
    expect(op(g, EVTCHNOP_unmask, 63)).toBe(0);
    expect(op(g, EVTCHNOP_unmask, 64)).toBe(-XEN_EINVAL);
    expect(status(g, 63)[0]).toBe(EVTCHNSTAT_closed);
    expect(status(g, 64)).toEqual([-XEN_EINVAL]);
    for (let i = 0; i < 64; i++) allocUnbound(g, 0);
    expect(status(g, 64)[0]).toBe(EVTCHNSTAT_unbound);
    expect(status(g, 127)[0]).toBe(EVTCHNSTAT_closed);
  });

  test('HV-EVT-33: bind_vcpu moves unbound and interdomain channels only; the event goes there', () => {
    const g = new Machine().guest({ vcpus: 2 });
    const first = allocUnbound(g, DOMID_SELF);
    const second = bindInterdomain(g, DOMID_SELF, first);
    const [timer, ipi] = [bindVirq(g, VIRQ_TIMER), bindIpi(g)];
    expect(op(g, EVTCHNOP_bind_vcpu, first, 1)).toBe(0);
    expect(op(g, EVTCHNOP_bind_vcpu, first, 2)).toBe(-XEN_ENOENT);
    expect(op(g, EVTCHNOP_bind_vcpu, 50, 1)).toBe(-XEN_EINVAL);
    expect(op(g, EVTCHNOP_bind_vcpu, timer, 1)).toBe(-XEN_EINVAL);
    expect(op(g, EVTCHNOP_bind_vcpu, ipi, 1)).toBe(-XEN_EINVAL);
    op(g, EVTCHNOP_send, second);
    expect(g.cpu(1).upcallPending).toBe(true);
  });

  test('HV-EVT-34: what is only read need not be writable; results that cannot be stored are -EFAULT', () => {
    const g = new Machine().guest();
    const ipi = bindIpi(g);
    g.words(va(20), ipi, 0, 0);
    g.call(14, va(20), g.mfn(20) * 4096 + 1, 2);
    expect(g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, va(20))).toBe(0);
    expect(g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, va(20) + 4)).toBe(-XEN_EFAULT);
  });
});

describe('reset', () => {
  test('HV-EVT-40: closes every port of one’s own', () => {
    const machine = new Machine();
    const [g, other] = [machine.guest(), machine.guest()];
    const port = allocUnbound(other, g.domid);
    bindInterdomain(g, other.domid, port);
    allocUnbound(g, 0);
    bindVirq(g, VIRQ_TIMER);
    bindIpi(g);
    expect(op(g, EVTCHNOP_reset, other.domid)).toBe(-XEN_EPERM);
    expect(op(g, EVTCHNOP_reset, 999)).toBe(-XEN_ESRCH);
    expect(op(g, EVTCHNOP_reset, DOMID_SELF)).toBe(0);
    expect(g.domain.evtchn.count).toBe(0);
    expect(status(other, port)[0]).toBe(EVTCHNSTAT_unbound);
    expect(bindVirq(g, VIRQ_TIMER)).toBe(1);
  });

  test('HV-EVT-41: dom0 does it for a domain that is paused, and for no other; its own end is unbound then', () => {
    const machine = new Machine();
    const g = machine.guest();
    const { dom0, domctl } = machine.xen;
    const port = dom0.allocUnbound(g.domid, 0);
    const local = dom0.bindInterdomain(g.domid, port, () => {});
    domctl.unpauseDomain(g.domid);
    expect(() => dom0.resetEventChannels(g.domid)).toThrow('can be reset while it is paused');
    expect(dom0.isBound(local)).toBe(true);
    domctl.pauseDomain(g.domid);
    dom0.resetEventChannels(g.domid);
    expect([g.domain.evtchn.count, dom0.isBound(local)]).toEqual([0, false]);
    expect(dom0.allocUnbound(g.domid, 0)).toBe(port);
  });
});

describe('any sequence', () => {
  test('HV-EVT-50: interdomain channels are pairs, VIRQs are bound once, the count is right', () => {
    const step = fc.record({
      who: fc.nat(1),
      what: fc.nat(6),
      port: fc.nat(8),
      dom: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const machine = new Machine({ frames: 2048 });
        const guests = [machine.guest(), machine.guest()] as const;
        const domids = [guests[0].domid, guests[1].domid, 0, DOMID_SELF];
        for (const { who, what, port, dom } of steps) {
          const g = guests[who] as Guest;
          const remote = domids[dom] as number;
          if (what === 0) allocUnbound(g, remote);
          else if (what === 1) bindInterdomain(g, remote, port);
          else if (what === 2) bindVirq(g, port & 1);
          else if (what === 3) bindIpi(g);
          else if (what === 4) op(g, EVTCHNOP_close, port);
          else if (what === 5) op(g, EVTCHNOP_send, port);
          else op(g, EVTCHNOP_bind_vcpu, port, 0);
        }
        for (const g of guests) {
          let count = 0;
          const virqs = new Set<number>();
          for (let port = 1; port < 64; port++) {
            const [state, , dom, peer] = status(g, port) as [number, number, number, number];
            if (state !== EVTCHNSTAT_closed) count++;
            else expect(g.pending(port)).toBe(false);
            if (state === EVTCHNSTAT_virq) {
              expect(virqs.has(dom)).toBe(false);
              virqs.add(dom);
            }
            if (state !== EVTCHNSTAT_interdomain || dom === 0) continue;
            const other = guests.find(({ domid }) => domid === dom) as Guest;
            expect(status(other, peer)).toEqual([EVTCHNSTAT_interdomain, 0, g.domid, port]);
          }
          expect(g.domain.evtchn.count).toBe(count);
        }
      }),
      { numRuns: 60 },
    );
  });
});
