/*
 * One host: its memory, its processors, its clock, and the domains on it.
 */
import {
  DOMID_FIRST_RESERVED,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
} from '@port-xen/abi';
import type { Sim } from '@port-xen/sim';
import type { Tsc } from '@port-xen/vcpu';
import { accounting } from './accounting.ts';
import { Dom0 } from './dom0.ts';
import type { Domain } from './domain.ts';
import { freeXenFrame, relinquishMemory } from './domain-frames.ts';
import { Domctl } from './domctl.ts';
import type { EventChannels } from './event-channels.ts';
import { loadSegments } from './failsafe.ts';
import { releaseFrame } from './grant-mapping.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { HostMemory } from './host-memory.ts';
import type { MachineMemory } from './machine-memory.ts';
import type { FrameHold } from './memory-domain.ts';
import { HostClock } from './pvclock.ts';
import { Scheduler } from './scheduler.ts';
import { deliverEvents } from './trap.ts';

const SLOT_FRAMES = 2 ** 21;
const SLOTS = 64;
/**
 * Slots of hosts that run domains of Xen 2, which want every MFN below 2^20: eight of 512 MiB.
 */
export const XEN2_SLOT_FRAMES: number = 2 ** 17;
/** From a domain's shutdown to dom0 hearing of it (VIRQ_DOM_EXC). */
const DOM_EXC_NS = 2_000;

export interface HypervisorOptions {
  readonly sim: Sim;
  /** The machine's memory, zeroed. */
  readonly memory: ArrayBuffer;
  readonly byteOffset?: number;
  /** 0 … 63: the host's first MFN is slot × `slotFrames`. */
  readonly slot: number;
  /** Frames from one host's first MFN to the next's: 2^21, or XEN2_SLOT_FRAMES. */
  readonly slotFrames?: number;
  readonly frames: number;
  readonly tscKhz: number;
  /** The TSC when Xen started, ticks: the machine was on before. */
  readonly tscOffset?: number;
  /** Nanoseconds that the host's clock gains on the world's in a second. */
  readonly drift_ppb?: number;
  /** How long the host has been up when the world starts. */
  readonly uptime_ns: number;
  /** Since 1970, when the world starts. */
  readonly wallclock_ns: number;
  readonly processors?: number;
  readonly firstDomid?: number;
  /** The lowest port a new domain is given. */
  readonly firstPort?: number;
  readonly xenVersion?: { readonly major: number; readonly minor: number; readonly extra: string };
}

/** Counts for conservation checks. */
export interface HostCounts {
  /** Frames: the free ones, those of domains, and Xen's own make up the total. */
  readonly total: number;
  readonly free: number;
  readonly owned: number;
  readonly domains: readonly {
    readonly domid: number;
    readonly ports: number;
    readonly grants: number;
    readonly maptrack: number;
    readonly pages: number;
  }[];
  readonly dom0: { readonly ports: number; readonly grants: number };
}

export class Hypervisor {
  readonly sim: Sim;
  readonly slot: number;
  readonly host: HostMemory;
  readonly clock: HostClock;
  readonly scheduler: Scheduler;
  readonly version: { readonly major: number; readonly minor: number; readonly extra: string };
  readonly firstPort: number;
  readonly domains = new Map<number, Domain>();
  /** Event channels by domid, dom0's included. */
  readonly ports = new Map<number, { readonly evtchn: EventChannels }>();
  readonly dom0: Dom0;
  readonly domctl: Domctl;
  #nextDomid: number;
  readonly #shutdownListeners: ((domid: number, reason: number) => void)[] = [];

  constructor(options: HypervisorOptions) {
    if (!(options.slot >= 0 && options.slot < SLOTS)) {
      throw new RangeError(`expected a slot within [0, ${SLOTS}), found ${options.slot}`);
    }
    this.sim = options.sim;
    this.slot = options.slot;
    this.host = new HostMemory({
      buffer: options.memory,
      byteOffset: options.byteOffset ?? 0,
      firstMfn: options.slot * (options.slotFrames ?? SLOT_FRAMES),
      frames: options.frames,
      random: options.sim.random.stream(`frames/${options.slot}`),
    });
    this.clock = new HostClock(options.sim, {
      tscKhz: options.tscKhz,
      tscOffset: options.tscOffset ?? 0,
      uptime_ns: options.uptime_ns,
      wallclock_ns: options.wallclock_ns,
      drift_ppb: options.drift_ppb ?? 0,
    });
    this.scheduler = new Scheduler(options.sim, options.processors ?? 1);
    this.version = options.xenVersion ?? { major: 4, minor: 17, extra: '.0' };
    this.firstPort = options.firstPort ?? 1;
    this.#nextDomid = options.firstDomid ?? 1;
    this.dom0 = new Dom0(this);
    this.ports.set(0, this.dom0);
    this.domctl = new Domctl(this);
  }

  get firstMfn(): number {
    return this.host.memory.firstMfn;
  }

  get frames(): number {
    return this.host.memory.frames;
  }

  get memory(): MachineMemory {
    return this.host.memory;
  }

  get m2p(): { get(mfn: number): number; readonly maxMfn: number } {
    return this.host.m2p;
  }

  /** How long it has been up, rounded to what a double holds: 2 ns after 104 days. */
  uptime_ns(): number {
    return this.clock.uptime_ns();
  }

  tsc(into: Tsc): void {
    this.clock.readTsc(into);
  }

