/*
 * The control domain's side: what xenstored, xenconsoled, back ends and the toolstack do in dom0. It is domain 0 for event
 * channels and grants, and has no vCPU: its handlers are events of the world, a few microseconds after the event channel fired.
 */
import {
  EVTCHNSTAT_interdomain,
  GNTST_bad_domain,
  GNTST_okay,
  GTF_permit_access,
  grant_entry_v1,
  XEN_EINVAL,
  XEN_ENOSPC,
  XEN_ESRCH,
} from '@port-xen/abi';
import type { Memory } from '@port-xen/layout';
import { DirtyingMemory } from './dirtying-memory.ts';
import { type CopyOp, copyForDom0 } from './dom0-grant-copy.ts';
import type { Domain } from './domain.ts';
import { EventChannels } from './event-channels.ts';
import { NR_EVENT_CHANNELS } from './event-delivery.ts';
import { holdFrame, releaseFrame } from './grant-mapping.ts';
import { transferFromDom0 } from './grant-transfer.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { FrameHold } from './memory-domain.ts';
import { machphysUpdate } from './mmu-update.ts';
import { reassignFromDom0 } from './reassign-page.ts';
import { XenError } from './xen-error.ts';

/** From an event channel firing to dom0's handler. */
const WAKEUP_NS = 2_000;

/** A frame of a domain, reachable from dom0. */
export interface FrameMapping {
  /** Addresses 0 … 4095. */
  readonly memory: Memory;
  readonly bytes: Uint8Array;
  /** For whoever stored through `bytes`: log-dirty is told. */
  markDirty(): void;
  unmap(): void;
}

/** A grant, mapped. */
export interface GrantMapping {
  readonly memory: Memory;
  readonly bytes: Uint8Array;
  readonly handle: number;
  unmap(): void;
}

/** A page's first bytes for a domain that takes a frame. */
export interface TransferOp {
  readonly bytes: Uint8Array;
  readonly domid: number;
  readonly ref: number;
}

export class Dom0 {
  readonly evtchn: EventChannels;
  readonly #xen: Hypervisor;
  readonly #handlers = new Map<number, () => void>();
  readonly #pending = new Set<number>();
  readonly #holds = new Set<FrameHold>();
  #nextHandle = 0;
  readonly #grants = new Set<number>();

  constructor(xen: Hypervisor) {
    this.#xen = xen;
    this.evtchn = new EventChannels(
      {
        domid: 0,
        vcpus: [true],
        raise: (port) => this.#raise(port),
        lower: (port) => {
          this.#pending.delete(port);
        },
      },
      xen.ports,
      1,
      NR_EVENT_CHANNELS - 1,
    );
  }

  /** What dom0 holds of other domains' frames, for the accounting. */
  get holds(): Iterable<FrameHold> {
    return this.#holds;
  }

  /** Grants mapped. */
  get grantsMapped(): number {
    return this.#grants.size;
  }

