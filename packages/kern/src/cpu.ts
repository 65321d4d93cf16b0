import { __HYPERVISOR_iret } from '@port-xen/abi';
import {
  R8,
  R10,
  RAX,
  RDI,
  RDX,
  type Registers,
  RIP,
  RSI,
  type Tsc,
  type Vcpu,
  type VirtualMemory,
} from '@port-xen/vcpu';
import type { KernelImage } from './image.ts';
import { MARK_WORD_0, MARK_WORD_1 } from './mark.ts';
import { Panic } from './panic.ts';

const STUB_SIZE = 32;
const TWO_32 = 0x1_0000_0000;
/** Where a stub's SYSCALL ends (push rcx; push r11; mov eax, n; syscall); the iret stub pushes rax too. */
const stubSyscallEnd = (number: number): number => (number === __HYPERVISOR_iret ? 11 : 10);

/**
 * The processor as kernel code sees it: registers, memory, symbols, hypercalls.
 *
 * It holds no state of the kernel's: everything here is the machine's, or is read from the kernel image.
 */
export class Cpu {
  readonly #vcpu: Vcpu;
  /** Asked for once: every word goes through it. */
  readonly #memory: VirtualMemory;
  readonly #image: KernelImage;
  readonly #module: (name: string) => object;
  readonly #spend: (ns: number) => void;
  /** Where RDTSC leaves its halves: edx and eax, as it were. */
  readonly #tsc: Tsc = { low: 0, high: 0 };
  /** Registers for {@link load}. */
  readonly #words = new Int32Array(16);

  /**
   * @param module the linked object of a module, for {@link call}
   * @param spend lets nanoseconds pass
   */
  constructor(
    vcpu: Vcpu,
    image: KernelImage,
    module: (name: string) => object,
    spend: (ns: number) => void,
  ) {
    this.#vcpu = vcpu;
    this.#memory = vcpu.memory;
    this.#image = image;
    this.#module = module;
    this.#spend = spend;
  }

  get id(): number {
    return this.#vcpu.id;
  }

  get memory(): VirtualMemory {
    return this.#memory;
  }

  get registers(): Registers {
    return this.#vcpu.registers;
  }

  /** The address of a symbol of this kernel. */
  sym(name: string): number {
    return this.#image.sym(name);
  }

  /** The symbol at or before an address, with the distance, as `name+0x…`. */
  symbolAt(address: number): string {
    return this.#image.symbolAt(address);
  }

  /** The kernel's own image: its programs, where its data ends. */
  get image(): KernelImage {
    return this.#image;
  }

  /** Where the stub of a hypercall starts. */
  stub(number: number): number {
    return this.#image.hypercallPage + STUB_SIZE * number;
  }

  /** Nanoseconds spent on bulk work beyond what the entry declares. */
  spend(ns: number): void {
    this.#spend(ns);
  }

  /** `count` words, 16 at most, at an address: they stand in the result until this is called again. */
  load(address: number, count: number): Int32Array {
    const words = this.#words;
    this.#memory.ldWords(address, words, count);
    return words;
  }

  /** RDTSC. @returns how far the counter is past a stamp, given by its halves: exact within 2^53 */
  tscSince(low: number, high: number): number {
    const tsc = this.#tsc;
    this.#vcpu.readTsc(tsc);
    return (tsc.high - high) * TWO_32 + ((tsc.low >>> 0) - (low >>> 0));
  }

  /**
   * A hypercall that returns at once, made as the stub in the hypercall page makes it.
   * @returns what Xen left in rax: negative is -errno
   */
  hypercall(number: number, a = 0, b = 0, c = 0, d = 0, e = 0): number {
    const r = this.#vcpu.registers;
    r.set(RDI, a);
    r.set(RSI, b);
    r.set(RDX, c);
    r.set(R10, d);
    r.set(R8, e);
    return this.#syscall(number);
  }

  /** A hypercall whose second argument is a PTE: update_va_mapping. */
  hypercallPte(number: number, a: number, low: number, high: number, c: number): number {
    const r = this.#vcpu.registers;
    r.set(RDI, a);
    r.setPair(RSI, low, high);
    r.set(RDX, c);
    return this.#syscall(number);
  }

  /** A hypercall whose only argument is a 64-bit word: set_timer_op. */
  hypercallU64(number: number, low: number, high: number): number {
    this.#vcpu.registers.setPair(RDI, low, high);
    return this.#syscall(number);
  }

  #syscall(number: number): number {
    const r = this.#vcpu.registers;
    const rip = r.get(RIP);
    const after = this.stub(number) + stubSyscallEnd(number);
    do {
      r.set(RAX, number);
      r.set(RIP, after);
      this.#vcpu.syscall();
      // On a continuation Xen has changed the arguments to what is left and put rip back on the SYSCALL.
    } while (r.get(RIP) === after - 2);
    r.set(RIP, rip);
    return r.get(RAX);
  }

  /**
   * Calls the leaf at an address, as part of this macro-instruction.
   * @throws Panic when no leaf stands there
   */
  call(address: number, a = 0, b = 0, c = 0, d = 0): number {
    const memory = this.#memory;
    const word = memory.fetch32(address + 4);
    const linked =
      memory.fetch32(address) === MARK_WORD_0 && (word & 0xffff) === MARK_WORD_1
        ? this.#image.entries[word >>> 16]
        : undefined;
    if (linked === undefined || linked.entry.kind !== 'leaf') {
      throw new Panic(
        `expected a function at ${this.symbolAt(address)}, found none that can be called`,
      );
    }
    this.#spend(linked.entry.ns);
    const value = linked.entry.run(this.#module(linked.module), a, b, c, d, 0, 0);
    return typeof value === 'number' ? value : 0;
  }
}
