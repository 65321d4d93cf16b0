/*
 * A vCPU as struct vcpu_guest_context (XEN_DOMCTL_getvcpucontext, setvcpucontext; VCPUOP_initialise).
 *
 * Getting states what is; setting checks every address, takes typed references on the GDT's frames and on the two L4s, and changes
 * nothing when something is refused.
 */
import {
  VGCF_i387_valid,
  VGCF_in_kernel,
  VGCF_online,
  VMASST_TYPE_m2p_strict,
  vcpu_guest_context,
  XEN_EINVAL,
  XEN_EOPNOTSUPP,
} from '@port-xen/abi';
import { BytesMemory, ldI64, ldU64, st64 } from '@port-xen/layout';
import {
  isCanonical,
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
  RFLAGS,
  RIP,
  RSI,
  RSP,
} from '@port-xen/vcpu';
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
const FXSAVE = 512;
const CR0 = 0x80050033;
const CR0_TS = 8;
const CR4 = 0x2660;
const RPL = 3;
const EFLAGS_IF = 0x200;
/** Bit 1 of rflags reads as 1. */
const EFLAGS_MBS = 2;
const TRAPS = 256;
const GDT_ENTRIES_PER_FRAME = 512;

/** Registers in the order of struct cpu_user_regs. */
const GENERAL = [R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI];

/** Offsets within user_regs. */
const USER = {
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
};

/** Writes the context of a vCPU. */
export const readContext = (vcpu: GuestVcpu): Uint8Array => {
  const bytes = new Uint8Array(vcpu_guest_context.size);
  const m = new BytesMemory(bytes);
  const { registers: r, mmu } = vcpu;
  bytes.set(vcpu.xsave.subarray(0, FXSAVE), o.fpu_ctxt);
  st64(
    m,
    o.flags,
    (vcpu.vgcfFlags & ~(VGCF_in_kernel | VGCF_online)) |
      VGCF_i387_valid |
      (vcpu.kernelMode ? VGCF_in_kernel : 0) |
      (vcpu.online ? VGCF_online : 0),
  );
  const put = (at: number, register: number): void => {
    m.st32(at, r.low(register));
    m.st32(at + 4, r.high(register));
  };
  GENERAL.forEach((register, i) => {
    put(o.user_regs + 8 * i, register);
  });
  const u = o.user_regs;
  put(u + USER.rip, RIP);
  put(u + USER.rflags, RFLAGS);
  m.st32(u + USER.rflags, r.low(RFLAGS) | (vcpu.iopl << IOPL_SHIFT));
  put(u + USER.rsp, RSP);
  m.st16(u + USER.cs, r.cs);
  m.st8(u + USER.mask, vcpu.upcallMask);
  m.st16(u + USER.ss, r.ss);
  m.st16(u + USER.es, r.es);
  m.st16(u + USER.ds, r.ds);
  m.st16(u + USER.fs, r.fs);
  m.st16(u + USER.gs, r.gs);
  for (let vector = 0; vector < TRAPS; vector++) {
    const trap = vcpu.traps[vector];
    if (trap === undefined) continue;
    const at = o.trap_ctxt + 16 * vector;
    m.st8(at, vector);
    m.st8(at + 1, trap.flags);
    m.st16(at + 2, trap.cs);
    st64(m, at + 8, trap.address);
  }
  st64(m, o.ldt_base, vcpu.ldtBase);
  st64(m, o.ldt_ents, vcpu.ldtEntries);
  vcpu.gdtFrames.forEach((mfn, i) => {
    if (mfn >= 0) st64(m, o.gdt_frames + 8 * i, mfn);
  });
  st64(m, o.gdt_ents, vcpu.gdtEntries);
  st64(m, o.kernel_ss, vcpu.kernelSs);
  st64(m, o.kernel_sp, vcpu.kernelSp);
  const control = [
    (CR0 | (vcpu.taskSwitched ? CR0_TS : 0)) >>> 0,
    mmu.userRoot < 0 ? 0 : mmu.userRoot * 4096,
    vcpu.cr2,
    mmu.kernelRoot < 0 ? 0 : mmu.kernelRoot * 4096,
    CR4,
  ];
  control.forEach((value, i) => {
    st64(m, o.ctrlreg + 8 * i, value);
  });
  vcpu.debugRegisters.forEach((value, i) => {
    st64(m, o.debugreg + 8 * i, value);
  });
  st64(m, o.event_callback_eip, vcpu.eventCallback);
  st64(m, o.failsafe_callback_eip, vcpu.failsafeCallback);
  st64(m, o.syscall_callback_eip, vcpu.syscallCallback);
  m.st32(o.vm_assist, vcpu.domain.vmAssist);
  m.st32(o.vm_assist + 4, vcpu.domain.m2pStrict ? 1 : 0);
  st64(m, o.fs_base, vcpu.fsBase);
  st64(m, o.gs_base_kernel, vcpu.gsBaseKernel);
  st64(m, o.gs_base_user, vcpu.gsBaseUser);
  return bytes;
};

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
