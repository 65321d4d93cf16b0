/*
 * Event channels, two-level (xen/common/event_channel.c, event_2l.c).
 *
 *     port:  free ── alloc_unbound ──► unbound(remote) ── peer binds ──► interdomain(peer, port)
 *            free ── bind_virq / bind_ipi ──► virq / ipi on a vCPU
 *            any  ── close ──► free;  the peer of an interdomain channel becomes unbound(closer)
 *
 *     set_pending(port):  pending[port] was set? stop ·  masked? stop · set pending_sel of the bound vCPU · upcall_pending := 1
 *
 * A port is allocated lowest first from `firstPort`. Port 0 is nobody's. A port is valid, free or not, once its bucket of 64
 * has been needed.
 */
import {
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  NR_VIRQS,
  VIRQ_DEBUG,
  VIRQ_TIMER,
  VIRQ_XENOPROF,
  VIRQ_XENPMU,
  XEN_EBUSY,
  XEN_EEXIST,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSPC,
} from '@port-xen/abi';

/** What a channel is. */
interface Channel {
  state: number;
  /** Unbound: who may bind. Interdomain: whose the other end is. */
  remote: number;
  remotePort: number;
  /** The vCPU that is told. */
  vcpu: number;
  virq: number;
}

/** What an owner of channels does when one fires, and what it has. */
export interface ChannelOwner {
  readonly domid: number;
  readonly vcpus: readonly unknown[];
  /** A port fired. @param vcpu the one it is bound to */
  raise(port: number, vcpu: number): void;
  /** A port's pending bit is taken back. */
  lower(port: number): void;
}

/** VIRQs of which each vCPU has its own. */
const PER_VCPU: ReadonlySet<number> = new Set([VIRQ_TIMER, VIRQ_DEBUG, VIRQ_XENOPROF, VIRQ_XENPMU]);

const BUCKET = 64;

export class EventChannels {
  readonly #owner: ChannelOwner;
  readonly #domains: ReadonlyMap<number, { readonly evtchn: EventChannels }>;
  readonly #channels: (Channel | undefined)[] = [];
  readonly #first: number;
  readonly #max: number;
  /** No port below it is free. */
  #lowest: number;
  #valid = BUCKET;
  #count = 0;
  /** Ports of VIRQs: virq + NR_VIRQS × vcpu → port. */
  readonly #virqs: number[] = [];

  /** @param max the highest port there may be */
  constructor(
    owner: ChannelOwner,
    domains: ReadonlyMap<number, { readonly evtchn: EventChannels }>,
    first: number,
    max: number,
  ) {
    this.#owner = owner;
    this.#domains = domains;
    this.#first = first;
    this.#max = max;
    this.#lowest = first;
  }

  /** Ports in use. */
  get count(): number {
    return this.#count;
  }

  #free(): number {
    for (let port = this.#lowest; port <= this.#max; port++) {
      if (this.#channels[port] === undefined) return port;
    }
    return -XEN_ENOSPC;
  }

