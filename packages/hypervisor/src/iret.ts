/*
 * HYPERVISOR_iret (do_iret, xen/arch/x86/pv/iret.c): how a guest kernel leaves a handler, for user mode or for where it was.
 *
 *     rsp ──► | rax | r11 | rcx | flags | rip | cs | rflags | rsp | ss |
 *
 * RPL 3 in cs means user mode. rflags.IF becomes the upcall mask. With VGCF_in_syscall Xen leaves by SYSRET: rcx and r11 are not
 * restored, they hold rip and rflags, and cs and ss are the flat ones. Selectors that the processor refuses are #GP at the target.
 */
import {
  FLAT_USER_CS32,
  FLAT_USER_CS64,
  FLAT_USER_SS,
  iret_context,
  TRAP_gp_fault,
  VGCF_in_syscall,
  VMASST_TYPE_architectural_iopl,
} from '@port-xen/abi';
import { R11, RAX, RCX, RFLAGS, RIP, RSP } from '@port-xen/vcpu';
import { copyFromGuest } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { isCodeSegment, isStackSegment } from './segments.ts';
import { deliverException, EFLAGS_IOPL, IOPL_SHIFT } from './trap.ts';

const RPL = 3;
const EFLAGS_IF = 0x200;
const EFLAGS_VM = 0x20000;
/** Bit 1 of rflags reads as 1. */
const EFLAGS_MBS = 2;

const o = iret_context.offset;

export const iret = (vcpu: GuestVcpu): void => {
  const { registers: r, domain, frame } = vcpu;
  if (!copyFromGuest(vcpu, r.get(RSP), frame.bytes, iret_context.size)) {
    domain.crash('iret: its stack has no frame');
    return;
  }
  const load = (register: number, at: number): void =>
    r.setPair(register, frame.ld32(at), frame.ld32(at + 4));
  const cs = frame.ld16(o.cs);
  const rflags = frame.ld32(o.rflags);
  if ((cs & RPL) === RPL) {
    if (vcpu.mmu.userRoot < 0) {
      domain.crash('iret to user mode without user page tables');
      return;
    }
    vcpu.mmu.kernelMode = false;
  }
  if (domain.hasAssist(VMASST_TYPE_architectural_iopl)) {
    vcpu.iopl = (rflags & EFLAGS_IOPL) >>> IOPL_SHIFT;
  }
  load(RAX, o.rax);
  load(RIP, o.rip);
  load(RSP, o.rsp);
  r.setPair(RFLAGS, (rflags & ~(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF | EFLAGS_MBS, 0);
  vcpu.upcallMask = (rflags & EFLAGS_IF) === 0 ? 1 : 0;
  vcpu.inNmi = false;
  if ((frame.ld32(o.flags) & VGCF_in_syscall) !== 0) {
    r.setPair(RCX, r.low(RIP), r.high(RIP));
    r.setPair(R11, r.low(RFLAGS), r.high(RFLAGS));
    r.cs = (cs | RPL) === FLAT_USER_CS32 ? FLAT_USER_CS32 : FLAT_USER_CS64;
    r.ss = FLAT_USER_SS;
    return;
  }
  load(R11, o.r11);
  load(RCX, o.rcx);
  r.cs = cs | RPL;
  r.ss = frame.ld16(o.ss) | RPL;
  const refused = !isCodeSegment(vcpu, r.cs) ? r.cs : !isStackSegment(vcpu, r.ss) ? r.ss : -1;
  if (refused >= 0) deliverException(vcpu, TRAP_gp_fault, refused & ~RPL, 0);
};
