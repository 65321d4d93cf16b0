/*
 * Event channels as Xen gives them: bound, allocated, closed, sent to. A port means something on one host, in one life of
 * the domain.
 */
import {
  __HYPERVISOR_event_channel_op,
  DOMID_SELF,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_send,
  evtchn_alloc_unbound,
  evtchn_bind_virq,
  evtchn_close,
  evtchn_send,
} from '@port-xen/abi';
import {
  type Cpu,
  type HypercallArgs,
  kassert,
  type Msgbuf,
  type Softint,
  type Spl,
} from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { evtchn_data } from './evtchn-data.ts';

/** What this package needs of the kernel. */
export interface EvtchnKern {
  readonly args: HypercallArgs;
  readonly msgbuf: Msgbuf;
  readonly spl: Spl;
  readonly softint: Softint;
}

export class EventPorts {
  readonly cpu: Cpu;
  readonly data: number;
  readonly kern: EvtchnKern;

  constructor(cpu: Cpu, data: number, kern: EvtchnKern) {
    this.cpu = cpu;
    this.data = data;
    this.kern = kern;
  }

  get d(): View<typeof evtchn_data> {
    return evtchn_data.at(this.cpu.memory, this.data);
  }

  /** EVTCHNOP_bind_virq on this vCPU. @returns the port; binding twice gives the same one */
  bindVirq(virq: number): number {
    const d = this.d;
    const bound = d.virq_to_evtch.get(virq);
    if (bound >= 0) return bound;
    const op = this.kern.args.at(evtchn_bind_virq);
    op.virq = virq;
    op.vcpu = this.cpu.id;
    this.#op(EVTCHNOP_bind_virq, op.address, `bind VIRQ ${virq}`);
    d.virq_to_evtch.set(virq, op.port);
    return op.port;
  }

  /** Closes a VIRQ's channel. @returns the port it had */
  unbindVirq(virq: number): number {
    const d = this.d;
    const port = d.virq_to_evtch.get(virq);
    kassert(port >= 0, `expected VIRQ ${virq} to be bound`);
    d.virq_to_evtch.set(virq, -1);
    this.close(port);
    return port;
  }

  /** EVTCHNOP_alloc_unbound: a channel that `remote` may bind. */
  allocUnbound(remote: number): number {
    const op = this.kern.args.at(evtchn_alloc_unbound);
    op.dom = DOMID_SELF;
    op.remote_dom = remote;
    this.#op(EVTCHNOP_alloc_unbound, op.address, `allocate a channel for domain ${remote}`);
    return op.port;
  }

  close(port: number): void {
    const op = this.kern.args.at(evtchn_close);
    op.port = port;
    this.#op(EVTCHNOP_close, op.address, `close port ${port}`);
  }

  /** Sends to the other end. A channel that nobody has bound yet swallows it; a closed one too. */
  notify(port: number): void {
    const op = this.kern.args.at(evtchn_send);
    op.port = port;
    this.cpu.hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, op.address);
  }

  #op(command: number, argument: number, what: string): void {
    const rc = this.cpu.hypercall(__HYPERVISOR_event_channel_op, command, argument);
    kassert(rc === 0, `evtchn: could not ${what}: error ${-rc}`);
  }
}
