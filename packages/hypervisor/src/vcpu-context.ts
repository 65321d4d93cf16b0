/*
 * Giving a vCPU its context (XEN_DOMCTL_setvcpucontext, VCPUOP_initialise; arch_set_info_guest of xen/arch/x86/domain.c), and taking
 * it back.
 *
 * Every address is checked; the GDT's frames and the two L4s get typed references; nothing is changed when something is refused.
 */
import {
  VGCF_in_kernel,
  VGCF_online,
  VMASST_TYPE_m2p_strict,
  vcpu_guest_context,
  XEN_EINVAL,
  XEN_EOPNOTSUPP,
} from '@port-xen/abi';
import { BytesMemory, ldI64, ldU64 } from '@port-xen/layout';
import { isCanonical, RFLAGS, RIP, RSP } from '@port-xen/vcpu';
import { CR0_TS, FXSAVE, GENERAL, TRAPS, USER } from './context-layout.ts';
import { destroyGdt, installGdt, setLdt } from './descriptors.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import {
  DR_CONTROL_RESERVED_ONE,
  DR_STATUS_RESERVED_ONE,
  writeDebugreg,
} from './processor-state.ts';
import { dropRoots, installRoots } from './roots.ts';
import { EFLAGS_IOPL, IOPL_SHIFT } from './trap.ts';

const o = vcpu_guest_context.offset;
const RPL = 3;
const EFLAGS_IF = 0x200;
/** Bit 1 of rflags reads as 1. */
const EFLAGS_MBS = 2;
const GDT_ENTRIES_PER_FRAME = 512;

/** Whether every address of a context is canonical. */
const addressesAreCanonical = (m: BytesMemory): boolean => {
  const at = [
    o.user_regs + USER.rip,
    o.user_regs + USER.rsp,
    o.kernel_sp,
    o.event_callback_eip,
    o.failsafe_callback_eip,
    o.syscall_callback_eip,
    o.fs_base,
    o.gs_base_kernel,
    o.gs_base_user,
    o.ldt_base,
  ];
  for (let vector = 0; vector < TRAPS; vector++) at.push(o.trap_ctxt + 16 * vector + 8);
  return at.every((offset) => isCanonical(m.ld32(offset + 4)));
};

/** The frames a context's GDT names. */
const gdtOf = (m: BytesMemory): { mfns: number[]; entries: number } => {
  const entries = ldU64(m, o.gdt_ents);
  const frames = Math.min(16, Math.ceil(entries / GDT_ENTRIES_PER_FRAME));
  return {
    entries,
    mfns: Array.from({ length: frames }, (_, i) => ldU64(m, o.gdt_frames + 8 * i)),
  };
};

const frameOf = (m: BytesMemory, at: number): number => Math.floor(ldU64(m, at) / 4096);

/**
 * Gives a vCPU its context. On one that has one already the address spaces and descriptor tables must be the same.
 * @param context 5168 bytes
 * @returns 0, -EINVAL or -EOPNOTSUPP; nothing is changed then
 */
export const applyContext = (vcpu: GuestVcpu, context: Uint8Array): number => {
  const m = new BytesMemory(context);
  if (context.length !== vcpu_guest_context.size || !addressesAreCanonical(m)) return -XEN_EINVAL;
  const flags = m.ld32(o.flags);
  const kernel = frameOf(m, o.ctrlreg + 24);
  const user = frameOf(m, o.ctrlreg + 8);
  const gdt = gdtOf(m);
  const ldt = { base: ldI64(m, o.ldt_base), entries: ldU64(m, o.ldt_ents) };
  const { mmu } = vcpu;
  if (vcpu.initialised) {
    const same =
      kernel === mmu.kernelRoot &&
      user === Math.max(0, mmu.userRoot) &&
      gdt.entries === vcpu.gdtEntries &&
      gdt.mfns.every((mfn, i) => mfn === vcpu.gdtFrames[i]) &&
      ldt.entries === vcpu.ldtEntries &&
      ldt.base === vcpu.ldtBase;
    if (!same) return -XEN_EOPNOTSUPP;
  } else {
    // User mode needs an address space of its own.
    if (user === 0 && (flags & VGCF_in_kernel) === 0) return -XEN_EINVAL;
    const strict = vcpu.domain.m2pStrict;
    if (vcpu.id === 0)
      vcpu.domain.setVmAssist(VMASST_TYPE_m2p_strict, (m.ld32(o.vm_assist + 4) & 1) !== 0);
    const rc = installDescriptors(vcpu, gdt, ldt) || installRoots(vcpu, kernel, user);
    if (rc !== 0) {
      destroyGdt(vcpu);
      vcpu.ldtEntries = 0;
      vcpu.domain.setVmAssist(VMASST_TYPE_m2p_strict, strict);
      return rc;
    }
  }
  load(vcpu, m, flags);
  if (!vcpu.initialised && vcpu.id === 0) vcpu.domain.vmAssist = m.ld32(o.vm_assist) & 0x3f;
  vcpu.initialised = true;
  vcpu.online = (flags & VGCF_online) !== 0;
  vcpu.domain.xen.contextSet(vcpu);
  return 0;
};