  /** get_free_port, and the channel there. */
  #make(state: number, vcpu: number): number {
    const port = this.#free();
    if (port < 0) return port;
    this.#lowest = port + 1;
    this.#valid = Math.max(this.#valid, (Math.floor(port / BUCKET) + 1) * BUCKET);
    this.#count++;
    this.#channels[port] = { state, remote: -1, remotePort: 0, vcpu, virq: -1 };
    return port;
  }

  /** Whether Xen has a place for a port (port_is_valid). */
  valid(port: number): boolean {
    return port < this.#valid;
  }

  /** Whether a port is a channel. */
  inUse(port: number): boolean {
    return this.#at(port) !== undefined;
  }

  /** Whether there is a port left. */
  get full(): boolean {
    return this.#free() < 0;
  }

  /** The channel of a port, for the domain at its other end too. */
  #at(port: number): Channel | undefined {
    return port > 0 ? this.#channels[port] : undefined;
  }

  /** EVTCHNOP_alloc_unbound. @returns the port, or -errno */
  allocUnbound(remote: number): number {
    const port = this.#make(EVTCHNSTAT_unbound, 0);
    if (port > 0) (this.#channels[port] as Channel).remote = remote;
    return port;
  }

  /** EVTCHNOP_bind_interdomain: the local port fires once, because notifications may have been lost. */
  bindInterdomain(remote: number, remotePort: number): number {
    if (this.full) return -XEN_ENOSPC;
    const peer = this.#domains.get(remote)?.evtchn;
    const other = peer === undefined ? undefined : peer.#at(remotePort);
    if (
      peer === undefined ||
      other === undefined ||
      other.state !== EVTCHNSTAT_unbound ||
      other.remote !== this.#owner.domid
    ) {
      return -XEN_EINVAL;
    }
    const port = this.#make(EVTCHNSTAT_interdomain, 0);
    if (port < 0) return port;
    const mine = this.#channels[port] as Channel;
    mine.remote = remote;
    mine.remotePort = remotePort;
    other.state = EVTCHNSTAT_interdomain;
    other.remote = this.#owner.domid;
    other.remotePort = port;
    this.#owner.raise(port, mine.vcpu);
    return port;
  }

  /** EVTCHNOP_bind_virq. Global VIRQs go to their handler domain only, which is dom0. */
  bindVirq(virq: number, vcpu: number): number {
    if (virq >= NR_VIRQS) return -XEN_EINVAL;
    if (PER_VCPU.has(virq)) {
      if (this.#owner.vcpus[vcpu] === undefined) return -XEN_ENOENT;
    } else {
      if (vcpu !== 0) return -XEN_EINVAL;
      if (this.#owner.domid !== 0) return -XEN_EBUSY;
    }
    const slot = virq + NR_VIRQS * vcpu;
    if ((this.#virqs[slot] ?? 0) > 0) return -XEN_EEXIST;
    const port = this.#make(EVTCHNSTAT_virq, vcpu);
    if (port < 0) return port;
    (this.#channels[port] as Channel).virq = virq;
    this.#virqs[slot] = port;
    return port;
  }

  /** EVTCHNOP_bind_ipi. */
  bindIpi(vcpu: number): number {
    if (this.#owner.vcpus[vcpu] === undefined) return -XEN_ENOENT;
    return this.#make(EVTCHNSTAT_ipi, vcpu);
  }

  /** send_guest_vcpu_virq: fires if somebody bound it. */
  sendVirq(virq: number, vcpu: number): void {
    const port = this.#virqs[virq + NR_VIRQS * vcpu] ?? 0;
    if (port > 0) this.#owner.raise(port, vcpu);
  }

  /** EVTCHNOP_send. To a channel that nobody has bound it is lost without an error. */
  send(port: number): number {
    const channel = this.#at(port);
    if (channel === undefined) return -XEN_EINVAL;
    switch (channel.state) {
      case EVTCHNSTAT_interdomain: {
        const peer = this.#domains.get(channel.remote)?.evtchn;
        const other = peer === undefined ? undefined : peer.#at(channel.remotePort);
        if (peer !== undefined && other !== undefined) {
          peer.#owner.raise(channel.remotePort, other.vcpu);
        }
        return 0;
      }
      case EVTCHNSTAT_ipi:
        this.#owner.raise(port, channel.vcpu);
        return 0;
      case EVTCHNSTAT_unbound:
        return 0;
      default:
        return -XEN_EINVAL;
    }
  }

  /** EVTCHNOP_close. */
  close(port: number): number {
    const channel = this.#at(port);
    if (channel === undefined) return -XEN_EINVAL;
    if (channel.state === EVTCHNSTAT_interdomain) {
      const peer = this.#domains.get(channel.remote)?.evtchn;
      const other = peer === undefined ? undefined : peer.#at(channel.remotePort);
      if (other !== undefined) {
        other.state = EVTCHNSTAT_unbound;
        other.remote = this.#owner.domid;
        other.remotePort = 0;
      }
    }
    if (channel.state === EVTCHNSTAT_virq) {
      // A global VIRQ's channel may have moved to another vCPU since; it is vCPU 0's all the same.
      const vcpu = PER_VCPU.has(channel.virq) ? channel.vcpu : 0;
      this.#virqs[channel.virq + NR_VIRQS * vcpu] = 0;
    }
    this.#channels[port] = undefined;
    this.#count--;
    if (port >= this.#first && port < this.#lowest) this.#lowest = port;
    this.#owner.lower(port);
    return 0;
  }

  /** EVTCHNOP_reset, and the end of the domain: every port is closed. */
  closeAll(): void {
    for (let port = 1; port < this.#channels.length; port++) {
      if (this.#channels[port] !== undefined) this.close(port);
    }
  }

  /** EVTCHNOP_bind_vcpu. */
  bindVcpu(port: number, vcpu: number): number {
    const channel = this.#at(port);
    if (this.#owner.vcpus[vcpu] === undefined) return -XEN_ENOENT;
    if (channel === undefined) return -XEN_EINVAL;
    const moves =
      channel.state === EVTCHNSTAT_unbound ||
      channel.state === EVTCHNSTAT_interdomain ||
      (channel.state === EVTCHNSTAT_virq && !PER_VCPU.has(channel.virq));
    if (!moves) return -XEN_EINVAL;
    channel.vcpu = vcpu;
    return 0;
  }

  /** Which vCPU a port tells; -1 for a free port. */
  vcpuOf(port: number): number {
    return this.#at(port)?.vcpu ?? -1;
  }

  /** EVTCHNOP_status. A free port is closed; one that is not valid is undefined. */
  status(
    port: number,
  ): { status: number; vcpu: number; dom: number; port: number; virq: number } | undefined {
    if (!this.valid(port)) return undefined;
    const channel = this.#at(port);
    return {
      status: channel?.state ?? EVTCHNSTAT_closed,
      vcpu: channel?.vcpu ?? 0,
      dom: channel?.remote ?? 0,
      port: channel?.remotePort ?? 0,
      virq: channel?.virq ?? 0,
    };
  }
}
