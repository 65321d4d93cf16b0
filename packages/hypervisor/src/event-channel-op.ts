/*
 * HYPERVISOR_event_channel_op: the structs of each operation, and who may say what for whom.
 */
import {
  DOMID_SELF,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_pirq,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_reset,
  EVTCHNOP_send,
  EVTCHNOP_status,
  EVTCHNOP_unmask,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  evtchn_alloc_unbound,
  evtchn_bind_interdomain,
  evtchn_bind_ipi,
  evtchn_bind_pirq,
  evtchn_bind_vcpu,
  evtchn_bind_virq,
  evtchn_close,
  evtchn_op,
  evtchn_reset,
  evtchn_send,
  evtchn_status,
  evtchn_unmask,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import type { Struct, View } from '@port-xen/layout';
import { unmask } from './event-delivery.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { fetchStruct, returnStruct } from './guest-words.ts';

/** Pirqs that a domain without devices could ever have: those of the ISA, and 32 more (extra_guest_irqs). */
const NR_PIRQS = 48;

/** Fetches a struct and runs `one`. */
const withStruct = <S extends Struct>(
  vcpu: GuestVcpu,
  S: S,
  arg: number,
  one: (op: View<S>) => number,
): number => {
  const op = fetchStruct(vcpu, S, arg);
  return op === null ? -XEN_EFAULT : one(op);
};

/** As {@link withStruct}, and gives the struct back when that went well. */
const filling = <S extends Struct>(
  vcpu: GuestVcpu,
  S: S,
  arg: number,
  one: (op: View<S>) => number,
): number =>
  withStruct(vcpu, S, arg, (op) => {
    const rc = one(op);
    if (rc !== 0) return rc;
    return returnStruct(vcpu, S, arg, op) ? 0 : -XEN_EFAULT;
  });

const isSelf = (vcpu: GuestVcpu, domid: number): boolean =>
  domid === DOMID_SELF || domid === vcpu.domain.domid;

/** -ESRCH for a domain that is not there, -EPERM for one that is not the caller. */
const refuse = (vcpu: GuestVcpu, domid: number): number =>
  domid === 0 || vcpu.domain.xen.domains.has(domid) ? -XEN_EPERM : -XEN_ESRCH;

/** A port becomes the struct's, an error the result. */
const gives = (port: number, set: (port: number) => void): number => {
  if (port < 0) return port;
  set(port);
  return 0;
};

/** HYPERVISOR_event_channel_op(cmd, arg). The FIFO ABI's commands are not there. */
export const eventChannelOp = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  const { evtchn } = vcpu.domain;
  switch (cmd) {
    case EVTCHNOP_alloc_unbound:
      return filling(vcpu, evtchn_alloc_unbound, arg, (op) => allocUnbound(vcpu, op));
    case EVTCHNOP_bind_interdomain:
      return filling(vcpu, evtchn_bind_interdomain, arg, (op) => bindInterdomain(vcpu, op));
    case EVTCHNOP_bind_virq:
      return filling(vcpu, evtchn_bind_virq, arg, (op) =>
        gives(evtchn.bindVirq(op.virq, op.vcpu), (port) => {
          op.port = port;
        }),
      );
    case EVTCHNOP_bind_ipi:
      return filling(vcpu, evtchn_bind_ipi, arg, (op) =>
        gives(evtchn.bindIpi(op.vcpu), (port) => {
          op.port = port;
        }),
      );
    case EVTCHNOP_bind_pirq:
      return withStruct(vcpu, evtchn_bind_pirq, arg, (op) =>
        op.pirq < NR_PIRQS ? -XEN_EPERM : -XEN_EINVAL,
      );
    case EVTCHNOP_status:
      return filling(vcpu, evtchn_status, arg, (op) => status(vcpu, op));
    case EVTCHNOP_close:
      return withStruct(vcpu, evtchn_close, arg, (op) => evtchn.close(op.port));
    case EVTCHNOP_send:
      return withStruct(vcpu, evtchn_send, arg, (op) => evtchn.send(op.port));
    case EVTCHNOP_bind_vcpu:
      return withStruct(vcpu, evtchn_bind_vcpu, arg, (op) => evtchn.bindVcpu(op.port, op.vcpu));
    case EVTCHNOP_unmask:
      return withStruct(vcpu, evtchn_unmask, arg, (op) => unmaskPort(vcpu, op.port));
    case EVTCHNOP_reset:
      return withStruct(vcpu, evtchn_reset, arg, (op) => {
        if (!isSelf(vcpu, op.dom)) return refuse(vcpu, op.dom);
        evtchn.closeAll();
        return 0;
      });
    default:
      return -XEN_ENOSYS;
  }
};

/** HYPERVISOR_event_channel_op_compat(op): the command is within the struct. */
export const eventChannelOpCompat = (vcpu: GuestVcpu, arg: number): number => {
  const op = fetchStruct(vcpu, evtchn_op, arg);
  if (op === null) return -XEN_EFAULT;
  if (op.cmd > EVTCHNOP_unmask) return -XEN_ENOSYS;
  return eventChannelOp(vcpu, op.cmd, arg + evtchn_op.offset.u);
};

const allocUnbound = (vcpu: GuestVcpu, op: View<typeof evtchn_alloc_unbound>): number => {
  const { domain } = vcpu;
  if (!isSelf(vcpu, op.dom)) return refuse(vcpu, op.dom);
  const remote = op.remote_dom === DOMID_SELF ? domain.domid : op.remote_dom;
  return gives(domain.evtchn.allocUnbound(remote), (port) => {
    op.port = port;
  });
};

const bindInterdomain = (vcpu: GuestVcpu, op: View<typeof evtchn_bind_interdomain>): number => {
  const { domain } = vcpu;
  const remote = op.remote_dom === DOMID_SELF ? domain.domid : op.remote_dom;
  if (!domain.xen.ports.has(remote)) return -XEN_ESRCH;
  return gives(domain.evtchn.bindInterdomain(remote, op.remote_port), (port) => {
    op.local_port = port;
  });
};

const status = (vcpu: GuestVcpu, op: View<typeof evtchn_status>): number => {
  if (!isSelf(vcpu, op.dom)) return refuse(vcpu, op.dom);
  const found = vcpu.domain.evtchn.status(op.port);
  if (found === undefined) return -XEN_EINVAL;
  op.status = found.status;
  op.vcpu = found.vcpu;
  const { u } = op;
  if (found.status === EVTCHNSTAT_unbound) u.unbound.dom = found.dom;
  else if (found.status === EVTCHNSTAT_interdomain) {
    u.interdomain.dom = found.dom;
    u.interdomain.port = found.port;
  } else if (found.status === EVTCHNSTAT_virq) u.virq = found.virq;
  return 0;
};

/** evtchn_unmask: a valid port that is free is nothing to be unmasked, and no error. */
const unmaskPort = (vcpu: GuestVcpu, port: number): number => {
  const { evtchn, host, layout, sharedInfo, vcpus } = vcpu.domain;
  if (!evtchn.valid(port)) return -XEN_EINVAL;
  const target = vcpus[evtchn.vcpuOf(port)];
  if (target !== undefined && unmask(host.memory, layout, sharedInfo, target.infoAddress, port)) {
    target.kick();
  }
  return 0;
};
