import {
  __HYPERVISOR_arch_0,
  __HYPERVISOR_console_io,
  __HYPERVISOR_domctl,
  __HYPERVISOR_event_channel_op_compat,
  __HYPERVISOR_fpu_taskswitch,
  __HYPERVISOR_get_debugreg,
  __HYPERVISOR_hvm_op,
  __HYPERVISOR_physdev_op,
  __HYPERVISOR_platform_op,
  __HYPERVISOR_sched_op_compat,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_segment_base,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_sysctl,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  EVTCHNOP_alloc_unbound,
  PHYSDEVOP_eoi,
  PHYSDEVOP_map_pirq,
  PHYSDEVOP_set_iobitmap,
  PHYSDEVOP_set_iopl,
  SEGBASE_FS,
  SEGBASE_GS_KERNEL,
  SEGBASE_GS_USER,
  SEGBASE_GS_USER_SEL,
  XEN_DOMCTL_INTERFACE_VERSION,
  XEN_EACCES,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENODEV,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
  XEN_SYSCTL_INTERFACE_VERSION,
  XENVER_build_id,
  XENVER_commandline,
  XENVER_compile_info,
  XENVER_extraversion,
  XENVER_get_features,
  XENVER_guest_handle,
  XENVER_pagesize,
  XENVER_platform_parameters,
  XENVER_version,
} from '@port-xen/abi';
import { textOf } from '@port-xen/layout';
import { R11, RAX, RCX, RIP } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { ARGS, DOMID_SELF, Machine, NOWHERE, TEXT, va, XEN_VA } from './machine.ts';

const guest = () => new Machine().guest();

describe('dispatch', () => {
  test('HV-HC-1: an unknown number is -ENOSYS, whichever of its 64 bits makes it unknown', () => {
    const g = guest();
    expect(g.call(1000)).toBe(-XEN_ENOSYS);
    expect(g.call(-1)).toBe(-XEN_ENOSYS);
    expect(g.call(11)).toBe(-XEN_ENOSYS);
    expect(g.call(2 ** 32 + __HYPERVISOR_xen_version)).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_hvm_op)).toBe(-XEN_ENOSYS);
  });

  test('HV-HC-2: SYSCALL leaves the address after it in rcx and rflags in r11', () => {
    const g = guest();
    g.call(__HYPERVISOR_xen_version, XENVER_version);
    expect(g.vcpu.registers.get(RCX)).toBe(TEXT + 2);
    expect(g.vcpu.registers.get(R11)).toBe(0x202);
    expect(g.vcpu.registers.get(RIP)).toBe(TEXT + 2);
  });

  test('HV-HC-3: a domain that has ended makes no more hypercalls', () => {
    const g = guest();
    g.domain.shutdown(0);
    expect(g.call(__HYPERVISOR_xen_version, XENVER_version)).toBe(-XEN_EPERM);
  });

  test('HV-HC-4: a hypercall takes 300 ns', () => {
    const g = guest();
    const before = g.machine.sim.now_ns;
    g.call(__HYPERVISOR_xen_version, XENVER_version);
    expect(g.machine.sim.now_ns - before).toBe(300);
    expect(g.vcpu.cpuTime_ns).toBe(300);
  });
});

describe('what is the control domain’s', () => {
  test('HV-HC-10: the struct is read, its version checked, its domain looked up; then it is refused', () => {
    const g = guest();
    for (const [number, version] of [
      [__HYPERVISOR_domctl, XEN_DOMCTL_INTERFACE_VERSION],
      [__HYPERVISOR_sysctl, XEN_SYSCTL_INTERFACE_VERSION],
      [__HYPERVISOR_platform_op, 0x03000001],
    ] as const) {
      expect(g.call(number, NOWHERE)).toBe(-XEN_EFAULT);
      g.words(ARGS, 5, 4711, g.domid, 0);
      expect(g.call(number, ARGS)).toBe(-XEN_EACCES);
      g.words(ARGS, 5, version, g.domid, 0);
      expect(g.call(number, ARGS)).toBe(-XEN_EPERM);
    }
    g.words(ARGS, 5, XEN_DOMCTL_INTERFACE_VERSION, 999, 0);
    expect(g.call(__HYPERVISOR_domctl, ARGS)).toBe(-XEN_ESRCH);
  });

  test('HV-HC-11: console_io and machine checks are refused', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_console_io, 0, 1, ARGS)).toBe(-XEN_EPERM);
    expect(g.call(__HYPERVISOR_arch_0, ARGS)).toBe(-XEN_EPERM);
  });
});

