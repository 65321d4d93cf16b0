/*
 * The engine for TypeScript text. At each instruction it fetches at rip through the guest's page tables:
 *
 *   a mark                       → run that entry, leave rip where it says
 *   the bytes of a stub          → push, pop, mov eax, syscall, ret: the few real instructions that stubs are made of
 *   anything else                → #UD, which Xen delivers to the guest
 *
 * The kernel's objects are linked from the processor and the addresses of their data, and can be thrown away at any
 * instruction boundary. In amnesia mode they are: linked again and frozen before every macro-instruction.
 *
 * An index outside its array (a RangeError of a view) is what the guest's memory led to: where a machine would have gone on
 * with what lies beyond, the kernel panics, and a program gets a protection fault.
 *
 * A step that ends by a call of tsleep and the sleep itself are one instruction, because no lock is held in between.
 */
import { BytesMemory } from '@port-xen/layout';
import {
  type Engine,
  PageFault,
  R8,
  R9,
  R10,
  RAX,
  RCX,
  RDI,
  RDX,
  type Registers,
  RIP,
  RSI,
  RSP,
  type Vcpu,
  type VirtualMemory,
} from '@port-xen/vcpu';
import { Cpu } from './cpu.ts';
import { deepFreeze } from './freeze.ts';
import type { KernelImage } from './image.ts';
import type { Linked, LinkedEntry } from './kernel-spec.ts';
import { ENTRY_SIZE, MARK_WORD_0, MARK_WORD_1 } from './mark.ts';
import { Panic } from './panic.ts';
import { USER_DATA, type UserContext } from './program.ts';
import { INSTRUCTION_NS, popRip, push, stubInstruction } from './stub-instruction.ts';
import type { Next, Routine } from './text.ts';
import { UndoMemory } from './undo-memory.ts';

const ARGUMENTS = [RDI, RSI, RDX, RCX, R8, R9];
/** System calls and hypercalls pass the fourth argument in r10, because SYSCALL destroys rcx. */
const SYSCALL_ARGUMENTS = [RDI, RSI, RDX, R10, R8, R9];
const TRAP_protection = 13;
const TRAP_page_fault = 14;
const STUB_SIZE = 32;
/** Bytes that the message of a panic may have, its NUL included. */
const PANIC_MESSAGE_MAX = 256;

export interface TextEngineOptions {
  /** Throw the kernel's objects away before every macro-instruction, and freeze them. */
  readonly amnesia?: boolean;
}

/** Runs a kernel image's text. One engine serves any number of vCPUs and remembers nothing of any of them. */
export class TextEngine implements Engine {
  readonly image: KernelImage;
  readonly #amnesia: boolean;
  readonly #linked = new WeakMap<Vcpu, Linked>();
  readonly #tsleep: number | undefined;
  #used_ns = 0;
  /** The instruction that was just executed goes on in the next one. */
  #joined = false;

  constructor(image: KernelImage, options: TextEngineOptions = {}) {
    this.image = image;
    this.#amnesia = options.amnesia ?? false;
    this.#tsleep = image.symbols.get('tsleep');
  }

  run(vcpu: Vcpu, budget_ns: number): void {
    this.#used_ns = 0;
    do {
      this.#joined = false;
      this.#instruction(vcpu);
    } while (this.#joined || (this.#used_ns < budget_ns && !vcpu.stop));
  }

  #spend(vcpu: Vcpu, ns: number): void {
    this.#used_ns += ns;
    vcpu.spend(ns);
  }

