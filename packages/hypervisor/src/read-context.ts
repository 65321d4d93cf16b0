/*
 * A vCPU as struct vcpu_guest_context: what is (XEN_DOMCTL_getvcpucontext, arch_get_info_guest of xen/arch/x86/domctl.c).
 */
import { VGCF_i387_valid, VGCF_in_kernel, VGCF_online, vcpu_guest_context } from '@port-xen/abi';
import { BytesMemory, st64 } from '@port-xen/layout';
import { RFLAGS, RIP, RSP } from '@port-xen/vcpu';
import { CR0, CR0_TS, CR4, FXSAVE, GENERAL, TRAPS, USER } from './context-layout.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import { IOPL_SHIFT } from './trap.ts';

const o = vcpu_guest_context.offset;

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
