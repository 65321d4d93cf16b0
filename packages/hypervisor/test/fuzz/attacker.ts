/*
 * A guest that does what it likes. It is a domain made by hand (../cpu/machine.ts) which remembers its handles, so that what it tries
 * is often almost right:
 *
 *   pfn 0 … 4     its page tables                  pfn 8, 9, 12, 13   arguments and stack: kept mapped, or nothing would succeed
 *   pfn 16 … 31   tables, descriptors, loose frames: games              pfn 32 … 47   where grants are mapped
 *   pfn 48 …      data, some of it granted
 */
import { __HYPERVISOR_update_va_mapping, UVMF_INVLPG } from '@port-xen/abi';
import type { Random } from '@port-xen/sim';
import { PageFault, RSP } from '@port-xen/vcpu';
import type { SharedInfoName } from '../../src/shared-info-layout.ts';
import { ARGS, Guest, HANDLER, type Machine, STACK, va } from '../cpu/machine.ts';

const PAGES = 80;
const NEEDED = [8, 9, 12, 13];
export const GAMES = { first: 16, count: 16 };
const WINDOW = { first: 32, count: 16 };
const DATA = { first: 48, count: 32 };
/** Its highest port. */
export const MAX_PORT = 70;
const CALLS = 14;

/** A mapping that it believes it has. */
export interface Held {
  readonly handle: number;
  readonly hostAddr: number;
  readonly bus: number;
}

export class Attacker extends Guest {
  readonly random: Random;
  /** The other one. */
  peer: Attacker | undefined;
  readonly mappings: Held[] = [];
  /** Frames that it got besides those of its P2M. */
  readonly extra: number[] = [];
  /** The vCPU that acts. */
  acting = 0;
  /** Hypercalls made. */
  calls = 0;

  /** @param name whose shared_info it has; one of Xen 2's has one vCPU */
  constructor(machine: Machine, random: Random, name: SharedInfoName = 'xen-3.0') {
    super(machine, {
      vcpus: name === 'xen-2.0' ? 1 : 2,
      interface: name,
      pages: PAGES,
      maxGrantFrames: 3,
      maxMaptrackFrames: 1,
      maxEvtchnPort: MAX_PORT,
    });
    this.random = random;
    this.#handlers();
    for (let i = 0; i < GAMES.count; i++) {
      this.call(CALLS, va(GAMES.first + i), 0, UVMF_INVLPG);
    }
  }

  below(limit: number): number {
    return this.random.below(limit);
  }

  /** One time in so many. */
  oneIn(n: number): boolean {
    return this.random.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }

  /** Any 64 bits, as a Number: mostly small, sometimes wild. */
  wild(): number {
    switch (this.below(8)) {
      case 0:
        return this.random.next();
      case 1:
        return -this.random.next();
      case 2:
        return (this.random.next() - 2 ** 31) * 2 ** 32 + this.random.next();
      case 3:
        return 2 ** this.below(63);
      case 4:
        return -(2 ** this.below(63));
      case 5:
        return this.anyVa();
      case 6:
        return this.anyMfn() * this.pick([1, 4096]);
      default:
        return this.below(70);
    }
  }

  pfn(): number {
    const { first, count } = this.pick([GAMES, WINDOW, DATA]);
    return this.oneIn(30) ? this.below(PAGES) : first + this.below(count);
  }

  gamePfn(): number {
    return this.oneIn(40) ? this.pfn() : GAMES.first + this.below(GAMES.count);
  }

  /** An address for a mapping to be made at. */
  windowVa(): number {
    return this.oneIn(30) ? this.anyVa() : va(WINDOW.first + this.below(WINDOW.count));
  }

  dataPfn(): number {
    return DATA.first + this.below(DATA.count);
  }

  ownMfn(): number {
    if (this.extra.length > 0 && this.oneIn(4)) return this.pick(this.extra);
    return this.mfn(this.pfn());
  }

  anyMfn(): number {
    switch (this.below(12)) {
      case 0:
        return (this.peer ?? this).ownMfn();
      case 1:
        return this.machine.xen.firstMfn + this.below(this.machine.xen.frames);
      case 2:
        return this.pick([0, -1, 2 ** 40 - 1, 2 ** 31, 2 ** 52 - 1, this.random.next()]);
      default:
        return this.ownMfn();
    }
  }

  anyVa(): number {
    switch (this.below(6)) {
      case 0:
        return this.pick([
          0,
          -1,
          -8,
          2 ** 47,
          -(2 ** 47),
          -(2 ** 47) - 1,
          -0x7800_0000_0000,
          2 ** 62,
        ]);
      case 1:
        return va(this.below(600)) + this.below(4096);
      case 2:
        return -0x8000_0000_0000 + this.below(2 ** 43);
      default:
        return va(this.pfn()) + 8 * this.below(512);
    }
  }

  /** Where arguments are; sometimes where they cannot be. */
  at(): number {
    return this.oneIn(60) ? this.anyVa() : ARGS;
  }

  someDomid(): number {
    const other = this.peer?.domid ?? 0;
    if (this.oneIn(12)) return this.pick([0, 999, 0x7ff1, 0x7ff2, 0x7fff, this.domid]);
    return this.oneIn(3) ? other : 0x7ff0;
  }

  /** An L1 entry's flags, or a higher one's. */
  pteFlags(): number {
    return this.oneIn(10) ? this.below(4096) : this.pick([0x1, 0x21, 0x3, 0x23, 0x63, 0x67, 0]);
  }

  override call(number: number, ...args: number[]): number {
    this.calls++;
    return this.callOn(this.acting, number, ...args);
  }

  /** Stores hypercall arguments; a page that is not there any more is mapped again first. */
  put(at: number, ...longs: number[]): number {
    try {
      return this.longs(at, ...longs);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      return at;
    }
  }

  /** As {@link put}, 32-bit words. */
  putWords(at: number, ...words: number[]): number {
    try {
      return this.words(at, ...words);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      return at;
    }
  }

  /** Reads back what a hypercall gave; 0 when it cannot be read. */
  get(at: number): number {
    try {
      return this.ld32(at);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      return 0;
    }
  }

  get64(at: number): number {
    return this.get(at + 4) * 2 ** 32 + (this.get(at) >>> 0);
  }

  /** Handlers and stacks, without which it would not live long. */
  #handlers(): void {
    for (const vcpu of this.domain.vcpus) {
      for (const vector of [6, 7, 13, 14]) {
        vcpu.traps[vector] = { flags: 0, cs: 0xe033, address: HANDLER };
      }
      vcpu.eventCallback = HANDLER;
      vcpu.failsafeCallback = HANDLER;
      vcpu.kernelSp = STACK;
      vcpu.registers.set(RSP, STACK);
    }
  }

  /** Whether it can go on attacking: alive, in kernel mode, with a page for arguments. */
  revive(): boolean {
    if (this.domain.isShutDown || this.domain.dying) return false;
    const vcpu = this.cpu(0);
    vcpu.mmu.kernelMode = true;
    this.acting = 0;
    this.#handlers();
    return NEEDED.every((pfn) => {
      try {
        vcpu.mmu.probe(va(pfn), 4096, true);
        return true;
      } catch (error) {
        if (!(error instanceof PageFault)) throw error;
      }
      const frame = this.mfn(pfn) * 4096 + 3;
      return this.call(__HYPERVISOR_update_va_mapping, va(pfn), frame, UVMF_INVLPG) === 0;
    });
  }
}
