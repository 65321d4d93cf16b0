/*
 * What the kernel keeps of an interrupted context, on the stack that Xen's bounce frame was pushed on:
 *
 *     tf_rdi … tf_rax     pushed here
 *     tf_trapno, tf_err   pushed here
 *     tf_rcx, tf_r11      ┐
 *     tf_rip … tf_ss      ┘ Xen's bounce frame
 *
 * A trap with an error code has it between tf_r11 and tf_rip; the two registers are moved up over it.
 */
import { __HYPERVISOR_iret } from '@port-xen/abi';
import { copy, i64, struct, u64, type View } from '@port-xen/layout';
import {
  R8,
  R9,
  R10,
  R11,
  R12,
  R13,
  R14,
  R15,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  RIP,
  RSI,
  RSP,
} from '@port-xen/vcpu';
import type { Cpu } from './cpu.ts';
import { push64 } from './stack.ts';
import { raw, type Text } from './text.ts';

export const trapframe = struct('trapframe', {
  tf_rdi: i64,
  tf_rsi: i64,
  tf_rdx: i64,
  tf_r8: i64,
  tf_r9: i64,
  tf_r10: i64,
  tf_rbx: i64,
  tf_rbp: i64,
  tf_r12: i64,
  tf_r13: i64,
  tf_r14: i64,
  tf_r15: i64,
  tf_rax: i64,
  tf_trapno: u64,
  tf_err: u64,
  tf_rcx: i64,
  tf_r11: i64,
  tf_rip: i64,
  /** Selector; Xen puts the saved upcall mask into bits 32 to 39. */
  tf_cs: u64,
  tf_rflags: u64,
  tf_rsp: i64,
  tf_ss: u64,
});

export type Trapframe = View<typeof trapframe>;

/** Carry, by which a system call reports an error. */
export const PSL_C = 1;
/** Interrupt enable: what iret makes the upcall mask of. */
export const PSL_I = 0x200;

/** The registers in the frame's own order. */
const SAVED = [RDI, RSI, RDX, R8, R9, R10, RBX, RBP, R12, R13, R14, R15, RAX];
const RPL = 3;
/** 128 and above, a process's status says which signal ended it. */
export const SIGNALED = 128;

/**
 * Saves the context that Xen interrupted. rsp stands at Xen's bounce frame; afterwards it stands at the trapframe.
 * @param hasError the frame has an error code
 */
export const saveTrapframe = (cpu: Cpu, trapno: number, hasError: boolean): Trapframe => {
  const { registers, memory } = cpu;
  let bounce = registers.get(RSP);
  let errorCode = 0;
  if (hasError) {
    errorCode = memory.ld32(bounce + 16) >>> 0;
    copy(memory, bounce + 8, bounce, 16);
    bounce += 8;
  }
  const frame = trapframe.at(memory, bounce - trapframe.offset.tf_rcx);
  for (let i = 0; i < SAVED.length; i++) {
    const register = SAVED[i] as number;
    memory.st32(frame.address + 8 * i, registers.low(register));
    memory.st32(frame.address + 8 * i + 4, registers.high(register));
  }
  frame.tf_trapno = trapno;
  frame.tf_err = errorCode;
  registers.set(RSP, frame.address);
  return frame;
};

/** Whether the interrupted context was a user's (bits 0 and 1 of cs). */
export const fromUser = (frame: Trapframe): boolean =>
  (frame.memory.ld16(frame.address + trapframe.offset.tf_cs) & RPL) === RPL;

const load = ({ registers, memory }: Cpu, register: number, address: number): void =>
  registers.setPair(register, memory.ld32(address), memory.ld32(address + 4));

/** Restores the context whose trapframe is at rsp, by HYPERVISOR_iret. */
const restoreTrapframe = (cpu: Cpu): void => {
  const { registers, memory } = cpu;
  const frame = trapframe.at(memory, registers.get(RSP));
  for (let i = 0; i < SAVED.length; i++) load(cpu, SAVED[i] as number, frame.address + 8 * i);
  load(cpu, RCX, frame.address + trapframe.offset.tf_rcx);
  load(cpu, R11, frame.address + trapframe.offset.tf_r11);
  // The stub pushes rcx, r11 and rax on top of {flags, rip, cs, rflags, rsp, ss}.
  frame.tf_r11 = 0;
  memory.st32(frame.address + trapframe.offset.tf_cs + 4, 0);
  registers.set(RSP, frame.address + trapframe.offset.tf_r11);
  registers.set(RIP, cpu.stub(__HYPERVISOR_iret));
};

/** What the way back to a program needs to know. */
export interface ProgramEnd {
  readonly syscalls: { readonly signal: number };
}

export const trapframeText: Text<ProgramEnd> = {
  /** Reached by `ret` with rsp at a trapframe. A program that was sent a signal does not go on. */
  trap_return: raw((m, cpu) => {
    const frame = trapframe.at(cpu.memory, cpu.registers.get(RSP));
    const signal = fromUser(frame) ? m.syscalls.signal : 0;
    if (signal === 0) {
      restoreTrapframe(cpu);
      return;
    }
    cpu.registers.set(RDI, SIGNALED + signal);
    push64(cpu, cpu.sym('lwp_exit'));
    cpu.registers.set(RIP, cpu.sym('exit1'));
  }),
};