  /** The domid of the next domain; one that is in use is passed over. */
  nextDomid(): number {
    do {
      if (this.#nextDomid >= DOMID_FIRST_RESERVED) this.#nextDomid = 1;
    } while (this.domains.has(this.#nextDomid++));
    return this.#nextDomid - 1;
  }

  add(domain: Domain): void {
    this.domains.set(domain.domid, domain);
    this.ports.set(domain.domid, domain);
    this.host.domains.set(domain.domid, domain);
  }

  /** Called, from the event queue, when a domain has shut down. */
  onDomainShutdown(listener: (domid: number, reason: number) => void): void {
    this.#shutdownListeners.push(listener);
  }

  shutDown(domain: Domain, reason: number): void {
    this.sim.after(DOM_EXC_NS, () => {
      if (domain.dying) return;
      for (const listener of this.#shutdownListeners) listener(domain.domid, reason);
    });
  }

  /** do_settime: somebody set the host's clock. Every domain's wall clock page follows. */
  setWallclock(wallclock_ns: number): void {
    this.clock.setWallclock(wallclock_ns);
    for (const domain of this.domains.values()) this.writeWallclock(domain);
  }

  /** update_domain_wallclock_time. */
  writeWallclock(domain: Domain): void {
    if (domain.sharedInfoMfn < 0) return;
    const { clock } = this;
    const { stamp_ns } = clock;
    const tsc = { low: 0, high: 0 };
    domain.tsc.at(stamp_ns, tsc);
    domain.layout.writeWallclock(this.host.memory, domain.sharedInfo, {
      clock,
      tsc,
      rate: domain.tsc,
      stamp_ns,
      offset_s: domain.timeOffset_s,
    });
  }

  /** A vCPU got its context. The first one of a domain brings the wall clock. */
  contextSet(vcpu: GuestVcpu): void {
    if (vcpu.id === 0) this.writeWallclock(vcpu.domain);
    vcpu.time.expire();
    vcpu.schedule();
  }

  /** On the way into the guest: its segments are loaded, and what is due is delivered. */
  enter(vcpu: GuestVcpu): void {
    loadSegments(vcpu);
    if (!vcpu.runnable || !deliverEvents(vcpu)) return;
    const { trace } = this.sim;
    if (trace.on) trace.emit('upcall', vcpu.domain.domid, vcpu.id);
  }

  /** domain_kill. */
  destroy(domain: Domain): void {
    domain.dying = true;
    domain.evtchn.closeAll();
    domain.watchdogs.stop();
    for (const vcpu of domain.vcpus) {
      vcpu.stopTimers();
      vcpu.halt();
      if (vcpu.registeredInfoMfn >= 0) releaseFrame(this.host, vcpu.registeredInfoMfn, true);
      vcpu.registeredInfoMfn = -1;
    }
    this.#releaseMappings(domain);
    relinquishMemory(this.host, domain);
    domain.grants.free();
    freeXenFrame(this.host, domain.sharedInfoMfn);
    domain.sharedInfoMfn = -1;
    this.ports.delete(domain.domid);
    this.reap();
  }

  /** gnttab_release_mappings. The page-table entries of host mappings hold the frames, and go with the tables. */
  #releaseMappings(domain: Domain): void {
    for (const [handle, { flags, mfn, ref, granter }] of domain.maptrack.entries()) {
      const writable = (flags & GNTMAP_readonly) === 0;
      if ((flags & GNTMAP_host_map) !== 0) granter.grants.release(ref, writable);
      if ((flags & GNTMAP_device_map) !== 0) {
        granter.grants.release(ref, writable);
        releaseFrame(this.host, mfn, writable);
      }
      domain.maptrack.remove(handle);
    }
  }

  /** Forgets dying domains of which nobody holds a frame any more. */
  reap(): void {
    for (const domain of this.domains.values()) {
      if (!domain.dying || this.host.framesOf(domain.domid) > 0) continue;
      this.domains.delete(domain.domid);
      this.host.domains.delete(domain.domid);
    }
  }

  /** Recomputes every reference and type count. @returns differences as sentences, [] when all is sound */
  accounting(): string[] {
    return accounting(this.host, this.domains.values(), this.#holds());
  }

  *#holds(): Generator<FrameHold> {
    yield* this.dom0.holds;
    for (const domain of this.domains.values()) {
      for (const vcpu of domain.vcpus) {
        if (vcpu.registeredInfoMfn < 0) continue;
        const holder = `vcpu_info of d${domain.domid}v${vcpu.id}`;
        yield { mfn: vcpu.registeredInfoMfn, writable: true, holder };
      }
      for (const [handle, mapping] of domain.maptrack.entries()) {
        if ((mapping.flags & GNTMAP_device_map) === 0) continue;
        const writable = (mapping.flags & GNTMAP_readonly) === 0;
        yield {
          mfn: mapping.mfn,
          writable,
          holder: `device mapping ${handle} of d${domain.domid}`,
        };
      }
    }
  }

  counts(): HostCounts {
    const { owner } = this.host.table;
    let owned = 0;
    for (let i = 0; i < owner.length; i++) if (this.domains.has(owner[i] as number)) owned++;
    return {
      total: this.frames,
      free: this.host.allocator.free,
      owned,
      domains: [...this.domains.values()].map((domain) => ({
        domid: domain.domid,
        ports: domain.evtchn.count,
        grants: domain.grants.inUse,
        maptrack: domain.maptrack.count,
        pages: domain.totPages,
      })),
      dom0: { ports: this.dom0.evtchn.count, grants: this.dom0.grantsMapped },
    };
  }
}
