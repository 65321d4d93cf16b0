/*
 * What the memory half of the machine needs of a domain and of a vCPU, and what it gives to whoever owns them.
 *
 * The other half implements these interfaces (Domain, GuestVcpu); the memory half never imports it. One HostMemory exists
 * per host and is reached as `vcpu.domain.host`.
 *
 * Arguments of hypercall functions: a guest pointer or address is the register as a signed Number (`registers.get`); a
 * non-canonical one is inexact there and refused as -EFAULT or -EINVAL, whatever its low bits. A 32-bit argument is
 * `registers.low()`. A PTE or a descriptor is two halves (low, high). The result is the hypercall's result, negative errno.
 *
 *   host-memory.ts      class HostMemory
 *   mmu.ts              class Mmu implements VirtualMemory; NonCanonical (a PageFault whose cr2 is not canonical: deliver #GP(0))
 *   guest-copy.ts       copyFromGuest(vcpu, va, into), copyToGuest(vcpu, va, from): boolean; false → -EFAULT
 *   mmu-update.ts       mmuUpdate(vcpu, ureqs, count, pdone, foreigndom)
 *   mmuext-op.ts        mmuextOp(vcpu, uops, count, pdone, foreigndom); host.types.pin(mfn, domid, level), host.types.unpin(mfn, domid)
 *   update-va-mapping.ts updateVaMapping(vcpu, va, low, high, flags), updateVaMappingOtherdomain(…, domid)
 *   memory-op.ts        memoryOp(vcpu, cmd, arg)
 *   descriptors.ts      setGdt(vcpu, frameList, entries), updateDescriptor(vcpu, maLow, maHigh, low, high),
 *                       installGdt(vcpu, mfns, entries), destroyGdt(vcpu), setLdt(vcpu, base, entries), faultLdt(vcpu, page): boolean
 *   roots.ts            installRoots(vcpu, kernel, user) for setvcpucontext, newKernelRoot, newUserRoot, dropRoots(vcpu)
 *   domain-frames.ts    populate(host, domain, order, pfn): mfn, allocateXenFrame(host, domain), freeXenFrame(host, mfn),
 *                       relinquishMemory(host, domain), stealFrame, giveFrame, freeStolenFrame for grant transfer
 *   grant-mapping.ts    createGrantHostMapping, destroyGrantHostMapping, holdFrame, releaseFrame
 *   page-frame-info.ts  pageFrameInfo(host, domid, mfn): XEN_DOMCTL_PFINFO_*
 *   log-dirty.ts        enableLogDirty, disableLogDirty, cleanLogDirty, peekLogDirty
 *   accounting.ts       accounting(host, domains, holds): string[]
 *
 * The package's index exports from this half: MachineMemory, ModelBug, and the types MemoryDomain, MemoryVcpu, FrameHold.
 */
import type { BytesMemory } from '@port-xen/layout';
import type { HostMemory } from './host-memory.ts';
import type { LogDirty } from './log-dirty.ts';
import type { Mmu } from './mmu.ts';

/** A domain as memory management sees it. */
export interface MemoryDomain {
  readonly host: HostMemory;
  readonly domid: number;
  /** May act on other domains' memory. */
  readonly privileged: boolean;
  /** Frames it owns, Xen's own (shared_info, grant table) not counted. Written by the memory half. */
  totPages: number;
  /** No frame is given once totPages is there (XEN_DOMCTL_max_mem). */
  maxPages: number;
  /** Set before relinquishMemory, never cleared. No frame is given to a dying domain. */
  readonly dying: boolean;
  /** VMASST_TYPE_m2p_strict is on: user L4s have no M2P. */
  readonly m2pStrict: boolean;
  /** VMASST_TYPE_writable_pagetables is on: stores to read-only mapped L1 tables are emulated. */
  readonly writablePagetables: boolean;
  /** The e820 that the toolstack set, in the ABI's bytes (20 per entry), or null (XENMEM_memory_map -> -ENOSYS). */
  readonly e820: Uint8Array | null;
  /** Its dirty bitmap while log-dirty mode is on. Written by log-dirty.ts. */
  logDirty: LogDirty | null;
  /** In order of their ids; what does not exist yet is missing. */
  readonly vcpus: readonly (MemoryVcpu | undefined)[];
  /** arch.max_pfn of its shared_info, for XENMEM_maximum_gpfn. */
  readonly maxPfn: number;
  /** Kills the domain for something only a broken or hostile guest does. */
  crash(sentence: string): void;
}

/** A vCPU as memory management sees it. */
export interface MemoryVcpu {
  readonly id: number;
  readonly domain: MemoryDomain;
  readonly mmu: Mmu;
  /** MFNs of the frames of its GDT, 14 slots, -1 where there is none. Written by descriptors.ts. */
  readonly gdtFrames: Int32Array;
  gdtEntries: number;
  /** Linear address of its LDT; 0 entries when it has none. Written by descriptors.ts. */
  ldtBase: number;
  ldtEntries: number;
  /** MFNs of the LDT frames that were faulted in, 16 slots, -1 where not. Written by descriptors.ts. */
  readonly ldtFrames: Int32Array;
  /** Where the struct that a hypercall is about is copied to, and a word of a list: see guest-words.ts. */
  readonly argument: BytesMemory;
  readonly word: BytesMemory;
  /** Xen wants the processor: a long hypercall stops and continues later (hypercall_preempt_check). */
  preemptCheck(): boolean;
  /** Arranges for the hypercall to be made again with these arguments; what it returns is the function's result. */
  hypercallContinuation(nr: number, ...args: number[]): number;
}

/** A reference to a frame that is not a page-table entry, pin, root, GDT or LDT: told to accounting(). */
export interface FrameHold {
  readonly mfn: number;
  /** Holds a writable type reference too. */
  readonly writable: boolean;
  /** Who holds it, for the sentence. */
  readonly holder: string;
}
