/*
 * Entering the guest kernel at an address it registered (create_bounce_frame, xen/arch/x86/x86_64/entry.S).
 *
 *     low                                                                            high
 *     | rcx | r11 | [error code] | rip | cs, upcall mask << 32 | rflags | rsp | ss |
 *
 * The stack is the current one in guest-kernel mode, else kernel_sp; aligned down to 16 first. A guest whose stack cannot take the
 * frame, or that has no entry, dies.
 */
import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_SS,
  TRAP_gp_fault,
  TRAP_invalid_op,
  TRAP_nmi,
  TRAP_no_device,
  TRAP_page_fault,
  VGCF_syscall_disables_events,
  VMASST_TYPE_architectural_iopl,
} from '@port-xen/abi';
import { type BytesMemory, st64 } from '@port-xen/layout';
import { isCanonicalAddress, R11, RCX, type Registers, RFLAGS, RIP, RSP } from '@port-xen/vcpu';
import { copyToGuest } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

const RPL = 3;
const EFLAGS_IF = 0x200;
export const EFLAGS_IOPL = 0x3000;
export const IOPL_SHIFT = 12;
/** TF, NT, RF, VM, AC: cleared on entry. */
const EFLAGS_CLEARED = 0x100 | 0x4000 | 0x10000 | 0x20000 | 0x40000;
/** Vectors from here on are `int n` only. */
const SOFTWARE_VECTORS = 32;
const TI_DPL = 3;
/** trap_info.flags: events are masked on entry. */
export const TI_MASK = 4;
const HAS_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
/** IDT in a selector error code. */
const ERROR_IDT = 2;

const putRegister = (memory: BytesMemory, at: number, r: Registers, register: number): void => {
  memory.st32(at, r.low(register));
  memory.st32(at + 4, r.high(register));
};

/** cs as a frame shows it: without RPL from guest-kernel mode, which is how a handler knows. */
export const pushedCs = ({ kernelMode, registers }: GuestVcpu): number =>
  kernelMode ? registers.cs & ~RPL : registers.cs | RPL;

/** rflags as a frame shows them: IF is "events are not masked", IOPL only for who asked to see it. */
export const pushedFlags = (vcpu: GuestVcpu): number => {
  const flags = vcpu.registers.low(RFLAGS) & ~(EFLAGS_IF | EFLAGS_IOPL);
  const iopl = vcpu.domain.hasAssist(VMASST_TYPE_architectural_iopl) ? vcpu.iopl << IOPL_SHIFT : 0;
  return flags | iopl | (vcpu.upcallMask === 0 ? EFLAGS_IF : 0);
};

/**
 * Pushes the first `size` bytes of the vCPU's `frame` on a guest-kernel stack, in guest-kernel mode from here on.
 * @param to where the frame begins @returns false when the stack cannot take it: the domain is dead
 */
export const pushFrame = (vcpu: GuestVcpu, to: number, size: number): boolean => {
  vcpu.mmu.kernelMode = true;
  if (copyToGuest(vcpu, to, vcpu.frame.bytes, size)) {
    vcpu.registers.set(RSP, to);
    return true;
  }
  vcpu.domain.crash('its stack cannot take the frame of an interrupt or exception');
  return false;
};

/** Goes on at an address of the guest kernel's. */
export const enterKernel = (vcpu: GuestVcpu, address: number, maskEvents: boolean): void => {
  const { registers: r } = vcpu;
  if (address === 0 || !isCanonicalAddress(address)) {
    vcpu.domain.crash('it has no handler at the address that Xen was to enter');
    return;
  }
  r.set(RIP, address);
  r.cs = FLAT_KERNEL_CS;
  r.ss = FLAT_KERNEL_SS;
  r.setPair(RFLAGS, (r.low(RFLAGS) & ~EFLAGS_CLEARED) | EFLAGS_IF, 0);
  if (maskEvents) vcpu.upcallMask = 1;
};

