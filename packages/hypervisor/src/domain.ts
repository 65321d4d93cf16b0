/*
 * A domain: what Xen knows of one guest.
 */
import {
  shared_info,
  VMASST_TYPE_m2p_strict,
  VMASST_TYPE_writable_pagetables,
} from '@port-xen/abi';
import type { Engine } from '@port-xen/vcpu';
import { allocateXenFrame } from './domain-frames.ts';
import { EventChannels } from './event-channels.ts';
import { clearPending, setPending } from './event-delivery.ts';
import { GrantTable } from './grant-table.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import type { HostMemory } from './host-memory.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { LogDirty } from './log-dirty.ts';
import { Maptrack } from './maptrack.ts';
import type { MemoryDomain } from './memory-domain.ts';

/** How a new domain is. */
export interface DomainOptions {
  readonly domid: number;
  readonly handle: Uint8Array;
  readonly maxVcpus: number;
  readonly maxGrantFrames: number;
  readonly maxEvtchnPort: number;
  readonly engine: Engine;
}

/** XEN_DOMCTL_tsc_info. */
export interface TscSettings {
  readonly mode: number;
  readonly khz: number;
  readonly nsec: number;
  readonly incarnation: number;
}

const MAPTRACK_MAX = 32768;

export class Domain implements MemoryDomain {
  readonly xen: Hypervisor;
  readonly host: HostMemory;
  readonly domid: number;
  readonly privileged = false;
  readonly handle: Uint8Array;
  readonly maxVcpus: number;
  readonly engine: Engine;
  readonly evtchn: EventChannels;
  readonly grants: GrantTable;
  readonly maptrack: Maptrack = new Maptrack(MAPTRACK_MAX);
  readonly vcpus: GuestVcpu[] = [];
  readonly e820: Uint8Array | null = null;
  /** MFN of shared_info; -1 once it is gone. */
  sharedInfoMfn: number;
  totPages = 0;
  maxPages = 0;
  dying = false;
  logDirty: LogDirty | null = null;
  /** Bitmap of VMASST_TYPE_*, low 32. */
  vmAssist = 0;
  /** VMASST_TYPE_m2p_strict, bit 32. */
  m2pStrict = false;
  /** The toolstack has it paused. */
  pausedByController = true;
  /** SHUTDOWN_* once it has shut down, -1 before. */
  shutdownCode = -1;
  timeOffset_s = 0;
  tsc: TscSettings | undefined;

  constructor(xen: Hypervisor, options: DomainOptions) {
    this.xen = xen;
    this.host = xen.host;
    this.domid = options.domid;
    this.handle = options.handle.slice();
    this.maxVcpus = options.maxVcpus;
    this.engine = options.engine;
    this.sharedInfoMfn = allocateXenFrame(this.host, this);
    this.evtchn = new EventChannels(this, xen.ports, xen.firstPort, options.maxEvtchnPort);
    this.grants = new GrantTable(this, options.maxGrantFrames);
  }

  /** Machine address of shared_info. */
  get sharedInfo(): number {
    return this.sharedInfoMfn * 4096;
  }

  get writablePagetables(): boolean {
    return (this.vmAssist & (1 << VMASST_TYPE_writable_pagetables)) !== 0;
  }

  get maxPfn(): number {
    return shared_info.at(this.host.memory, this.sharedInfo).arch.max_pfn;
  }

  setVmAssist(type: number, on: boolean): void {
    if (type === VMASST_TYPE_m2p_strict) this.m2pStrict = on;
    else if (on) this.vmAssist |= 1 << type;
    else this.vmAssist &= ~(1 << type);
  }

  /** Whether its vCPUs may run. */
  get runnable(): boolean {
    return !this.pausedByController && this.shutdownCode < 0 && !this.dying;
  }

  raise(port: number, vcpuId: number): void {
    const vcpu = this.vcpus[vcpuId];
    if (vcpu === undefined || this.sharedInfoMfn < 0) return;
    const told = setPending(this.host.memory, this.sharedInfo, vcpu.infoAddress, port);
    if (told === 'told') vcpu.kick();
    for (const other of this.vcpus) other.polled(port);
  }

  lower(port: number): void {
    if (this.sharedInfoMfn >= 0) clearPending(this.host.memory, this.sharedInfo, port);
  }

  /** domain_shutdown. */
  shutdown(code: number): void {
    if (this.shutdownCode >= 0) return;
    this.shutdownCode = code;
    for (const vcpu of this.vcpus) vcpu.halt();
    this.xen.shutDown(this, code);
  }

  crash(sentence: string): void {
    if (this.shutdownCode >= 0) return;
    this.xen.sim.tell('xen', `domain ${this.domid} crashed: ${sentence}`);
    this.crashReason = sentence;
    this.shutdown(SHUTDOWN_CRASH);
  }

  /** Why it crashed. */
  crashReason = '';

  /** Lets its vCPUs run if they may. */
  wake(): void {
    for (const vcpu of this.vcpus) vcpu.schedule();
  }
}

const SHUTDOWN_CRASH = 3;
