import { __HYPERVISOR_sched_op, __HYPERVISOR_set_timer_op } from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import {
  PageFault,
  PFEC_USER,
  R10,
  RAX,
  RDI,
  RDX,
  Registers,
  RIP,
  RSI,
  RSP,
  type Tsc,
  type Vcpu,
  type VirtualMemory,
} from '@port-xen/vcpu';
import { KERNBASE, KERNTEXTOFF, type KernelImage } from '../src/index.ts';

/** Flat memory: KERNBASE + n is byte n; there are no page tables, an address outside faults. */
class FlatMemory extends BytesMemory implements VirtualMemory {
  ldWords(address: number, into: Int32Array, count: number): void {
    for (let k = 0; k < count; k++) into[k] = this.ld32(address + 4 * k);
  }
  fetch32(address: number): number {
    this.probe(address, 4);
    return this.ld32(address);
  }
  probe(address: number, length: number): void {
    if (address < this.base || address + length > this.base + this.bytes.length) {
      throw new PageFault(address, PFEC_USER);
    }
  }
}

const STUB_BYTES = (n: number): number[] => [
  0x51,
  0x41,
  0x53,
  0xb8,
  n,
  0,
  0,
  0,
  0x0f,
  0x05,
  0x41,
  0x5b,
  0x59,
  0xc3,
];

/** Just enough of a machine to run kernel text without Xen: the hypercalls that the test answers, and no events. */
export class FlatMachine implements Vcpu {
  readonly id = 0;
  readonly registers: Registers = new Registers();
  readonly memory: FlatMemory;
  readonly kernelMode = true;
  stop = false;
  elapsed_ns = 0;
  readonly hypercalls: number[][] = [];
  readonly exceptions: number[][] = [];
  /** Answers a hypercall; 0 when absent. */
  answer: (number: number, args: readonly number[]) => number = () => 0;

  constructor(image: KernelImage, mib = 4) {
    this.memory = new FlatMemory(new Uint8Array(mib * 2 ** 20), KERNBASE);
    this.memory.write(KERNTEXTOFF, image.text);
    for (let n = 0; n < 64; n++) {
      this.memory.write(image.hypercallPage + 32 * n, Uint8Array.from(STUB_BYTES(n)));
    }
    this.registers.set(RSP, KERNBASE + mib * 2 ** 20 - 64);
  }

  syscall(): void {
    const r = this.registers;
    const args = [RDI, RSI, RDX, R10].map((register) => r.get(register));
    const number = r.get(RAX);
    this.hypercalls.push([number, ...args]);
    if (number === __HYPERVISOR_sched_op) this.stop = true;
    if (number === __HYPERVISOR_set_timer_op) this.stop = false;
    r.set(RAX, this.answer(number, args));
  }

  exception(vector: number, errorCode = 0, cr2 = 0): void {
    this.exceptions.push([vector, errorCode, cr2, this.registers.get(RIP)]);
    this.stop = true;
  }

  readTsc(into: Tsc): void {
    into.low = this.elapsed_ns | 0;
    into.high = 0;
  }

  spend(ns: number): void {
    this.elapsed_ns += ns;
  }
}
