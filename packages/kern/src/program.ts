/*
 * A user program: text in TypeScript and a struct of variables.
 *
 *     0x400000  text: the system-call stub, then a mark per entry point
 *     0x600000  data: the struct, zeroed
 *     …         stack, argv on it
 *
 * A user macro-instruction reaches memory only through its page tables and touches every operand before its first
 * store, because it is run again from its beginning after a page fault.
 */
import type { Struct } from '@port-xen/layout';
import type { Registers, VirtualMemory } from '@port-xen/vcpu';
import type { Next, Text } from './text.ts';

export const USER_TEXT = 0x40_0000;
export const USER_DATA = 0x60_0000;
/** The stub is at the start of the text. */
export const SYSCALL_STUB = USER_TEXT;
/** `syscall; jnc 1f; neg rax; 1: ret`: the kernel sets the carry flag when rax is an errno (libc's cerror). */
export const SYSCALL_STUB_BYTES: Uint8Array = new Uint8Array([
  0x0f, 0x05, 0x73, 0x03, 0x48, 0xf7, 0xd8, 0xc3,
]);

/** What a user program is given: its processor and the address of its variables. */
export interface UserContext {
  readonly memory: VirtualMemory;
  readonly registers: Registers;
  readonly data: number;
  /** Lets nanoseconds pass: for work that grows with its operands. */
  spend(ns: number): void;
}

export interface Program {
  readonly name: string;
  readonly data: Struct;
  /** The symbol that is entered with argc in rdi and argv in rsi. */
  readonly entry: string;
  readonly text: Text<UserContext>;
}

/** Ends a user step by a system call; the result arrives at `then`: negative is -errno. */
export const syscall = (then: string, number: number, ...args: readonly number[]): Next => ({
  op: 'call',
  to: SYSCALL_STUB,
  args,
  then,
  rax: number,
});
