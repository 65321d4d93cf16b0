/*
 * A vCPU as the toolstack saves and restores it.
 *
 * xen/include/public/arch-x86/xen.h, arch-x86/xen-x86_64.h
 */
import { array, bytes, nest, struct, u8, u16, u32, u64 } from '@port-xen/layout';

export const VGCF_I387_VALID = 1;
export const VGCF_i387_valid = 1;
export const VGCF_online = 32;
export const VGCF_IN_KERNEL = 4;
export const VGCF_IN_SYSCALL = 0x100;
export const VGCF_failsafe_disables_events = 8;
export const VGCF_in_kernel = 4;
export const VGCF_in_syscall = 0x100;
export const VGCF_syscall_disables_events = 16;

export const FIRST_RESERVED_GDT_PAGE = 14;
export const FIRST_RESERVED_GDT_ENTRY = 0x1c00;
export const FIRST_RESERVED_GDT_BYTE = 0xe000;

export const FLAT_RING3_DS64 = 0;
export const FLAT_RING3_CS32 = 0xe023;
export const FLAT_RING3_DS32 = 0xe02b;
export const FLAT_RING3_SS32 = 0xe02b;
export const FLAT_RING3_SS64 = 0xe02b;
export const FLAT_RING3_CS64 = 0xe033;
export const FLAT_KERNEL_DS = 0;
export const FLAT_KERNEL_DS64 = 0;
export const FLAT_KERNEL_CS32 = 0xe023;
export const FLAT_KERNEL_DS32 = 0xe02b;
export const FLAT_KERNEL_SS = 0xe02b;
export const FLAT_KERNEL_SS32 = 0xe02b;
export const FLAT_KERNEL_SS64 = 0xe02b;
export const FLAT_KERNEL_CS = 0xe033;
export const FLAT_KERNEL_CS64 = 0xe033;
export const FLAT_USER_DS = 0;
export const FLAT_USER_DS64 = 0;
export const FLAT_USER_CS32 = 0xe023;
export const FLAT_USER_DS32 = 0xe02b;
export const FLAT_USER_SS = 0xe02b;
export const FLAT_USER_SS32 = 0xe02b;
export const FLAT_USER_SS64 = 0xe02b;
export const FLAT_USER_CS = 0xe033;
export const FLAT_USER_CS64 = 0xe033;

export const SEGBASE_FS = 0;
export const SEGBASE_GS_USER = 1;
export const SEGBASE_GS_KERNEL = 2;
export const SEGBASE_GS_USER_SEL = 3;

/** `struct trap_info`, 16 bytes. */
export const trap_info = struct('trap_info', {
  vector: u8,
  flags: u8,
  cs: u16,
  address_: u64,
});

/** `struct cpu_user_regs`, 200 bytes. */
export const cpu_user_regs = struct('cpu_user_regs', {
  r15: u64,
  r14: u64,
  r13: u64,
  r12: u64,
  rbp: u64,
  rbx: u64,
  r11: u64,
  r10: u64,
  r9: u64,
  r8: u64,
  rax: u64,
  rcx: u64,
  rdx: u64,
  rsi: u64,
  rdi: u64,
  error_code: u32,
  entry_vector: u32,
  rip: u64,
  cs: u16,
  _pad0: array(u16, 1),
  saved_upcall_mask: u8,
  _pad1: array(u8, 3),
  rflags: u64,
  rsp: u64,
  ss: u16,
  _pad2: array(u16, 3),
  es: u16,
  _pad3: array(u16, 3),
  ds: u16,
  _pad4: array(u16, 3),
  fs: u16,
  _pad5: array(u16, 3),
  gs: u16,
  _pad6: array(u16, 3),
});

const vcpu_guest_context_fpu_ctxt = struct('vcpu_guest_context_fpu_ctxt', {
  x: bytes(512),
});
/** `struct vcpu_guest_context`, 5168 bytes. */
export const vcpu_guest_context = struct('vcpu_guest_context', {
  fpu_ctxt: nest(vcpu_guest_context_fpu_ctxt),
  flags: u64,
  user_regs: nest(cpu_user_regs),
  trap_ctxt: array(trap_info, 256),
  ldt_base: u64,
  ldt_ents: u64,
  gdt_frames: array(u64, 16),
  gdt_ents: u64,
  kernel_ss: u64,
  kernel_sp: u64,
  ctrlreg: array(u64, 8),
  debugreg: array(u64, 8),
  event_callback_eip: u64,
  failsafe_callback_eip: u64,
  syscall_callback_eip: u64,
  vm_assist: u64,
  fs_base: u64,
  gs_base_kernel: u64,
  gs_base_user: u64,
});

/** `struct iret_context`, 72 bytes. */
export const iret_context = struct('iret_context', {
  rax: u64,
  r11: u64,
  rcx: u64,
  flags: u64,
  rip: u64,
  cs: u64,
  rflags: u64,
  rsp: u64,
  ss: u64,
});
