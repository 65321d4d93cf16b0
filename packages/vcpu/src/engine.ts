import type { Memory } from '@port-xen/layout';
import type { Registers } from './registers.ts';

/**
 * The memory a vCPU sees: addresses are signed 48-bit virtual addresses, translated by the page tables of the
 * mode it is in. An access that the tables do not allow throws a PageFault before any byte of it is stored.
 */
export interface VirtualMemory extends Memory {
  /** ld32 of `count` words in a row, for what is read often: one translation, and nothing is made. */
  ldWords(address: number, into: Int32Array, count: number): void;
  /** As ld32, but an instruction fetch (honours NX). */
  fetch32(address: number): number;
  /**
   * Makes sure that `length` bytes can be reached without a fault.
   * @throws PageFault
   */
  probe(address: number, length: number, write: boolean): void;
}

/** A time-stamp counter value. */
export interface Tsc {
  low: number;
  high: number;
}

/**
 * What Xen lends an engine while a vCPU runs: the processor, as software sees it from ring 3.
 */
export interface Vcpu {
  readonly id: number;
  readonly registers: Registers;
  /** Memory as the current mode sees it. */
  readonly memory: VirtualMemory;
  /** In guest-kernel mode, as opposed to guest-user mode. */
  readonly kernelMode: boolean;
  /**
   * Xen wants the processor: the engine returns from `run` at the next instruction boundary.
   * Set by {@link syscall} and {@link exception} and by nothing that the engine does itself.
   */
  readonly stop: boolean;
  /**
   * SYSCALL was executed; `rip` is already past it. From guest-kernel mode this is a hypercall: number in rax, arguments in
   * rdi, rsi, rdx, r10, r8, result in rax; on a continuation Xen has put `rip` back by two. From guest-user mode it
   * enters the guest kernel at its syscall callback. Either way rcx and r11 are overwritten, as the instruction does.
   */
  syscall(): void;
  /**
   * An exception was raised by the instruction at `rip` (faults) or before `rip` (traps).
   * @param vector 0 … 31; from 32 on, the vector of an `int n` that `rip` is past
   * @param errorCode for the vectors that have one
   * @param cr2 for vector 14
   */
  exception(vector: number, errorCode?: number, cr2?: number): void;
  /** RDTSC. */
  readTsc(into: Tsc): void;
  /** Lets `ns` nanoseconds of virtual time pass on this processor. */
  spend(ns: number): void;
}

/** What executes a vCPU's instructions. */
export interface Engine {
  /**
   * Runs instructions until `budget_ns` of virtual time is spent or `vcpu.stop` is set, at least one.
   * What the guest does wrong it is told by `vcpu.exception`; an error thrown out of here is a bug of the engine.
   */
  run(vcpu: Vcpu, budget_ns: number): void;
}
