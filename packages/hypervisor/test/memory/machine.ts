/*
 * A small host for tests of the memory half: domains and vCPUs that are nothing but what memory management asks of them, and a
 * domain builder that gives one an address space of its own.
 *
 *   pfn 0          L4, pinned        pfn 1   L3 of slot 511
 *   pfn 2          L2                pfn 3   L1
 *   pfn 4 …        data, mapped writable from BASE on (pfn n at BASE + n * 4096); the tables are mapped there read-only
 */
import { BytesMemory } from '@port-xen/layout';
import { Random } from '@port-xen/sim';
import { accounting } from '../../src/accounting.ts';
import { populate } from '../../src/domain-frames.ts';
import { HostMemory } from '../../src/host-memory.ts';
import type { LogDirty } from '../../src/log-dirty.ts';
import type { FrameHold, MemoryDomain, MemoryVcpu } from '../../src/memory-domain.ts';
import { Mmu } from '../../src/mmu.ts';
import { mmuUpdate } from '../../src/mmu-update.ts';
import { mmuextOp } from '../../src/mmuext-op.ts';
import { PTE_ACCESSED, PTE_PRESENT, PTE_RW, pteHigh, pteLow } from '../../src/page-entry.ts';
import { installRoots } from '../../src/roots.ts';
import { updateVaMapping } from '../../src/update-va-mapping.ts';

/** 0xffffffff80000000: L4 slot 511, L3 slot 510, L2 slot 0. */
export const BASE = -0x8000_0000;
export const PAGES = 64;
/** Where tests put hypercall arguments. */
export const SCRATCH = BASE + 8 * 4096;
export const FLAGS = PTE_PRESENT | PTE_RW | PTE_ACCESSED;
export const READ_ONLY = PTE_PRESENT | PTE_ACCESSED;
export const DOMID_SELF = 0x7ff0;

export class TestDomain implements MemoryDomain {
  totPages = 0;
  maxPages = 1000;
  dying = false;
  privileged = false;
  m2pStrict = false;
  writablePagetables = true;
  e820: Uint8Array | null = null;
  logDirty: LogDirty | null = null;
  maxPfn = PAGES;
  readonly host: HostMemory;
  readonly domid: number;
  readonly vcpus: TestVcpu[] = [];
  /** MFN of each pfn given by the builder. */
  readonly p2m: number[] = [];

  constructor(host: HostMemory, domid: number) {
    this.host = host;
    this.domid = domid;
    host.domains.set(domid, this);
  }

  crash(sentence: string): void {
    throw new Error(`domain ${this.domid} crashed: ${sentence}`);
  }

  mfn(pfn: number): number {
    return this.p2m[pfn] as number;
  }
}

export class TestVcpu implements MemoryVcpu {
  readonly id: number;
  readonly domain: TestDomain;
  readonly mmu: Mmu;
  readonly gdtFrames = new Int32Array(14).fill(-1);
  gdtEntries = 0;
  ldtBase = 0;
  ldtEntries = 0;
  readonly ldtFrames = new Int32Array(16).fill(-1);
  /** Requests until the processor is wanted. */
  patience = Number.POSITIVE_INFINITY;
  continuation: number[] | null = null;
  readonly argument = new BytesMemory(new Uint8Array(256));
  readonly word = new BytesMemory(new Uint8Array(8));

  constructor(domain: TestDomain) {
    this.id = domain.vcpus.length;
    this.domain = domain;
    this.mmu = new Mmu(domain);
    domain.vcpus.push(this);
  }

  preemptCheck(): boolean {
    return --this.patience <= 0;
  }

  hypercallContinuation(nr: number, ...args: number[]): number {
    this.continuation = [nr, ...args];
    return 0;
  }
}

export const makeHost = (
  frames = 2048,
  slot = 3,
  seed = 1,
  firstMfn: number = slot * 2 ** 21,
): HostMemory =>
  new HostMemory({
    buffer: new ArrayBuffer(frames * 4096),
    byteOffset: 0,
    firstMfn,
    frames,
    random: new Random(seed, 'frames'),
  });