/** vcpu_reset: as it was created, without address spaces or descriptor tables. */
export const resetContext = (vcpu: GuestVcpu): void => {
  vcpu.online = false;
  vcpu.initialised = false;
  vcpu.nmiPending = false;
  vcpu.inNmi = false;
  if (vcpu.blocked) vcpu.unblock();
  vcpu.halt();
  destroyGdt(vcpu);
  vcpu.ldtEntries = 0;
  dropRoots(vcpu);
};

const installDescriptors = (
  vcpu: GuestVcpu,
  gdt: { mfns: number[]; entries: number },
  ldt: { base: number; entries: number },
): number => {
  if (gdt.entries > 7168 || ldt.entries > 8192) return -XEN_EINVAL;
  const rc = gdt.entries > 0 ? installGdt(vcpu, gdt.mfns, gdt.entries) : 0;
  if (rc !== 0 || ldt.entries === 0) return rc;
  return setLdt(vcpu, ldt.base, ldt.entries);
};

/** Everything that takes no references. */
const load = (vcpu: GuestVcpu, m: BytesMemory, flags: number): void => {
  const { registers: r } = vcpu;
  const u = o.user_regs;
  const get = (register: number, at: number): void =>
    r.setPair(register, m.ld32(at), m.ld32(at + 4));
  GENERAL.forEach((register, i) => {
    get(register, u + 8 * i);
  });
  get(RIP, u + USER.rip);
  get(RSP, u + USER.rsp);
  const rflags = m.ld32(u + USER.rflags);
  vcpu.iopl = (rflags & EFLAGS_IOPL) >>> IOPL_SHIFT;
  r.setPair(RFLAGS, (rflags & ~EFLAGS_IOPL) | EFLAGS_IF | EFLAGS_MBS, 0);
  r.cs = m.ld16(u + USER.cs) | RPL;
  r.ss = m.ld16(u + USER.ss) | RPL;
  r.es = m.ld16(u + USER.es);
  r.ds = m.ld16(u + USER.ds);
  r.fs = m.ld16(u + USER.fs);
  r.gs = m.ld16(u + USER.gs);
  vcpu.xsave.set(m.bytes.subarray(o.fpu_ctxt, o.fpu_ctxt + FXSAVE));
  vcpu.traps.length = 0;
  for (let vector = 0; vector < TRAPS; vector++) {
    const at = o.trap_ctxt + 16 * vector;
    const address = ldI64(m, at + 8);
    if (address === 0) continue;
    vcpu.traps[vector] = { flags: m.ld8(at + 1), cs: m.ld16(at + 2) | RPL, address };
  }
  vcpu.kernelSs = m.ld16(o.kernel_ss) | RPL;
  vcpu.kernelSp = ldI64(m, o.kernel_sp);
  vcpu.taskSwitched = (m.ld32(o.ctrlreg) & CR0_TS) !== 0;
  vcpu.cr2 = ldI64(m, o.ctrlreg + 16);
  // What cannot be set is left as it is at reset.
  [0, 0, 0, 0, 0, 0, DR_STATUS_RESERVED_ONE, DR_CONTROL_RESERVED_ONE].forEach((value, i) => {
    vcpu.debugRegisters[i] = value;
  });
  for (let i = 0; i < 8; i++) writeDebugreg(vcpu, i, ldI64(m, o.debugreg + 8 * i));
  vcpu.eventCallback = ldI64(m, o.event_callback_eip);
  vcpu.failsafeCallback = ldI64(m, o.failsafe_callback_eip);
  vcpu.syscallCallback = ldI64(m, o.syscall_callback_eip);
  vcpu.vgcfFlags = flags;
  vcpu.fsBase = ldI64(m, o.fs_base);
  vcpu.gsBaseKernel = ldI64(m, o.gs_base_kernel);
  vcpu.gsBaseUser = ldI64(m, o.gs_base_user);
  vcpu.mmu.kernelMode = (flags & VGCF_in_kernel) !== 0;
};
