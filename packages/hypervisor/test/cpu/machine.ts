/*
 * A host with guests made by hand: a Hypervisor as the toolstack sees it, and domains whose every step a test takes itself.
 *
 *   pfn 0          the kernel's L4, pinned     pfn 1   L3 of slot 511
 *   pfn 2          L2                          pfn 3   L1
 *   pfn 4          the user's L4, with the same L3
 *   pfn 8          hypercall arguments         pfn 9   the kernel's stack
 *   pfn 10 …       data, mapped writable from BASE on, pfn n at BASE + n * 4096; the tables are mapped read-only
 *
 * A guest's vCPU is driven from outside: `call` is a SYSCALL executed at TEXT. It runs by itself only in tests that give it an
 * engine and let the world's time pass.
 */
import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_SS,
  shared_info,
  VGCF_in_kernel,
  VGCF_online,
  vcpu_guest_context,
} from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';
import { Sim } from '@port-xen/sim';
import { type Engine, R8, R10, RAX, RDI, RDX, RIP, RSI, RSP } from '@port-xen/vcpu';
import type { Domain } from '../../src/domain.ts';
import type { GuestVcpu } from '../../src/guest-vcpu.ts';
import { Hypervisor, type HypervisorOptions } from '../../src/hypervisor.ts';
import { PTE_ACCESSED, PTE_PRESENT, PTE_RW, pteHigh, pteLow } from '../../src/page-entry.ts';
import type { SharedInfoName } from '../../src/shared-info-layout.ts';

/** 0xffffffff80000000: L4 slot 511, L3 slot 510, L2 slot 0. */
export const BASE = -0x8000_0000;
export const PAGES = 64;
export const va = (pfn: number): number => BASE + pfn * 4096;
export const ARGS = va(8);
/** Top of the kernel's stack. */
export const STACK = va(10);
export const TEXT = va(10);
export const HANDLER = va(11);
export const DOMID_SELF = 0x7ff0;
/** An address where nothing is mapped. */
export const NOWHERE = va(PAGES + 100);
/** Xen's. */
export const XEN_VA = -0x7f00_0000_0000;

export const MAPPED = PTE_PRESENT | PTE_RW | PTE_ACCESSED;
export const READ_ONLY = PTE_PRESENT | PTE_ACCESSED;

/** An engine that lets time pass. */
export const idle: Engine = {
  run: (vcpu, budget_ns) => vcpu.spend(budget_ns),
};

export interface GuestOptions {
  readonly engine?: Engine;
  readonly vcpus?: number;
  readonly maxGrantFrames?: number;
  readonly maxMaptrackFrames?: number;
  readonly maxEvtchnPort?: number;
  /** Whose shared_info it has. */
  readonly interface?: SharedInfoName;
  readonly pages?: number;
  /** Leave it paused. */
  readonly paused?: boolean;
}

export class Machine {
  readonly sim: Sim;
  readonly xen: Hypervisor;

  constructor(options: Partial<HypervisorOptions> = {}, seed = 1) {
    this.sim = options.sim ?? new Sim(seed);
    const frames = options.frames ?? 4096;
    this.xen = new Hypervisor({
      memory: new ArrayBuffer(frames * 4096),
      slot: 3,
      frames,
      tscKhz: 2_400_000,
      uptime_ns: 3600e9,
      wallclock_ns: 1_767_225_600e9,
      ...options,
      sim: this.sim,
    });
  }

  guest(options: GuestOptions = {}): Guest {
    return new Guest(this, options);
  }

  /** Lets virtual time pass. */
  runFor(ns: number): void {
    this.sim.runFor(ns);
  }

  get uptime_ns(): number {
    return this.xen.uptime_ns();
  }
}

export class Guest {
  readonly machine: Machine;
  readonly xen: Hypervisor;
  readonly domid: number;
  readonly domain: Domain;
  /** MFN of each pfn. */
  readonly p2m: Int32Array;

  constructor(machine: Machine, options: GuestOptions) {
    const { xen } = machine;
    const { domctl } = xen;
    const pages = options.pages ?? PAGES;
    this.machine = machine;
    this.xen = xen;
    this.domid = domctl.createDomain({
      handle: new Uint8Array(16).fill(7),
      maxVcpus: options.vcpus ?? 1,
      engine: options.engine ?? idle,
      ...(options.maxGrantFrames !== undefined && { maxGrantFrames: options.maxGrantFrames }),
      ...(options.maxMaptrackFrames !== undefined && {
        maxMaptrackFrames: options.maxMaptrackFrames,
      }),
      ...(options.maxEvtchnPort !== undefined && { maxEvtchnPort: options.maxEvtchnPort }),
      ...(options.interface !== undefined && { interface: options.interface }),
    });
    this.domain = xen.domains.get(this.domid) as Domain;
    domctl.maxMem(this.domid, 4 * (pages + 64));
    this.p2m = domctl.populatePhysmap(
      this.domid,
      Int32Array.from({ length: pages }, (_, pfn) => pfn),
    );
    this.#map(pages);
    xen.dom0.pin(this.domid, 4, this.mfn(0));
    xen.dom0.pin(this.domid, 4, this.mfn(4));
    domctl.setVcpuContext(this.domid, 0, this.context());
    if (!options.paused) domctl.unpauseDomain(this.domid);
  }

  mfn(pfn: number): number {
    return this.p2m[pfn] as number;
  }