describe('xen_version', () => {
  const version = (cmd: number, arg = 0, g = guest()) => g.call(__HYPERVISOR_xen_version, cmd, arg);

  test('HV-HC-20: version, page size, where Xen begins, handle', () => {
    const g = guest();
    expect(version(XENVER_version)).toBe((4 << 16) | 17);
    expect(version(XENVER_pagesize)).toBe(4096);
    expect(version(XENVER_pagesize, ARGS)).toBe(-XEN_EINVAL);
    expect(version(XENVER_platform_parameters, ARGS, g)).toBe(0);
    expect([g.ld32(ARGS), g.ld32(ARGS + 4)]).toEqual([0, 0xffff8000 | 0]);
    expect(version(XENVER_guest_handle, ARGS, g)).toBe(0);
    expect(g.ld32(ARGS)).toBe(0x07070707);
    for (const cmd of [XENVER_extraversion, XENVER_compile_info, XENVER_guest_handle]) {
      expect(version(cmd, NOWHERE)).toBe(-XEN_EFAULT);
    }
    expect(version(99)).toBe(-XEN_ENOSYS);
  });

  test('HV-HC-21: features of a PV domain; other submaps -EINVAL', () => {
    const g = guest();
    g.words(ARGS, 0, 0);
    expect(version(XENVER_get_features, ARGS, g)).toBe(0);
    expect(g.ld32(ARGS + 4)).toBe(0x000220e0);
    g.call(__HYPERVISOR_vm_assist, 0, 3);
    version(XENVER_get_features, ARGS, g);
    expect(g.ld32(ARGS + 4)).toBe(0x000220f0);
    g.words(ARGS, 1, 0);
    expect(version(XENVER_get_features, ARGS, g)).toBe(-XEN_EINVAL);
  });

  test('HV-HC-22: the command line is denied, the build id not permitted', () => {
    const g = guest();
    expect(version(XENVER_commandline, ARGS, g)).toBe(0);
    const bytes = new Uint8Array(16);
    g.vcpu.mmu.read(ARGS, bytes);
    expect(textOf(bytes)).toBe('<denied>');
    expect(version(XENVER_build_id, ARGS)).toBe(-XEN_EPERM);
  });
});

