import { __HYPERVISOR_sched_op } from '@port-xen/abi';
import { KERNTEXTOFF, type KernelImage } from '@port-xen/kern';
import { BytesMemory } from '@port-xen/layout';
import {
  PageFault,
  PFEC_USER,
  RAX,
  Registers,
  RSP,
  type Tsc,
  type Vcpu,
  type VirtualMemory,
} from '@port-xen/vcpu';

const STACK_SIZE = 65536;
export const USER_SIZE = 1 << 20;

/** A kernel's memory from its text on and, at address 0, a program's; anything else faults. */
class TwoRanges implements VirtualMemory {
  readonly kernel: BytesMemory;
  readonly user: BytesMemory;

  constructor(kernel: Uint8Array, user: Uint8Array) {
    this.kernel = new BytesMemory(kernel, KERNTEXTOFF);
    this.user = new BytesMemory(user, 0);
  }

  #of(address: number): BytesMemory {
    return address < 0 ? this.kernel : this.user;
  }
  ld8(a: number): number {
    return this.#of(a).ld8(a);
  }
  ld16(a: number): number {
    return this.#of(a).ld16(a);
  }
  ld32(a: number): number {
    return this.#of(a).ld32(a);
  }
  ldWords(a: number, into: Int32Array, count: number): void {
    for (let k = 0; k < count; k++) into[k] = this.ld32(a + 4 * k);
  }
  st8(a: number, v: number): void {
    this.#of(a).st8(a, v);
  }
  st16(a: number, v: number): void {
    this.#of(a).st16(a, v);
  }
  st32(a: number, v: number): void {
    this.#of(a).st32(a, v);
  }
  read(a: number, into: Uint8Array): void {
    this.#of(a).read(a, into);
  }
  write(a: number, from: Uint8Array): void {
    this.#of(a).write(a, from);
  }
  fetch32(a: number): number {
    this.probe(a, 4);
    return this.ld32(a);
  }
  probe(a: number, length: number): void {
    const { base, bytes } = this.#of(a);
    if (a < base || a + length > base + bytes.length) throw new PageFault(a, PFEC_USER);
  }
}

/** Just enough of a machine to run a kernel's network stack without Xen. */
export class Machine implements Vcpu {
  readonly id = 0;
  readonly registers: Registers = new Registers();
  readonly memory: TwoRanges;
  readonly kernelMode = true;
  stop = false;

  /** @param from a frozen machine to go on from */
  constructor(image: KernelImage, from?: Machine) {
    const size = image.end - KERNTEXTOFF + STACK_SIZE;
    const kernel = from?.memory.kernel.bytes.slice() ?? new Uint8Array(size);
    const user = from?.memory.user.bytes.slice() ?? new Uint8Array(USER_SIZE);
    this.memory = new TwoRanges(kernel, user);
    if (from === undefined) {
      this.memory.write(KERNTEXTOFF, image.text);
      for (let n = 0; n < 64; n++) this.memory.write(image.hypercallPage + 32 * n, stub(n));
      this.registers.set(RSP, KERNTEXTOFF + size - 64);
    } else {
      this.registers.words.set(from.registers.words);
    }
  }

  syscall(): void {
    if (this.registers.get(RAX) === __HYPERVISOR_sched_op) this.stop = true;
    this.registers.set(RAX, 0);
  }
  exception(vector: number, _errorCode?: number, cr2?: number): void {
    throw new Error(`exception ${vector} at 0x${(cr2 ?? 0).toString(16)}`);
  }
  readTsc(into: Tsc): void {
    into.low = 0;
    into.high = 0;
  }
  spend(): void {}
}

/** The hypercall page's stub: push rcx; push r11; mov eax, n; syscall; pop r11; pop rcx; ret. */
const stub = (n: number): Uint8Array =>
  Uint8Array.of(0x51, 0x41, 0x53, 0xb8, n, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3);
