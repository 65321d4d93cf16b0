/*
 * HYPERVISOR_event_channel_op: the structs of each operation, and who may say what for whom.
 */
import {
  DOMID_SELF,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
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
  evtchn_bind_vcpu,
  evtchn_bind_virq,
  evtchn_close,
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

/** Fetches a struct, runs `one`, and gives the struct back when that went well. */
const withStruct = <S extends Struct>(
  vcpu: GuestVcpu,
  S: S,
  arg: number,
  one: (op: View<S>) => number,
): number => {
  const op = fetchStruct(vcpu, S, arg);
  if (op === null) return -XEN_EFAULT;
  const rc = one(op);
  if (rc !== 0) return rc;
  return returnStruct(vcpu, S, arg, op) ? 0 : -XEN_EFAULT;
};

const isSelf = (vcpu: GuestVcpu, domid: number): boolean =>
  domid === DOMID_SELF || domid === vcpu.domain.domid;

/** -ESRCH for a domain that is not there, -EPERM for one that is not the caller. */
const refuse = (vcpu: GuestVcpu, domid: number): number =>
  domid === 0 || vcpu.domain.xen.domains.has(domid) ? -XEN_EPERM : -XEN_ESRCH;

/** HYPERVISOR_event_channel_op(cmd, arg). */
export const eventChannelOp = (vcpu: GuestVcpu, cmd: number, arg: number): number => {
  const { domain } = vcpu;
  const { evtchn } = domain;
  /** A port becomes the struct's, an error the result. */
  const gives = (port: number, set: (port: number) => void): number => {
    if (port < 0) return port;
    set(port);
    return 0;
  };
  switch (cmd) {
    case EVTCHNOP_alloc_unbound:
      return withStruct(vcpu, evtchn_alloc_unbound, arg, (op) => {
        if (!isSelf(vcpu, op.dom)) return refuse(vcpu, op.dom);
        const remote = op.remote_dom === DOMID_SELF ? domain.domid : op.remote_dom;
        return gives(evtchn.allocUnbound(remote), (port) => {
          op.port = port;
        });
      });
    case EVTCHNOP_bind_interdomain:
      return withStruct(vcpu, evtchn_bind_interdomain, arg, (op) => {
        const remote = op.remote_dom === DOMID_SELF ? domain.domid : op.remote_dom;
        if (!domain.xen.ports.has(remote)) return -XEN_ESRCH;
        return gives(evtchn.bindInterdomain(remote, op.remote_port), (port) => {
          op.local_port = port;
        });
      });
    case EVTCHNOP_bind_virq:
      return withStruct(vcpu, evtchn_bind_virq, arg, (op) =>
        gives(evtchn.bindVirq(op.virq, op.vcpu), (port) => {
          op.port = port;
        }),
      );
    case EVTCHNOP_bind_ipi:
      return withStruct(vcpu, evtchn_bind_ipi, arg, (op) =>
        gives(evtchn.bindIpi(op.vcpu), (port) => {
          op.port = port;
        }),
      );
    case EVTCHNOP_close:
      return withStruct(vcpu, evtchn_close, arg, (op) => evtchn.close(op.port));
    case EVTCHNOP_send:
      return withStruct(vcpu, evtchn_send, arg, (op) => evtchn.send(op.port));
    case EVTCHNOP_status:
      return withStruct(vcpu, evtchn_status, arg, (op) => {
        const target = isSelf(vcpu, op.dom) ? domain : undefined;
        if (target === undefined) return refuse(vcpu, op.dom);
        const status = evtchn.status(op.port);
        if (status === undefined) return -XEN_EINVAL;
        op.status = status.status;
        op.vcpu = status.vcpu;
        const { u } = op;
        if (status.status === EVTCHNSTAT_unbound) u.unbound.dom = status.dom;
        else if (status.status === EVTCHNSTAT_interdomain) {
          u.interdomain.dom = status.dom;
          u.interdomain.port = status.port;
        } else if (status.status === EVTCHNSTAT_virq) u.virq = status.virq;
        return 0;
      });
    case EVTCHNOP_bind_vcpu:
      return withStruct(vcpu, evtchn_bind_vcpu, arg, (op) => evtchn.bindVcpu(op.port, op.vcpu));
    case EVTCHNOP_unmask:
      return withStruct(vcpu, evtchn_unmask, arg, (op) => {
        const target = domain.vcpus[evtchn.vcpuOf(op.port)];
        if (target === undefined) return -XEN_EINVAL;
        if (unmask(domain.host.memory, domain.sharedInfo, target.infoAddress, op.port))
          target.kick();
        return 0;
      });
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