  /** Executes the instruction at rip. */
  #instruction(vcpu: Vcpu): void {
    const { registers, memory } = vcpu;
    const rip = registers.get(RIP);
    try {
      if (rip % ENTRY_SIZE === 0 && memory.fetch32(rip) === MARK_WORD_0) {
        const word = memory.fetch32(rip + 4);
        const linked =
          (word & 0xffff) === MARK_WORD_1 ? this.image.entries[word >>> 16] : undefined;
        if (linked !== undefined) {
          this.#spend(vcpu, linked.entry.ns);
          if (vcpu.kernelMode) this.#macro(vcpu, linked, rip, this.#kernel(vcpu), memory);
          else this.#userMacro(vcpu, linked, rip);
          return;
        }
      }
      this.#spend(vcpu, INSTRUCTION_NS);
      stubInstruction(vcpu, rip);
    } catch (error) {
      if (error instanceof PageFault) {
        registers.set(RIP, rip);
        vcpu.exception(TRAP_page_fault, error.errorCode, error.cr2);
      } else if (error instanceof RangeError && !vcpu.kernelMode) {
        registers.set(RIP, rip);
        vcpu.exception(TRAP_protection);
      } else if (error instanceof Panic || error instanceof RangeError) {
        this.#panic(vcpu, error.message);
      } else {
        throw error;
      }
    }
  }

  /** A user macro-instruction happens as a whole or, after a page fault, not at all. */
  #userMacro(vcpu: Vcpu, linked: LinkedEntry, rip: number): void {
    const { registers } = vcpu;
    const before = registers.words.slice();
    const memory = new UndoMemory(vcpu.memory);
    const program: UserContext = {
      memory,
      registers,
      data: USER_DATA,
      spend: (ns: number) => this.#spend(vcpu, ns),
    };
    try {
      this.#macro(vcpu, linked, rip, { [linked.module]: program }, memory);
    } catch (error) {
      if (error instanceof PageFault) {
        memory.undo();
        registers.words.set(before);
      }
      throw error;
    }
  }

  #macro(
    vcpu: Vcpu,
    linked: LinkedEntry,
    rip: number,
    modules: Linked,
    memory: VirtualMemory,
  ): void {
    const { registers } = vcpu;
    const { entry } = linked;
    const module = modules[linked.module];
    const arg = (i: number): number => registers.get(ARGUMENTS[i] as number);
    switch (entry.kind) {
      case 'leaf': {
        const value = entry.run(module, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5));
        const returnTo = popRip(vcpu);
        registers.set(RAX, typeof value === 'number' ? value : 0);
        registers.set(RIP, returnTo);
        return;
      }
      case 'raw':
        entry.run(module, modules.cpu as Cpu);
        return;
      case 'routine': {
        const size = frameSize(entry);
        const step = entry.steps[linked.step];
        if (step === undefined) throw new Error(`${linked.symbol} has no step ${linked.step}`);
        let rsp = registers.get(RSP);
        let next: Next;
        if (linked.enters) {
          rsp -= size;
          memory.write(rsp, new Uint8Array(size));
          registers.set(RSP, rsp);
          const locals = entry.locals.at(memory, rsp);
          next = step(module, locals, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5));
        } else {
          const locals = entry.locals.at(memory, rsp);
          next = step(module, locals, registers.get(RAX), 0, 0, 0, 0, 0);
        }
        this.#leave(vcpu, linked, rip, size, next);
        return;
      }
    }
  }

  /** Does what a step ended with. */
  #leave(vcpu: Vcpu, linked: LinkedEntry, rip: number, size: number, next: Next): void {
    const { registers } = vcpu;
    const addressOf = (step: string): number => {
      const distance = linked.steps[step];
      if (distance === undefined) throw new Error(`${linked.symbol} has no step ${step}`);
      return rip + distance * ENTRY_SIZE;
    };
    switch (next.op) {
      case 'call':
        push(vcpu, addressOf(next.then));
        setArguments(registers, next.rax === undefined ? ARGUMENTS : SYSCALL_ARGUMENTS, next.args);
        registers.set(RAX, next.rax ?? 0);
        registers.set(RIP, next.to);
        // Who looks and finds that it has to wait must be asleep before an event can wake it.
        this.#joined = next.to === this.#tsleep;
        return;
      case 'hypercall':
        push(vcpu, addressOf(next.then));
        setArguments(registers, SYSCALL_ARGUMENTS, next.args);
        registers.set(RIP, this.image.hypercallPage + STUB_SIZE * next.number);
        return;
      case 'goto':
        registers.set(RAX, 0);
        registers.set(RIP, addressOf(next.step));
        return;
      case 'done':
        registers.set(RSP, registers.get(RSP) + size);
        registers.set(RAX, next.value);
        registers.set(RIP, popRip(vcpu));
        return;
    }
  }

  #kernel(vcpu: Vcpu): Linked {
    const linked = this.#linked.get(vcpu);
    if (linked !== undefined && !this.#amnesia) return linked;
    const fresh: Record<string, object> = {};
    const moduleOf = (name: string): object => {
      const module = fresh[name];
      if (module === undefined) throw new Error(`the kernel has no module ${name}`);
      return module;
    };
    const cpu = new Cpu(vcpu, this.image, moduleOf, (ns) => this.#spend(vcpu, ns));
    Object.assign(fresh, this.image.spec.link(cpu, this.image.data), { cpu });
    if (this.#amnesia) deepFreeze(fresh);
    else this.#linked.set(vcpu, fresh);
    return fresh;
  }

  /** Jumps to the kernel's `panic` with the sentence on the stack. */
  #panic(vcpu: Vcpu, sentence: string): void {
    const { registers, memory } = vcpu;
    const bytes = new Uint8Array(PANIC_MESSAGE_MAX);
    const text = new BytesMemory(bytes);
    for (let i = 0; i < Math.min(sentence.length, PANIC_MESSAGE_MAX - 1); i++) {
      text.st8(i, sentence.charCodeAt(i));
    }
    const rsp = Math.floor((registers.get(RSP) - PANIC_MESSAGE_MAX) / 16) * 16;
    try {
      memory.write(rsp, bytes);
      registers.set(RSP, rsp);
      registers.set(RDI, rsp);
      registers.set(RIP, this.image.sym('panic'));
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      vcpu.exception(TRAP_page_fault, error.errorCode, error.cr2);
    }
  }
}

const frameSize = (entry: Routine<never>): number => Math.ceil(entry.locals.size / 16) * 16;

const setArguments = (
  registers: Registers,
  where: readonly number[],
  args: readonly number[],
): void => {
  where.forEach((register, i) => {
    registers.set(register, args[i] ?? 0);
  });
};