describe('the processor', () => {
  test('HV-HC-30: vm_assist knows seven types; the type is judged before the command', () => {
    const g = guest();
    for (const type of [0, 1, 2, 3, 4, 5, 32]) {
      expect(g.call(__HYPERVISOR_vm_assist, 0, type)).toBe(0);
      expect(g.call(__HYPERVISOR_vm_assist, 2, type)).toBe(-XEN_ENOSYS);
    }
    expect(g.domain.vmAssist).toBe(0x3f);
    expect(g.domain.m2pStrict).toBe(true);
    expect(g.call(__HYPERVISOR_vm_assist, 1, 2)).toBe(0);
    expect(g.domain.writablePagetables).toBe(false);
    for (const type of [6, 31, 33, 64]) {
      expect(g.call(__HYPERVISOR_vm_assist, 9, type)).toBe(-XEN_EINVAL);
    }
  });

  test('HV-HC-31: stack_switch takes any stack; ss gets RPL 3', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_stack_switch, 0xe028, va(20))).toBe(0);
    expect(g.vcpu.kernelSs).toBe(0xe02b);
    expect(g.vcpu.kernelSp).toBe(va(20));
    expect(g.call(__HYPERVISOR_stack_switch, 0, 2 ** 50)).toBe(0);
  });

  test('HV-HC-32: set_segment_base takes canonical bases; a selector that cannot be loaded becomes 0', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_set_segment_base, SEGBASE_FS, va(1))).toBe(0);
    expect(g.call(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, va(2))).toBe(0);
    expect(g.call(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, va(3))).toBe(0);
    expect([g.vcpu.fsBase, g.vcpu.gsBaseUser, g.vcpu.gsBaseKernel]).toEqual([va(1), va(2), va(3)]);
    expect(g.call(__HYPERVISOR_set_segment_base, SEGBASE_FS, 2 ** 47)).toBe(-XEN_EINVAL);
    expect(g.vcpu.fsBase).toBe(va(1));
    expect(g.call(__HYPERVISOR_set_segment_base, 4, va(1))).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0xe02b)).toBe(0);
    expect(g.vcpu.registers.gs).toBe(0xe02b);
    expect(g.call(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0x1f)).toBe(0);
    expect(g.vcpu.registers.gs).toBe(0);
  });

  test('HV-HC-33: fpu_taskswitch is CR0.TS; a delivered #NM clears it', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_fpu_taskswitch, 1)).toBe(0);
    expect(g.vcpu.taskSwitched).toBe(true);
    g.vcpu.traps[7] = { flags: 0, cs: 0xe033, address: va(11) };
    g.vcpu.exception(7);
    expect(g.vcpu.taskSwitched).toBe(false);
    g.call(__HYPERVISOR_fpu_taskswitch, 1);
    expect(g.call(__HYPERVISOR_fpu_taskswitch, 0)).toBe(0);
    expect(g.vcpu.taskSwitched).toBe(false);
  });

  test('HV-HC-34: debug registers: addresses of the guest, reserved bits, no I/O and no GD', () => {
    const g = guest();
    const set = (register: number, value: number) =>
      g.call(__HYPERVISOR_set_debugreg, register, value);
    const get = (register: number) => g.call(__HYPERVISOR_get_debugreg, register);
    expect(set(0, va(11))).toBe(0);
    expect(get(0)).toBe(va(11));
    expect(set(3, XEN_VA)).toBe(-XEN_EPERM);
    expect(set(1, 2 ** 60)).toBe(-XEN_EPERM);
    expect(get(6)).toBe(0xffff0ff0);
    expect(set(6, 0x100f)).toBe(0);
    expect(get(6)).toBe(0xffff0fff);
    expect(set(4, 0)).toBe(0);
    expect(get(4)).toBe(0xffff0ff0);
    expect(set(6, 2 ** 32)).toBe(-XEN_EINVAL);
    expect(set(7, 0xd801)).toBe(0);
    expect(get(7)).toBe(0x401);
    expect(get(5)).toBe(0x401);
    expect(set(7, 0x2000)).toBe(-XEN_EPERM);
    expect(set(7, 0x20001)).toBe(-XEN_EPERM);
    expect(set(7, -1)).toBe(-XEN_EINVAL);
    expect(set(8, 0)).toBe(-XEN_ENODEV);
    expect(get(8)).toBe(-XEN_ENODEV);
  });

  test('HV-HC-35: physdev_op: the virtual IOPL is free to all, nothing else is', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, NOWHERE)).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, g.words(ARGS, 4))).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, g.words(ARGS, 1))).toBe(0);
    expect(g.vcpu.iopl).toBe(1);
    const bitmap = g.words(ARGS, ARGS & 0xffffffff, -1, 65536, 0);
    expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, bitmap)).toBe(0);
    g.words(ARGS + 8, 65537);
    expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, ARGS)).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, ARGS)).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, ARGS)).toBe(-XEN_EPERM);
    expect(g.call(__HYPERVISOR_physdev_op, 99, ARGS)).toBe(-XEN_ENOSYS);
  });
});

describe('forms of Xen 2', () => {
  test('HV-HC-40: sched_op_compat has the reason for an argument', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_sched_op_compat, 9)).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_sched_op_compat, 0)).toBe(0);
    expect(g.call(__HYPERVISOR_sched_op_compat, 2, 1)).toBe(0);
    expect(g.domain.shutdownCode).toBe(1);
  });

  test('HV-HC-41: event_channel_op_compat has the command within the struct', () => {
    const g = guest();
    g.words(ARGS, EVTCHNOP_alloc_unbound, (DOMID_SELF << 16) | DOMID_SELF, 0);
    expect(g.call(__HYPERVISOR_event_channel_op_compat, ARGS)).toBe(0);
    expect(g.ld32(ARGS + 8)).toBe(1);
    expect(g.call(__HYPERVISOR_event_channel_op_compat, g.words(ARGS, 10))).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_event_channel_op_compat, NOWHERE)).toBe(-XEN_EFAULT);
    expect(g.vcpu.registers.get(RAX)).toBe(-XEN_EFAULT);
  });
});
