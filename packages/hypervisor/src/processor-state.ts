/*
 * Hypercalls about the calling vCPU's own registers: stack_switch, set_segment_base, fpu_taskswitch, set_debugreg, get_debugreg
 * (xen/arch/x86/pv/misc-hypercalls.c).
 *
 *   dr0 … dr3   addresses of the guest's (-EPERM)
 *   dr6 (dr4)   32 bits; bits 4-11 and 16-31 read as 1, bit 12 as 0
 *   dr7 (dr5)   32 bits; bit 10 reads as 1, 11, 12, 14, 15 as 0; GD, and I/O breakpoints, which need CR4.DE: -EPERM
 */
import {
  SEGBASE_FS,
  SEGBASE_GS_KERNEL,
  SEGBASE_GS_USER,
  SEGBASE_GS_USER_SEL,
  XEN_EINVAL,
  XEN_ENODEV,
  XEN_EPERM,
} from '@port-xen/abi';
import { isCanonical } from '@port-xen/vcpu';
import { isGuestAddress } from './guest-copy.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import type { HypercallArgs } from './hypercall-args.ts';
import { isLoadable } from './segments.ts';

const RPL = 3;
const DR_STATUS_RESERVED_ZERO = 0x1000;
export const DR_STATUS_RESERVED_ONE = 0xffff_0ff0;
const DR_CONTROL_RESERVED_ZERO = 0xd800;
export const DR_CONTROL_RESERVED_ONE = 0x400;
const DR_GENERAL_DETECT = 0x2000;
const DR7_ACTIVE_MASK = 0xff;
const DR_IO = 2;
const TWO_32 = 2 ** 32;

/** HYPERVISOR_stack_switch(ss, rsp): where entries from user mode push. */
export const stackSwitch = (vcpu: GuestVcpu, args: HypercallArgs): number => {
  vcpu.kernelSs = (args.int(0) & 0xffff) | RPL;
  vcpu.kernelSp = args.number(1);
  return 0;
};

/** HYPERVISOR_set_segment_base(which, base). A selector that cannot be loaded becomes 0, without an error. */
export const setSegmentBase = (vcpu: GuestVcpu, args: HypercallArgs): number => {
  const which = args.int(0);
  const base = args.number(1);
  if (which === SEGBASE_GS_USER_SEL) {
    const selector = args.int(1) & 0xffff;
    vcpu.registers.gs = isLoadable(vcpu, selector) ? selector : 0;
    return 0;
  }
  if (!isCanonical(args.highOf(1))) return -XEN_EINVAL;
  switch (which) {
    case SEGBASE_FS:
      vcpu.fsBase = base;
      return 0;
    case SEGBASE_GS_USER:
      vcpu.gsBaseUser = base;
      return 0;
    case SEGBASE_GS_KERNEL:
      vcpu.gsBaseKernel = base;
      return 0;
    default:
      return -XEN_EINVAL;
  }
};

/** HYPERVISOR_fpu_taskswitch(set): CR0.TS. */
export const fpuTaskswitch = (vcpu: GuestVcpu, args: HypercallArgs): number => {
  vcpu.taskSwitched = args.int(0) !== 0;
  return 0;
};

/** HYPERVISOR_set_debugreg(register, value). CR4.DE is off: 4 and 5 are other names of 6 and 7. */
export const setDebugreg = (vcpu: GuestVcpu, args: HypercallArgs): number =>
  writeDebugreg(vcpu, args.unsigned(0), args.number(1));

/** @param value signed 64 bits @returns 0, -ENODEV: no such register, -EINVAL: more than 32 bits, -EPERM */
export const writeDebugreg = (vcpu: GuestVcpu, register: number, value: number): number => {
  const { debugRegisters } = vcpu;
  switch (register) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (!isGuestAddress(value)) return -XEN_EPERM;
      debugRegisters[register] = value;
      return 0;
    case 4:
    case 6:
      if (!(value >= 0 && value < TWO_32)) return -XEN_EINVAL;
      debugRegisters[6] = ((value & ~DR_STATUS_RESERVED_ZERO) | DR_STATUS_RESERVED_ONE) >>> 0;
      return 0;
    case 5:
    case 7: {
      if (!(value >= 0 && value < TWO_32)) return -XEN_EINVAL;
      const control = (value & ~DR_CONTROL_RESERVED_ZERO) | DR_CONTROL_RESERVED_ONE;
      if ((control & DR_GENERAL_DETECT) !== 0 || watchesIo(control)) return -XEN_EPERM;
      debugRegisters[7] = control >>> 0;
      return 0;
    }
    default:
      return -XEN_ENODEV;
  }
};

/** Whether an active DR7 has a breakpoint on I/O. */
const watchesIo = (control: number): boolean => {
  if ((control & DR7_ACTIVE_MASK) === 0) return false;
  for (let shift = 16; shift < 32; shift += 4) {
    if (((control >>> shift) & 3) === DR_IO) return true;
  }
  return false;
};

/** HYPERVISOR_get_debugreg(register). */
export const getDebugreg = (vcpu: GuestVcpu, args: HypercallArgs): number => {
  const register = args.unsigned(0);
  const number = register === 4 ? 6 : register === 5 ? 7 : register;
  return vcpu.debugRegisters[number] ?? -XEN_ENODEV;
};