/** Writes an entry of a table that nothing checks yet. */
export const putEntry = (
  host: HostMemory,
  table: number,
  slot: number,
  target: number,
  flags: number,
): void => {
  const at = host.memory.wordIndex(table) + slot * 2;
  host.memory.words[at] = pteLow(target, flags);
  host.memory.words[at + 1] = pteHigh(target);
};

export const entryAt = (host: HostMemory, table: number, slot: number): [number, number] => {
  const at = host.memory.wordIndex(table) + slot * 2;
  return [host.memory.words[at] as number, host.memory.words[at + 1] as number];
};

/** A domain with PAGES frames, its address space and a vCPU in it. */
export const buildDomain = (host: HostMemory, domid: number): TestVcpu => {
  const domain = new TestDomain(host, domid);
  for (let pfn = 0; pfn < PAGES; pfn++) domain.p2m.push(populate(host, domain, 0, pfn));
  const [l4, l3, l2, l1] = domain.p2m as [number, number, number, number];
  putEntry(host, l4, 511, l3, FLAGS);
  putEntry(host, l3, 510, l2, FLAGS);
  putEntry(host, l2, 0, l1, FLAGS);
  domain.p2m.forEach((mfn, pfn) => {
    putEntry(host, l1, pfn, mfn, pfn < 4 ? READ_ONLY : FLAGS);
  });
  const vcpu = new TestVcpu(domain);
  const pinned = host.types.pin(l4, domid, 4);
  const installed = installRoots(vcpu, l4, 0);
  if (pinned !== 0 || installed !== 0) throw new Error(`builder: ${pinned}, ${installed}`);
  return vcpu;
};

/** Stores 64-bit words, given as halves, as hypercall arguments. */
export const argue = (vcpu: TestVcpu, ...halves: number[]): number => {
  vcpu.mmu.write(SCRATCH, new Uint8Array(Int32Array.from(halves).buffer));
  return SCRATCH;
};

/** One mmu_update request; the machine address is mfn * 4096 + offset. */
export const update = (
  vcpu: TestVcpu,
  mfn: number,
  offset: number,
  low: number,
  high: number,
  foreigndom = DOMID_SELF,
): number => {
  const requests = argue(vcpu, (mfn << 12) | offset, mfn >>> 20, low, high);
  return mmuUpdate(vcpu, requests, 1, 0, foreigndom);
};

/** Sets a table's entry to name a frame. */
export const setEntry = (
  vcpu: TestVcpu,
  table: number,
  slot: number,
  target: number,
  flags: number,
): number => update(vcpu, table, slot * 8, pteLow(target, flags), pteHigh(target));

/** One mmuext_op request with numbers for arguments. */
export const extended = (vcpu: TestVcpu, command: number, arg1 = 0, arg2 = 0): number => {
  const half = (value: number): number => Math.floor(value / 2 ** 32);
  const requests = argue(vcpu, command, 0, arg1, half(arg1), arg2, half(arg2));
  return mmuextOp(vcpu, requests, 1, 0, DOMID_SELF);
};

/** Maps a frame at BASE + pfn pages, forgetting the address in the TLB. */
export const remap = (vcpu: TestVcpu, pfn: number, target: number, flags: number): number =>
  updateVaMapping(vcpu, BASE + pfn * 4096, pteLow(target, flags), pteHigh(target), 2);

export const books = (host: HostMemory, holds: readonly FrameHold[] = []): string[] =>
  accounting(host, host.domains.values(), holds);

/** The error an access throws. */
export const faultOf = (access: () => void): { cr2: number; errorCode: number } => {
  try {
    access();
  } catch (error) {
    return error as { cr2: number; errorCode: number };
  }
  throw new Error('expected a fault, found none');
};
