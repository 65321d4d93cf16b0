/*
 * Entering the guest at an address it registered (create_bounce_frame, xen/arch/x86/pv/traps.c) and returning by iret.
 *
 *     low                                                                            high
 *     | rcx | r11 | [error code] | rip | cs, upcall mask << 32 | rflags | rsp | ss |
 *
 * The stack is the current one in guest-kernel mode, else kernel_sp; aligned down to 16 first. A guest whose stack cannot take the
 * frame, or that has no entry, dies.
 */
import { iret_context, vcpu_info } from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';
import {
  isCanonicalAddress,
  PageFault,
  R11,
  RAX,
  RCX,
  type Registers,
  RFLAGS,
  RIP,
  RSP,
} from '@port-xen/vcpu';
import { copyFromGuest } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';

const FLAT_KERNEL_CS = 0xe033;
const FLAT_KERNEL_SS = 0xe02b;
const RPL = 3;
const EFLAGS_IF = 0x200;
const EFLAGS_IOPL = 0x3000;
/** TF, NT, RF, VM, AC: cleared on entry. */
const EFLAGS_CLEARED = 0x100 | 0x4000 | 0x10000 | 0x20000 | 0x40000;
const TRAP_invalid_op = 6;
const TRAP_page_fault = 14;
const TI_MASK = 4;
const VGCF_in_syscall = 0x100;
const HAS_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);

const putRegister = (memory: BytesMemory, at: number, r: Registers, register: number): void => {
  memory.st32(at, r.low(register));
  memory.st32(at + 4, r.high(register));
};

/**
 * Pushes a bounce frame and enters the guest kernel.
 * @param errorCode undefined when the frame has none
 */
export const bounce = (
  vcpu: GuestVcpu,
  address: number,
  maskEvents: boolean,
  errorCode: number | undefined,
): void => {
  const { registers: r, domain } = vcpu;
  if (address === 0 || !isCanonicalAddress(address)) {
    domain.crash('it has no handler at the address that Xen was to enter');
    return;
  }
  const fromKernel = vcpu.kernelMode;
  const rsp = fromKernel ? r.get(RSP) : vcpu.kernelSp;
  const words = errorCode === undefined ? 7 : 8;
  const bytes = new Uint8Array(8 * words);
  const frame = new BytesMemory(bytes);
  const mask = vcpu.upcallMask & 0xff;
  putRegister(frame, 0, r, RCX);
  putRegister(frame, 8, r, R11);
  if (errorCode !== undefined) st64(frame, 16, errorCode);
  const at = 8 * (words - 5);
  putRegister(frame, at, r, RIP);
  frame.st32(at + 8, fromKernel ? r.cs & ~RPL : r.cs | RPL);
  frame.st32(at + 12, mask);
  frame.st32(at + 16, (r.low(RFLAGS) & ~(EFLAGS_IF | EFLAGS_IOPL)) | (mask === 0 ? EFLAGS_IF : 0));
  putRegister(frame, at + 24, r, RSP);
  frame.st32(at + 32, r.ss);
  const to = Math.floor(rsp / 16) * 16 - bytes.length;
  vcpu.mmu.kernelMode = true;
  try {
    if (!isCanonicalAddress(to) || (to >= -0x8000_0000_0000 && to < -0x7800_0000_0000)) {
      throw new PageFault(to, 2);
    }
    vcpu.mmu.writeForXen(to, bytes);
  } catch (error) {
    if (!(error instanceof PageFault)) throw error;
    domain.crash('its stack cannot take the frame of an interrupt or exception');
    return;
  }
  r.set(RSP, to);
  r.set(RIP, address);
  r.cs = FLAT_KERNEL_CS;
  r.ss = FLAT_KERNEL_SS;
  r.setPair(RFLAGS, (r.low(RFLAGS) & ~EFLAGS_CLEARED) | EFLAGS_IF, 0);
  if (maskEvents) vcpu.upcallMask = 1;
};

/** An exception of the guest's: to its trap table. */
export const deliverException = (
  vcpu: GuestVcpu,
  vector: number,
  errorCode: number,
  cr2: number,
): void => {
  const entry = vcpu.traps[vector];
  if (vector === TRAP_page_fault) {
    st64(vcpu.domain.host.memory, vcpu.infoAddress + vcpu_info.offset.arch, cr2);
  }
  if (entry === undefined || entry.address === 0) {
    vcpu.domain.crash(`exception ${vector} and no trap entry for it`);
    return;
  }
  bounce(
    vcpu,
    entry.address,
    (entry.flags & TI_MASK) !== 0,
    HAS_ERROR.has(vector) ? errorCode : undefined,
  );
};

/** SYSCALL in guest-user mode: to the syscall callback. */
export const bounceSyscall = (vcpu: GuestVcpu): void => {
  const { registers: r } = vcpu;
  if (vcpu.syscallCallback === 0) {
    r.set(RIP, r.get(RIP) - 2);
    deliverException(vcpu, TRAP_invalid_op, 0, 0);
    return;
  }
  r.setPair(RCX, r.low(RIP), r.high(RIP));
  r.setPair(R11, r.low(RFLAGS), r.high(RFLAGS));
  bounce(vcpu, vcpu.syscallCallback, vcpu.syscallMasks, undefined);
};

/** The event upcall, if one is pending and not masked. @returns whether it was delivered */
export const deliverUpcall = (vcpu: GuestVcpu): boolean => {
  if (!vcpu.upcallDeliverable || vcpu.eventCallback === 0) return false;
  bounce(vcpu, vcpu.eventCallback, true, undefined);
  return true;
};

/** HYPERVISOR_iret. rax is restored with everything else. */
export const iret = (vcpu: GuestVcpu): void => {
  const { registers: r, domain } = vcpu;
  const bytes = new Uint8Array(iret_context.size);
  if (!copyFromGuest(vcpu, r.get(RSP), bytes)) {
    domain.crash('iret: its stack has no frame');
    return;
  }
  const memory = new BytesMemory(bytes);
  const o = iret_context.offset;
  const load = (register: number, at: number): void =>
    r.setPair(register, memory.ld32(at), memory.ld32(at + 4));
  const cs = memory.ld16(o.cs);
  const toUser = (cs & RPL) === RPL;
  if (toUser && vcpu.mmu.userRoot < 0) {
    domain.crash('iret to user mode without user page tables');
    return;
  }
  const flags = memory.ld32(o.flags);
  const rflags = memory.ld32(o.rflags);
  if ((flags & VGCF_in_syscall) === 0) {
    load(R11, o.r11);
    load(RCX, o.rcx);
  }
  load(RAX, o.rax);
  load(RIP, o.rip);
  load(RSP, o.rsp);
  r.setPair(RFLAGS, (rflags & ~EFLAGS_IOPL) | EFLAGS_IF | 2, 0);
  r.cs = cs | RPL;
  r.ss = memory.ld16(o.ss) | RPL;
  if (toUser) vcpu.mmu.kernelMode = false;
  vcpu.upcallMask = (rflags & EFLAGS_IF) === 0 ? 1 : 0;
};
