/*
 * A domain: what Xen knows of one guest.
 */
import {
  SHUTDOWN_crash,
  VMASST_TYPE_m2p_strict,
  VMASST_TYPE_writable_pagetables,
} from '@port-xen/abi';
import type { Engine } from '@port-xen/vcpu';
import { allocateXenFrame } from './domain-frames.ts';
import { DomainTsc } from './domain-tsc.ts';
import { EventChannels } from './event-channels.ts';
import { clearPending, setPending } from './event-delivery.ts';
import { GrantTable } from './grant-table.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import type { HostMemory } from './host-memory.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { LogDirty } from './log-dirty.ts';
import { Maptrack } from './maptrack.ts';
import type { MemoryDomain } from './memory-domain.ts';
import {
  type SharedInfoLayout,
  type SharedInfoName,
  sharedInfoLayout,
} from './shared-info-layout.ts';
import { Watchdogs } from './watchdogs.ts';

/** How a new domain is. */
export interface DomainOptions {
  readonly domid: number;
  readonly handle: Uint8Array;
  readonly maxVcpus: number;
  readonly maxGrantFrames: number;
  readonly maxMaptrackFrames: number;
  readonly maxEvtchnPort: number;
  readonly interface: SharedInfoName;
  readonly engine: Engine;
}

const NOT_SHUT_DOWN = -1;

export class Domain implements MemoryDomain {
  readonly xen: Hypervisor;
  readonly host: HostMemory;
  readonly domid: number;
  readonly privileged = false;
  readonly handle: Uint8Array;
  readonly maxVcpus: number;
  readonly engine: Engine;
  /** Of its shared_info. */
  readonly layout: SharedInfoLayout;
  readonly evtchn: EventChannels;
  readonly grants: GrantTable;
  readonly maptrack: Maptrack;
  readonly watchdogs: Watchdogs = new Watchdogs(this);
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
  /** Its vCPUs stand still, as it asked. */
  isShutDown = false;
  /** SHUTDOWN_*: why it has shut down, or will say that it did (SCHEDOP_shutdown_code); -1 before. */
  shutdownCode: number = NOT_SHUT_DOWN;
  /** Added to the host's wall clock (XEN_DOMCTL_settimeoffset). */
  timeOffset_s = 0;
  readonly tsc: DomainTsc;

  constructor(xen: Hypervisor, options: DomainOptions) {
    this.xen = xen;
    this.host = xen.host;
    this.domid = options.domid;
    this.handle = options.handle.slice();
    this.maxVcpus = options.maxVcpus;
    this.engine = options.engine;
    this.layout = sharedInfoLayout(options.interface);
    this.sharedInfoMfn = allocateXenFrame(this.host, this);
    this.evtchn = new EventChannels(this, xen.ports, xen.firstPort, options.maxEvtchnPort);
    this.grants = new GrantTable(this, options.maxGrantFrames);
    this.maptrack = new Maptrack(options.maxMaptrackFrames);
    this.tsc = new DomainTsc(xen.clock);
  }

  /** Machine address of shared_info. */
  get sharedInfo(): number {
    return this.sharedInfoMfn * 4096;
  }

  get writablePagetables(): boolean {
    return this.hasAssist(VMASST_TYPE_writable_pagetables);
  }

  /** @param type VMASST_TYPE_*, below 32 */
  hasAssist(type: number): boolean {
    return (this.vmAssist & (1 << type)) !== 0;
  }

  get maxPfn(): number {
    return this.layout.maxPfn(this.host.memory, this.sharedInfo);
  }

  setVmAssist(type: number, on: boolean): void {
    if (type === VMASST_TYPE_m2p_strict) this.m2pStrict = on;
    else if (on) this.vmAssist |= 1 << type;
    else this.vmAssist &= ~(1 << type);
  }

  /** Whether its vCPUs may run. */
  get runnable(): boolean {
    return !this.pausedByController && !this.isShutDown && !this.dying;
  }

  raise(port: number, vcpuId: number): void {
    const vcpu = this.vcpus[vcpuId];
    if (vcpu === undefined || this.sharedInfoMfn < 0) return;
    const { host, layout } = this;
    const told = setPending(host.memory, layout, this.sharedInfo, vcpu.infoAddress, port);
    if (told === 'quiet') return;
    if (told === 'told') vcpu.kick();
    for (const other of this.vcpus) other.polled(port);
  }

  lower(port: number): void {
    if (this.sharedInfoMfn < 0) return;
    clearPending(this.host.memory, this.layout, this.sharedInfo, port);
  }

  /** domain_shutdown. A code that was recorded before counts, not this one. */
  shutdown(code: number): void {
    if (this.shutdownCode === NOT_SHUT_DOWN) this.shutdownCode = code;
    if (this.isShutDown) return;
    this.isShutDown = true;
    for (const vcpu of this.vcpus) vcpu.halt();
    this.xen.shutDown(this, this.shutdownCode);
  }

  /** SCHEDOP_shutdown_code. @returns false when there is one already */
  recordShutdownCode(code: number): boolean {
    if (this.shutdownCode !== NOT_SHUT_DOWN) return false;
    this.shutdownCode = code;
    return true;
  }

  /** domain_resume: it goes on where it was. */
  resume(): void {
    this.isShutDown = false;
    this.shutdownCode = NOT_SHUT_DOWN;
    this.wake();
  }

  crash(sentence: string): void {
    if (this.isShutDown) return;
    this.xen.sim.tell('xen', `domain ${this.domid} crashed: ${sentence}`);
    this.crashReason = sentence;
    this.shutdown(SHUTDOWN_crash);
  }

  /** Why it crashed. */
  crashReason = '';

  /** Lets its vCPUs run if they may. */
  wake(): void {
    for (const vcpu of this.vcpus) vcpu.schedule();
  }
}