  #map(pages: number): void {
    const { words } = this.xen.memory;
    const put = (table: number, slot: number, target: number, flags: number): void => {
      const at = this.xen.memory.wordIndex(this.mfn(table)) + slot * 2;
      words[at] = pteLow(target, flags);
      words[at + 1] = pteHigh(target);
    };
    put(0, 511, this.mfn(1), MAPPED);
    put(4, 511, this.mfn(1), MAPPED);
    put(1, 510, this.mfn(2), MAPPED);
    put(2, 0, this.mfn(3), MAPPED);
    for (let pfn = 0; pfn < Math.min(pages, 512); pfn++) {
      put(3, pfn, this.mfn(pfn), pfn < 5 ? READ_ONLY : MAPPED);
    }
  }

  /** A context as the domain builder would make it, with both L4s. */
  context(change?: (memory: BytesMemory) => void): Uint8Array {
    const bytes = new Uint8Array(vcpu_guest_context.size);
    const memory = new BytesMemory(bytes);
    const context = vcpu_guest_context.at(memory, 0);
    const o = vcpu_guest_context.offset;
    context.flags = VGCF_in_kernel | VGCF_online;
    st64(memory, o.user_regs + 128, TEXT);
    memory.st16(o.user_regs + 136, FLAT_KERNEL_CS);
    st64(memory, o.user_regs + 144, 0x202);
    st64(memory, o.user_regs + 152, STACK);
    memory.st16(o.user_regs + 160, FLAT_KERNEL_SS);
    st64(memory, o.kernel_ss, FLAT_KERNEL_SS);
    st64(memory, o.kernel_sp, STACK);
    st64(memory, o.ctrlreg, 0x80050033);
    st64(memory, o.ctrlreg + 8, this.mfn(4) * 4096);
    st64(memory, o.ctrlreg + 24, this.mfn(0) * 4096);
    st64(memory, o.debugreg + 48, 0xffff0ff0);
    st64(memory, o.debugreg + 56, 0x400);
    change?.(memory);
    return bytes;
  }

  get vcpu(): GuestVcpu {
    return this.cpu(0);
  }

  cpu(id: number): GuestVcpu {
    return this.domain.vcpus[id] as GuestVcpu;
  }

  /** SYSCALL at TEXT. @returns rax; when it was put back for a continuation, rip says so */
  call(number: number, ...args: number[]): number {
    return this.callOn(0, number, ...args);
  }

  callOn(id: number, number: number, ...args: number[]): number {
    const vcpu = this.cpu(id);
    const { registers } = vcpu;
    registers.set(RAX, number);
    [RDI, RSI, RDX, R10, R8].forEach((register, i) => {
      registers.set(register, args[i] ?? 0);
    });
    registers.set(RIP, TEXT + 2);
    vcpu.syscall();
    return registers.get(RAX);
  }

  /** Executes SYSCALL again as long as Xen asks for it. @returns rax, and how often it was executed */
  callWhole(number: number, ...args: number[]): { result: number; times: number } {
    let result = this.call(number, ...args);
    let times = 1;
    const { registers } = this.vcpu;
    while (registers.get(RIP) === TEXT) {
      registers.set(RIP, TEXT + 2);
      this.vcpu.syscall();
      result = registers.get(RAX);
      times++;
    }
    return { result, times };
  }

  /** Stores bytes of little-endian 32-bit words at an address of the guest's. */
  words(at: number, ...words: number[]): number {
    this.vcpu.mmu.writeForXen(at, new Uint8Array(Int32Array.from(words).buffer));
    return at;
  }

  /** Stores 64-bit words, below 2^53. */
  longs(at: number, ...longs: number[]): number {
    const memory = new BytesMemory(new Uint8Array(longs.length * 8));
    longs.forEach((value, i) => {
      st64(memory, i * 8, value);
    });
    this.vcpu.mmu.writeForXen(at, memory.bytes);
    return at;
  }

  ld32(at: number): number {
    return this.vcpu.mmu.ld32(at);
  }

  ld64(at: number): number {
    return this.vcpu.mmu.ld32(at + 4) * 2 ** 32 + (this.vcpu.mmu.ld32(at) >>> 0);
  }

  /** 64-bit words that stand on the current stack. */
  frame(count: number): number[] {
    const rsp = this.vcpu.registers.get(RSP);
    return Array.from({ length: count }, (_, i) => this.ld64(rsp + 8 * i));
  }

  get sharedInfo() {
    return shared_info.at(this.xen.memory, this.domain.sharedInfo);
  }

  /** Whether a port is pending. */
  pending(port: number): boolean {
    const at = this.domain.sharedInfo + shared_info.offset.evtchn_pending + 4 * (port >>> 5);
    return ((this.xen.memory.ld32(at) >>> (port & 31)) & 1) === 1;
  }

  /** Masks or unmasks a port as the guest would, with a store. */
  setMask(port: number, on: boolean): void {
    const at = this.domain.sharedInfo + shared_info.offset.evtchn_mask + 4 * (port >>> 5);
    const bit = 1 << (port & 31);
    const old = this.xen.memory.ld32(at);
    this.xen.memory.st32(at, on ? old | bit : old & ~bit);
  }

  /** Puts the vCPU in user mode. */
  enterUser(): void {
    this.vcpu.mmu.kernelMode = false;
  }
}

/** The halves of a machine address, as mmu_update takes them. */
export const entryAddress = (mfn: number, slot: number): [number, number] => [
  (mfn << 12) | (slot * 8),
  mfn >>> 20,
];