/**
 * Pushes a bounce frame and enters the guest kernel.
 * @param errorCode undefined when the frame has none
 */
const bounce = (
  vcpu: GuestVcpu,
  address: number,
  maskEvents: boolean,
  errorCode: number | undefined,
): void => {
  const { registers: r, frame } = vcpu;
  const rsp = vcpu.kernelMode ? r.get(RSP) : vcpu.kernelSp;
  const words = errorCode === undefined ? 7 : 8;
  putRegister(frame, 0, r, RCX);
  putRegister(frame, 8, r, R11);
  if (errorCode !== undefined) st64(frame, 16, errorCode);
  const at = 8 * (words - 5);
  putRegister(frame, at, r, RIP);
  frame.st32(at + 8, pushedCs(vcpu));
  frame.st32(at + 12, vcpu.upcallMask);
  frame.st32(at + 16, pushedFlags(vcpu));
  frame.st32(at + 20, 0);
  putRegister(frame, at + 24, r, RSP);
  frame.st32(at + 32, r.ss);
  frame.st32(at + 36, 0);
  const to = Math.floor(rsp / 16) * 16 - 8 * words;
  if (pushFrame(vcpu, to, 8 * words)) enterKernel(vcpu, address, maskEvents);
};

/**
 * An exception of the guest's, or an `int n` that rip is past: to its trap table. An `int n` whose entry has too low a DPL
 * (1 for the guest kernel, 3 for its user) is #GP at the instruction.
 */
export const deliverException = (
  vcpu: GuestVcpu,
  vector: number,
  errorCode: number,
  cr2: number,
): void => {
  const { registers: r } = vcpu;
  const entry = vcpu.traps[vector];
  if (vector >= SOFTWARE_VECTORS) {
    const dpl = (entry?.flags ?? 0) & TI_DPL;
    if (dpl < (vcpu.kernelMode ? 1 : RPL)) {
      r.set(RIP, r.get(RIP) - 2);
      deliverException(vcpu, TRAP_gp_fault, vector * 8 + ERROR_IDT, 0);
      return;
    }
  }
  if (vector === TRAP_page_fault) {
    vcpu.cr2 = cr2;
    st64(vcpu.domain.host.memory, vcpu.infoAddress + vcpu.domain.layout.cr2, cr2);
  }
  if (vector === TRAP_no_device) vcpu.taskSwitched = false;
  if (entry === undefined) {
    vcpu.domain.crash(`exception ${vector} and no trap entry for it`);
    return;
  }
  const masks = (entry.flags & TI_MASK) !== 0;
  bounce(vcpu, entry.address, masks, HAS_ERROR.has(vector) ? errorCode : undefined);
};

/** SYSCALL in guest-user mode: to the syscall callback; without one it is no instruction. */
export const bounceSyscall = (vcpu: GuestVcpu): void => {
  const { registers: r } = vcpu;
  if (vcpu.syscallCallback === 0) {
    r.set(RIP, r.get(RIP) - 2);
    deliverException(vcpu, TRAP_invalid_op, 0, 0);
    return;
  }
  const masks = (vcpu.vgcfFlags & VGCF_syscall_disables_events) !== 0;
  bounce(vcpu, vcpu.syscallCallback, masks, undefined);
};

/** What is due on the way back to the guest: an NMI, then the event upcall. @returns whether the upcall was */
export const deliverEvents = (vcpu: GuestVcpu): boolean => {
  const nmi = vcpu.traps[TRAP_nmi];
  if (vcpu.nmiPending && !vcpu.inNmi && nmi !== undefined) {
    vcpu.nmiPending = false;
    vcpu.inNmi = true;
    bounce(vcpu, nmi.address, (nmi.flags & TI_MASK) !== 0, undefined);
  }
  if (!vcpu.upcallDeliverable) return false;
  bounce(vcpu, vcpu.eventCallback, true, undefined);
  return true;
};
