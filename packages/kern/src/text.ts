/*
 * Kernel text in TypeScript.
 *
 * An entry point is a symbol with an address; at that address stands a forced trap, and executing it runs the
 * TypeScript function, one macro-instruction. There are three kinds:
 *
 *   leaf     takes its arguments from rdi, rsi, rdx, rcx, r8, r9, returns in rax, and ends with `ret`.
 *            It cannot wait. Other text may call it through its address (`b_iodone`, event handlers).
 *   routine  may wait. It is cut into named steps; its locals are a struct on the guest's stack. A step ends by calling
 *            another symbol (the address of the next step is the return address), by a hypercall, by going to
 *            another of its steps, or by returning:
 *
 *                rsp → | locals (16-byte aligned) | return address | caller's locals …
 *
 *   raw      finds the processor as Xen left it (a bounce frame at rsp) and leaves rip where it says.
 *
 * So a thread that waits is a stack in guest memory and nothing else: what it will do next is a return address.
 */
import type { Struct, View } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';

/** How a step ends. */
export type Next =
  | {
      readonly op: 'call';
      readonly to: number;
      readonly args: readonly number[];
      readonly then: string;
      /** For system calls: what rax holds on entry. */
      readonly rax?: number;
    }
  | {
      readonly op: 'hypercall';
      readonly number: number;
      readonly args: readonly number[];
      readonly then: string;
    }
  | { readonly op: 'goto'; readonly step: string }
  | { readonly op: 'done'; readonly value: number };

/** Calls the symbol at `to`; the routine goes on at step `then` with the result. */
export const call = (then: string, to: number, ...args: readonly number[]): Next => ({
  op: 'call',
  to,
  args,
  then,
});

/** Leaves the guest by a hypercall that waits or does not return at once. */
export const hypercall = (then: string, number: number, ...args: readonly number[]): Next => ({
  op: 'hypercall',
  number,
  args,
  then,
});

/** Goes on at another step, with the locals as they are; events may be delivered in between. */
export const goto = (step: string): Next => ({ op: 'goto', step });

/** Returns to the caller. */
export const done = (value = 0): Next => ({ op: 'done', value });

/** Virtual time of a macro-instruction that declares none. */
export const DEFAULT_NS = 1000;

export interface Leaf<M> {
  readonly kind: 'leaf';
  readonly ns: number;
  /** A number is left in rax; anything else leaves 0 there. */
  run(module: M, a: number, b: number, c: number, d: number, e: number, f: number): unknown;
}

export interface Raw<M> {
  readonly kind: 'raw';
  readonly ns: number;
  run(module: M, cpu: Cpu): void;
}

/** The first step gets the arguments, every other the result of what was called. */
export type Step<M, L> = (
  module: M,
  locals: L,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
) => Next;

export interface Routine<M> {
  readonly kind: 'routine';
  readonly ns: number;
  readonly locals: Struct;
  // biome-ignore lint/suspicious/noExplicitAny: each routine has its own locals
  readonly steps: Readonly<Record<string, Step<M, any>>>;
}

export type Entry<M> = Leaf<M> | Raw<M> | Routine<M>;

/** The entry points of a module, by symbol. */
export type Text<M> = Readonly<Record<string, Entry<M>>>;

export const leaf = <M>(run: Leaf<M>['run'], ns = DEFAULT_NS): Leaf<M> => ({
  kind: 'leaf',
  ns,
  run,
});

export const raw = <M>(run: Raw<M>['run'], ns = DEFAULT_NS): Raw<M> => ({ kind: 'raw', ns, run });

/** @param steps the first one is the entry point */
export const routine = <M, S extends Struct>(
  locals: S,
  steps: Readonly<Record<string, Step<M, View<S>>>>,
  ns = DEFAULT_NS,
): Routine<M> => ({ kind: 'routine', ns, locals, steps });
