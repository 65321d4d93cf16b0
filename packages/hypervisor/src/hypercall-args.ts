/*
 * The arguments of a hypercall, each as a signed Number (a pointer, a count, a time) and as two halves (a PTE, a descriptor).
 * One of these serves a vCPU for all its hypercalls.
 */
import type { Memory } from '@port-xen/layout';
import { R8, R10, RDI, RDX, type Registers, RSI } from '@port-xen/vcpu';

/** Where SYSCALL finds them. */
export const ARGUMENT_REGISTERS: readonly number[] = [RDI, RSI, RDX, R10, R8];

/** Arguments of a hypercall. The sixth of a multicall entry is nobody's. */
export const HYPERCALL_ARGUMENTS = 5;
const TWO_32 = 0x1_0000_0000;

export class HypercallArgs {
  readonly low: Int32Array = new Int32Array(HYPERCALL_ARGUMENTS);
  readonly high: Int32Array = new Int32Array(HYPERCALL_ARGUMENTS);

  /** Takes them from the registers. */
  fromRegisters({ words }: Registers): void {
    for (let i = 0; i < HYPERCALL_ARGUMENTS; i++) {
      const register = ARGUMENT_REGISTERS[i] as number;
      this.low[i] = words[2 * register] as number;
      this.high[i] = words[2 * register + 1] as number;
    }
  }

  /** Takes them from the `args` of a multicall entry. */
  fromMemory(memory: Memory, address: number): void {
    for (let i = 0; i < HYPERCALL_ARGUMENTS; i++) {
      this.low[i] = memory.ld32(address + 8 * i);
      this.high[i] = memory.ld32(address + 8 * i + 4);
    }
  }

  /** As a signed integer, exact below 2^53; a canonical address always is. */
  number(i: number): number {
    return (this.high[i] as number) * TWO_32 + ((this.low[i] as number) >>> 0);
  }

  /** The low half, signed. */
  int(i: number): number {
    return this.low[i] as number;
  }

  /** The low half, unsigned. */
  unsigned(i: number): number {
    return (this.low[i] as number) >>> 0;
  }

  highOf(i: number): number {
    return this.high[i] as number;
  }
}