  #raise(port: number): void {
    if (this.#pending.has(port)) return;
    this.#pending.add(port);
    this.#xen.sim.after(WAKEUP_NS, () => {
      if (!this.#pending.delete(port)) return;
      this.#handlers.get(port)?.();
    });
  }

  #domain(domid: number): Domain {
    const domain = this.#xen.domains.get(domid);
    if (domain === undefined)
      throw new XenError(XEN_ESRCH, `expected a domain ${domid}, found none`);
    return domain;
  }

  #hold(mfn: number, owner: number, writable: boolean, holder: string): FrameHold {
    if (!holdFrame(this.#xen.host, mfn, owner, writable)) {
      throw new XenError(
        XEN_EINVAL,
        `mfn ${mfn} cannot be mapped: it is not domain ${owner}'s, or not in that way`,
      );
    }
    const hold: FrameHold = { mfn, writable, holder };
    this.#holds.add(hold);
    return hold;
  }

  #release(hold: FrameHold): void {
    if (!this.#holds.delete(hold)) return;
    releaseFrame(this.#xen.host, hold.mfn, hold.writable);
    this.#xen.reap();
  }

  /** A frame's bytes as a memory whose stores are seen by log-dirty. */
  #frame(mfn: number): { memory: Memory; bytes: Uint8Array } {
    const { host } = this.#xen;
    const bytes = host.memory.frameBytes(mfn);
    return { bytes, memory: new DirtyingMemory(bytes, () => host.markDirty(mfn)) };
  }

  /** Maps a frame of a domain, its shared_info and grant frames included; page tables too. */
  mapForeign(domid: number, mfn: number): FrameMapping {
    this.#domain(domid);
    const hold = this.#hold(mfn, domid, false, `dom0's foreign mapping of domain ${domid}`);
    return {
      ...this.#frame(mfn),
      markDirty: () => this.#xen.host.markDirty(mfn),
      unmap: () => this.#release(hold),
    };
  }

  /**
   * Maps a frame of a domain as a back end may that knows it by its number and not by a grant: with `readonly` any frame of the
   * domain's, else one that is no page table or descriptor table, and becomes none while it is mapped.
   *
   * @throws XenError: no such domain, or it is dying; not its frame, or not in that way
   */
  mapFrame(domid: number, mfn: number, readonly: boolean): FrameMapping {
    if (this.#domain(domid).dying) {
      throw new XenError(XEN_ESRCH, `expected a domain ${domid} that is alive, found it dying`);
    }
    const hold = this.#hold(mfn, domid, !readonly, `dom0's map of mfn ${mfn} of domain ${domid}`);
    return {
      ...this.#frame(mfn),
      markDirty: () => this.#xen.host.markDirty(mfn),
      unmap: () => this.#release(hold),
    };
  }

  /** MMUEXT_PIN_L1_TABLE … L4_TABLE on a domain's behalf. */
  pin(domid: number, level: number, mfn: number): void {
    const rc = this.#xen.host.types.pin(mfn, domid, level);
    if (rc !== 0) {
      throw new XenError(
        -rc,
        `mfn ${mfn} of domain ${domid} cannot be pinned as an L${level} table (error ${-rc})`,
      );
    }
  }

  unpin(domid: number, mfn: number): void {
    const rc = this.#xen.host.types.unpin(mfn, domid);
    if (rc !== 0) throw new XenError(-rc, `mfn ${mfn} of domain ${domid} is not pinned`);
  }

  /** MMU_MACHPHYS_UPDATE. */
  writeM2p(mfn: number, pfn: number): void {
    const owner = this.#xen.host.ownerOf(mfn);
    const rc = owner === undefined ? -XEN_EINVAL : machphysUpdate(owner, owner.domid, mfn, pfn, 0);
    if (rc !== 0) throw new XenError(-rc, `the M2P has no place for mfn ${mfn}`);
  }

  /** EVTCHNOP_alloc_unbound in `domid` for `remote`. */
  allocUnbound(domid: number, remote: number): number {
    const port = this.#domain(domid).evtchn.allocUnbound(remote);
    if (port < 0) throw new XenError(-port, `domain ${domid} has no port left`);
    return port;
  }

  /** Binds to a port that a domain allocated for dom0. @param handler runs when it fires @returns dom0's port */
  bindInterdomain(remote: number, remotePort: number, handler: () => void): number {
    const port = this.evtchn.bindInterdomain(remote, remotePort);
    if (port < 0) {
      throw new XenError(
        -port,
        `port ${remotePort} of domain ${remote} cannot be bound (error ${-port})`,
      );
    }
    this.#handlers.set(port, handler);
    return port;
  }

  /** Whether a port of dom0's has another end. */
  isBound(port: number): boolean {
    return this.evtchn.status(port)?.status === EVTCHNSTAT_interdomain;
  }

  notify(port: number): void {
    this.evtchn.send(port);
  }

  close(port: number): void {
    this.#handlers.delete(port);
    this.evtchn.close(port);
  }

  /** EVTCHNOP_reset on a domain's behalf: every port of it is closed. It has to be paused, so that it uses none meanwhile. */
  resetEventChannels(domid: number): void {
    const domain = this.#domain(domid);
    if (!domain.pausedByController) {
      throw new XenError(
        XEN_EINVAL,
        `the ports of domain ${domid} can be reset while it is paused`,
      );
    }
    domain.evtchn.closeAll();
  }

  /** Writes an entry of a domain's grant table: what the toolstack does for console (0) and xenstore (1). */
  seedGrant(domid: number, ref: number, backend: number, mfn: number): void {
    const address = this.#domain(domid).grants.addressOf(ref);
    if (address < 0) throw new XenError(XEN_ENOSPC, `domain ${domid} has no grant entry ${ref}`);
    const entry = grant_entry_v1.at(this.#xen.host.memory, address);
    entry.frame = mfn;
    entry.domid = backend;
    entry.flags = GTF_permit_access;
  }

  /** GNTTABOP_map_grant_ref. @throws XenError with the GNTST status */
  grantMap(domid: number, ref: number, readonly: boolean): GrantMapping {
    const domain = this.#xen.domains.get(domid);
    if (domain === undefined || domain.dying) {
      throw new XenError(GNTST_bad_domain, `grant ${ref} of domain ${domid}: no such domain`);
    }
    const taken = domain.grants.acquire(ref, 0, !readonly, true);
    if (taken.status !== GNTST_okay) {
      throw new XenError(
        taken.status,
        `grant ${ref} of domain ${domid} cannot be mapped (status ${taken.status})`,
      );
    }
    let hold: FrameHold;
    try {
      hold = this.#hold(
        taken.mfn,
        domid,
        !readonly,
        `dom0's map of grant ${ref} of domain ${domid}`,
      );
    } catch (error) {
      domain.grants.release(ref, !readonly);
      throw error;
    }
    const handle = this.#nextHandle++;
    this.#grants.add(handle);
    return {
      ...this.#frame(taken.mfn),
      handle,
      unmap: () => {
        if (!this.#grants.delete(handle)) return;
        domain.grants.release(ref, !readonly);
        this.#release(hold);
      },
    };
  }

  /** GNTTABOP_transfer of a fresh frame for each. @returns GNTST_* for each */
  grantTransfer(ops: readonly TransferOp[]): Int16Array {
    return Int16Array.from(ops, ({ bytes, domid, ref }) =>
      transferFromDom0(this.#xen, bytes, domid, ref),
    );
  }

  /** Gives a domain a page with these bytes, as Xen 2's network back end does. @returns its MFN, or -1 */
  reassignPage(domid: number, bytes: Uint8Array): number {
    return reassignFromDom0(this.#xen, bytes, domid);
  }

  /** GNTTABOP_copy. @returns GNTST_* for each */
  grantCopy(ops: readonly CopyOp[]): Int16Array {
    return Int16Array.from(ops, (op) => copyForDom0(this.#xen, op));
  }
}
