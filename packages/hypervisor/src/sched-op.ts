/*
 * HYPERVISOR_sched_op (xen/common/sched/core.c).
 */
import {
  SCHEDOP_block,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
  SHUTDOWN_MAX,
  sched_poll,
  sched_shutdown,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
} from '@port-xen/abi';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, fetchU32 } from './guest-words.ts';

const POLL_PORTS_MAX = 128;

/** HYPERVISOR_sched_op(cmd, arg). */
export const schedOp = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  switch (cmd) {
    case SCHEDOP_yield:
      vcpu.stop = true;
      return 0;
    case SCHEDOP_block:
      vcpu.block();
      return 0;
    case SCHEDOP_poll: {
      const op = fetchStruct(vcpu, sched_poll, arg);
      if (op === null) return -XEN_EFAULT;
      if (op.nr_ports > POLL_PORTS_MAX) return -XEN_EINVAL;
      const ports: number[] = [];
      for (let i = 0; i < op.nr_ports; i++) {
        const port = fetchU32(vcpu, op.ports + 4 * i);
        if (port === undefined) return -XEN_EFAULT;
        if (vcpu.domain.evtchn.vcpuOf(port) < 0) return -XEN_EINVAL;
        ports.push(port);
      }
      vcpu.poll(ports, op.timeout);
      return 0;
    }
    case SCHEDOP_shutdown: {
      const op = fetchStruct(vcpu, sched_shutdown, arg);
      if (op === null) return -XEN_EFAULT;
      vcpu.domain.shutdown(op.reason & 0xff);
      return 0;
    }
    case SCHEDOP_shutdown_code: {
      const op = fetchStruct(vcpu, sched_shutdown, arg);
      if (op === null) return -XEN_EFAULT;
      return op.reason > SHUTDOWN_MAX ? -XEN_EINVAL : 0;
    }
    case SCHEDOP_remote_shutdown:
      return -XEN_EPERM;
    case SCHEDOP_watchdog:
      return -XEN_ENOSYS;
    default:
      return -XEN_ENOSYS;
  }
};
