/*
 * HYPERVISOR_sched_op (xen/common/sched/core.c), and its form of Xen 2.
 */
import {
  SCHEDOP_block,
  SCHEDOP_pin_override,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
  sched_poll,
  sched_remote_shutdown,
  sched_shutdown,
  sched_watchdog,
  XEN_EBUSY,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import { isPending } from './event-delivery.ts';
import { isGuestAddress } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, fetchU32 } from './guest-words.ts';

/** "Fairly arbitrary limit." */
const POLL_PORTS_MAX = 128;

/** HYPERVISOR_sched_op(cmd, arg). */
export const schedOp = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  const { domain } = vcpu;
  switch (cmd) {
    case SCHEDOP_yield:
    case SCHEDOP_block:
      return schedOpCompat(vcpu, cmd, 0);
    case SCHEDOP_poll:
      return poll(vcpu, arg);
    case SCHEDOP_shutdown: {
      const op = fetchStruct(vcpu, sched_shutdown, arg);
      return op === null ? -XEN_EFAULT : schedOpCompat(vcpu, cmd, op.reason);
    }
    case SCHEDOP_shutdown_code: {
      const op = fetchStruct(vcpu, sched_shutdown, arg);
      if (op === null) return -XEN_EFAULT;
      return domain.recordShutdownCode(op.reason & 0xff) ? 0 : -XEN_EBUSY;
    }
    case SCHEDOP_remote_shutdown: {
      const op = fetchStruct(vcpu, sched_remote_shutdown, arg);
      if (op === null) return -XEN_EFAULT;
      const { domain_id } = op;
      return domain_id === 0 || domain.xen.domains.has(domain_id) ? -XEN_EPERM : -XEN_ESRCH;
    }
    case SCHEDOP_watchdog: {
      const op = fetchStruct(vcpu, sched_watchdog, arg);
      return op === null ? -XEN_EFAULT : domain.watchdogs.set(op.id, op.timeout);
    }
    case SCHEDOP_pin_override:
      return -XEN_EPERM;
    default:
      return -XEN_ENOSYS;
  }
};

/** HYPERVISOR_sched_op_compat(cmd, arg): the reason of a shutdown is the argument itself. */
export const schedOpCompat = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  switch (cmd) {
    case SCHEDOP_yield:
      vcpu.stop = true;
      return 0;
    case SCHEDOP_block:
      vcpu.block();
      return 0;
    case SCHEDOP_shutdown:
      vcpu.domain.shutdown(arg & 0xff);
      return 0;
    default:
      return -XEN_ENOSYS;
  }
};

/** Ports are looked at in their order: one that is pending ends the call before a bad one is seen. */
const poll = (vcpu: GuestVcpu, arg: number): number => {
  const op = fetchStruct(vcpu, sched_poll, arg);
  if (op === null) return -XEN_EFAULT;
  if (op.nr_ports > POLL_PORTS_MAX) return -XEN_EINVAL;
  if (op.nr_ports > 0 && !isGuestAddress(op.ports)) return -XEN_EFAULT;
  if (vcpu.upcallDeliverable) return 0;
  const { host, layout, sharedInfo, evtchn, xen } = vcpu.domain;
  const ports: number[] = [];
  for (let i = 0; i < op.nr_ports; i++) {
    const port = fetchU32(vcpu, op.ports + 4 * i);
    if (port === undefined) return -XEN_EFAULT;
    if (!evtchn.inUse(port)) return -XEN_EINVAL;
    if (isPending(host.memory, layout, sharedInfo, port)) return 0;
    ports.push(port);
  }
  const low = op.memory.ld32(op.address + sched_poll.offset.timeout);
  const high = op.memory.ld32(op.address + sched_poll.offset.timeout + 4);
  vcpu.poll(ports, low === 0 && high === 0 ? undefined : xen.clock.hostTime_ns(low, high));
  return 0;
};
