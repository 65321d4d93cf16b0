/*
 * Everything that one host's memory is, put together: the frames, what Xen knows of them, the M2P, page tables and typing.
 *
 *   frame 0 of the host …        the M2P, in 2 MiB chunks
 *   then                         Xen's L3 and L2
 *   the rest                     domains' and Xen's, by the allocator
 *
 * A domain is known here from before its first frame until after its last: frames of a dead domain that others still map keep
 * its owner number, and its totPages goes down when they are let go.
 */
import { DOMID_XEN } from '@port-xen/abi';
import type { Random } from '@port-xen/sim';
import { descriptorsAreSafe } from './descriptor-check.ts';
import { FrameAllocator } from './frame-allocator.ts';
import { FrameTable, PGC_allocated, PGC_xen_heap } from './frame-table.ts';
import { M2P, m2pFrames } from './m2p.ts';
import { MachineMemory } from './machine-memory.ts';
import type { MemoryDomain, MemoryVcpu } from './memory-domain.ts';
import { ModelBug } from './model-bug.ts';
import { PageTables } from './page-table.ts';
import { type Contents, PageTypes } from './page-type.ts';
import { XEN_TABLE_FRAMES, XenPageTables } from './xen-page-tables.ts';

export interface HostMemoryOptions {
  /** Zeroed. */
  readonly buffer: ArrayBuffer;
  readonly byteOffset: number;
  readonly firstMfn: number;
  readonly frames: number;
  /** Draws the order in which frames are given. */
  readonly random: Random;
}

export class HostMemory implements Contents {
  readonly memory: MachineMemory;
  readonly table: FrameTable;
  readonly m2p: M2P;
  readonly xenTables: XenPageTables;
  readonly allocator: FrameAllocator;
  readonly types: PageTypes;
  readonly tables: PageTables;
  /** Domains by domid. A domain is put here before it gets a frame; it stays while {@link framesOf} it is not 0. */
  readonly domains = new Map<number, MemoryDomain>();
  /** Domains in log-dirty mode: nothing is asked of a store while there is none. */
  logDirtyDomains = 0;
  readonly #xenFrames = new Map<number, number>();

  constructor(options: HostMemoryOptions) {
    const { buffer, byteOffset, firstMfn, frames, random } = options;
    this.memory = new MachineMemory(buffer, byteOffset, firstMfn, frames);
    const m2pSize = m2pFrames(firstMfn, frames);
    const own = m2pSize + XEN_TABLE_FRAMES;
    if (frames <= own) {
      throw new RangeError(
        `expected a host of more than ${own} frames, which Xen needs, found ${frames}`,
      );
    }
    this.table = new FrameTable(firstMfn, frames);
    this.m2p = new M2P(this.memory, firstMfn);
    this.xenTables = new XenPageTables(this.memory, this.m2p, firstMfn + m2pSize);
    this.allocator = new FrameAllocator(this.memory, own, random);
    this.types = new PageTypes(this.table, this);
    this.tables = new PageTables(this.memory, this.table, this.xenTables, this);
    for (let i = 0; i < own; i++) this.#keepForXen(i);
  }

  /** The domain that owns a frame, if any. */
  ownerOf(mfn: number): MemoryDomain | undefined {
    return this.domains.get(this.table.ownerOf(mfn));
  }

  /** Frames that belong to a domain, Xen's own for it counted. */
  framesOf(domid: number): number {
    return (this.domains.get(domid)?.totPages ?? 0) + (this.#xenFrames.get(domid) ?? 0);
  }

  /** Counts Xen's own frames for a domain. */
  countXenFrames(domid: number, change: number): void {
    const count = (this.#xenFrames.get(domid) ?? 0) + change;
    if (count === 0) this.#xenFrames.delete(domid);
    else this.#xenFrames.set(domid, count);
  }

  /** Runs `visit` for every vCPU of the host. */
  eachVcpu(visit: (vcpu: MemoryVcpu) => void): void {
    for (const domain of this.domains.values()) {
      for (const vcpu of domain.vcpus) if (vcpu !== undefined) visit(vcpu);
    }
  }

  /** Somebody changed the contents of a frame: its owner's log-dirty bitmap is told. */
  markDirty(mfn: number): void {
    if (this.logDirtyDomains === 0) return;
    this.ownerOf(mfn)?.logDirty?.mark(this.m2p.get(mfn));
  }

  validateTable(mfn: number, level: number): number {
    return this.tables.validate(mfn, level);
  }

  devalidateTable(mfn: number, level: number): void {
    this.tables.devalidate(mfn, level);
  }

  validateDescriptors(mfn: number): boolean {
    const start = this.memory.wordIndex(mfn);
    return descriptorsAreSafe(this.memory.words, start);
  }

  /**
   * Empties every TLB of the host. A frame may have been reached by others than its owner's vCPUs, through grants; a TLB that
   * holds nothing costs nothing.
   */
  flushAll(): void {
    this.eachVcpu((vcpu) => vcpu.mmu.flush());
  }

  forgetLdts(domid: number): void {
    for (const vcpu of this.domains.get(domid)?.vcpus ?? []) {
      vcpu?.ldtFrames.forEach((mfn, page) => {
        if (mfn < 0) return;
        vcpu.ldtFrames[page] = -1;
        this.types.putPageAndType(mfn);
      });
    }
  }

  free(mfn: number, owner: number, xenHeap: boolean): void {
    this.flushAll();
    this.m2p.set(mfn, -1);
    this.allocator.release(mfn);
    if (xenHeap) {
      this.countXenFrames(owner, -1);
      return;
    }
    const domain = this.domains.get(owner);
    if (domain === undefined || domain.totPages <= 0) {
      throw new ModelBug(`mfn ${mfn} was freed of domain ${owner}`);
    }
    domain.totPages--;
  }

  #keepForXen(i: number): void {
    this.table.owner[i] = DOMID_XEN;
    this.table.refs[i] = 1;
    this.table.flags[i] = PGC_allocated | PGC_xen_heap;
  }
}
