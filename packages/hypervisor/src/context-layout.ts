/*
 * Where a vCPU's state stands in struct vcpu_guest_context beyond what the layout itself says: struct cpu_user_regs, and the values
 * of control registers that every guest sees.
 */
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
  RSI,
} from '@port-xen/vcpu';

/** Bytes of the FXSAVE image. */
export const FXSAVE = 512;
export const CR0 = 0x80050033;
export const CR0_TS = 8;
export const CR4 = 0x2660;
export const TRAPS = 256;

/** Registers in the order of struct cpu_user_regs. */
export const GENERAL: readonly number[] = [
  R15,
  R14,
  R13,
  R12,
  RBP,
  RBX,
  R11,
  R10,
  R9,
  R8,
  RAX,
  RCX,
  RDX,
  RSI,
  RDI,
];

/** Offsets within user_regs. */
export const USER = {
  rip: 128,
  cs: 136,
  mask: 140,
  rflags: 144,
  rsp: 152,
  ss: 160,
  es: 168,
  ds: 176,
  fs: 184,
  gs: 192,
} as const;
