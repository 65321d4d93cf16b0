import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_iret,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_nmi_op,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  CALLBACKOP_register,
  CALLBACKOP_unregister,
  CALLBACKTYPE_event,
  CALLBACKTYPE_failsafe,
  CALLBACKTYPE_nmi,
  CALLBACKTYPE_syscall,
  CALLBACKTYPE_syscall32,
  MMUEXT_NEW_USER_BASEPTR,
  SHUTDOWN_crash,
  TRAP_gp_fault,
  TRAP_invalid_op,
  TRAP_nmi,
  TRAP_page_fault,
  UVMF_INVLPG,
  VCPUOP_send_nmi,
  VGCF_failsafe_disables_events,
  VGCF_in_syscall,
  VMASST_TYPE_architectural_iopl,
  vcpu_info,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@port-xen/abi';
import { ldI64 } from '@port-xen/layout';
import { R11, RAX, RCX, RFLAGS, RIP, RSP } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import {
  ARGS,
  DOMID_SELF,
  type Guest,
  HANDLER,
  Machine,
  NOWHERE,
  STACK,
  TEXT,
  va,
  XEN_VA,
} from './machine.ts';

const guest = () => new Machine().guest();

/** Registers a handler. @param flags DPL and 4: mask events */
const handle = (g: Guest, vector: number, flags = 0, address = HANDLER): void => {
  g.vcpu.traps[vector] = { flags, cs: 0xe033, address };
};

/** MMUEXT_NEW_USER_BASEPTR, one request. */
const newUserBaseptr = (g: Guest, mfn: number): number =>
  g.longs(ARGS, MMUEXT_NEW_USER_BASEPTR, mfn, 0);

const crashed = (g: Guest): boolean =>
  g.domain.isShutDown && g.domain.shutdownCode === SHUTDOWN_crash;

/** The frame of HYPERVISOR_iret at rsp. */
const iret = (g: Guest, frame: Partial<Record<string, number>>): void => {
  const { rax = 1, r11 = 2, rcx = 3, flags = 0, rip = TEXT, cs = 0xe033, rflags = 0x202 } = frame;
  const { rsp = STACK, ss = 0xe02b } = frame;
  const at = va(9) + 512;
  g.longs(at, rax, r11, rcx, flags, rip, cs, rflags, rsp, ss);
  g.vcpu.registers.set(RSP, at);
  g.call(__HYPERVISOR_iret);
};

describe('the trap table', () => {
  test('HV-TRAP-1: entries up to one without an address; a null table forgets all', () => {
    const g = guest();
    g.longs(
      ARGS,
      3 + (3 << 8) + 0xe030 * 2 ** 16,
      HANDLER,
      14 + (4 << 8) + 0xe033 * 2 ** 16,
      TEXT,
      0,
      0,
    );
    expect(g.call(__HYPERVISOR_set_trap_table, ARGS)).toBe(0);
    expect(g.vcpu.traps[3]).toEqual({ flags: 3, cs: 0xe033, address: HANDLER });
    expect(g.vcpu.traps[14]).toEqual({ flags: 4, cs: 0xe033, address: TEXT });
    expect(g.call(__HYPERVISOR_set_trap_table, 0)).toBe(0);
    expect(g.vcpu.traps.length).toBe(0);
  });

  test('HV-TRAP-2: a bad entry is -EINVAL, a bad pointer -EFAULT; what came before stays', () => {
    const g = guest();
    g.longs(ARGS, 1, HANDLER, 2, 2 ** 47);
    expect(g.call(__HYPERVISOR_set_trap_table, ARGS)).toBe(-XEN_EINVAL);
    expect(g.vcpu.traps[1]?.address).toBe(HANDLER);
    expect(g.call(__HYPERVISOR_set_trap_table, NOWHERE)).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_set_trap_table, XEN_VA)).toBe(-XEN_EFAULT);
  });
});

describe('bounce frames', () => {
  test('HV-TRAP-10: from the kernel: on its stack, aligned down, cs without RPL', () => {
    const g = guest();
    const { registers: r } = g.vcpu;
    handle(g, TRAP_invalid_op);
    r.set(RCX, 111);
    r.set(R11, 222);
    r.set(RSP, STACK - 8);
    r.set(RIP, TEXT + 5);
    g.vcpu.upcallMask = 1;
    g.vcpu.exception(TRAP_invalid_op);
    expect(r.get(RSP)).toBe(STACK - 16 - 56);
    const [rcx, r11, rip, cs, rflags, rsp, ss] = g.frame(7);
    expect([rcx, r11, ss]).toEqual([111, 222, 0xe02b]);
    expect(rip).toBe(TEXT + 5);
    expect(cs).toBe(0xe030 + 2 ** 32);
    expect(rflags).toBe(2);
    expect(rsp).toBe(STACK - 8);
    expect(r.get(RIP)).toBe(HANDLER);
    expect([r.cs, r.ss]).toEqual([0xe033, 0xe02b]);
  });

  test('HV-TRAP-11: from user mode: on kernel_sp, cs with RPL 3, IF as events are not masked', () => {
    const g = guest();
    handle(g, TRAP_gp_fault);
    g.enterUser();
    g.vcpu.upcallMask = 0;
    g.vcpu.registers.set(RSP, 0x7000_0000);
    g.vcpu.exception(TRAP_gp_fault, 0x1234);
    expect(g.vcpu.kernelMode).toBe(true);
    expect(g.vcpu.registers.get(RSP)).toBe(STACK - 64);
    const [, , error, , cs, rflags, rsp] = g.frame(8);
    expect([error, cs, rflags, rsp]).toEqual([0x1234, 0xe033, 0x202, 0x7000_0000]);
  });

  test('HV-TRAP-12: TF, NT, RF and AC are cleared, and events masked if the entry says so', () => {
    const g = guest();
    handle(g, TRAP_invalid_op, 4);
    g.vcpu.upcallMask = 0;
    g.vcpu.registers.setPair(RFLAGS, 0x54302 | 0x8d5, 0);
    g.vcpu.exception(TRAP_invalid_op);
    expect(g.vcpu.registers.low(RFLAGS)).toBe(0x2 | 0x8d5 | 0x200);
    expect(g.vcpu.upcallMask).toBe(1);
    expect((g.frame(7)[4] as number) & 0x300).toBe(0x300);
  });

  test('HV-TRAP-13: vectors 8, 10 to 14 and 17 have an error code', () => {
    for (let vector = 0; vector < 20; vector++) {
      const g = guest();
      handle(g, vector);
      g.vcpu.exception(vector, 77);
      const hasError = [8, 10, 11, 12, 13, 14, 17].includes(vector);
      expect(g.vcpu.registers.get(RSP)).toBe(STACK - (hasError ? 64 : 56));
      if (hasError) expect(g.frame(3)[2]).toBe(77);
    }
  });

  test('HV-TRAP-14: a page fault leaves its address in vcpu_info; a non-canonical one is #GP', () => {
    const g = guest();
    handle(g, TRAP_page_fault);
    handle(g, TRAP_gp_fault, 0, HANDLER + 8);
    g.vcpu.exception(TRAP_page_fault, 2, -4096);
    const cr2 = g.vcpu.infoAddress + vcpu_info.offset.arch;
    expect(ldI64(g.xen.memory, cr2)).toBe(-4096);
    g.vcpu.exception(TRAP_page_fault, 2, 2 ** 50);
    expect(g.vcpu.registers.get(RIP)).toBe(HANDLER + 8);
    expect(ldI64(g.xen.memory, cr2)).toBe(-4096);
  });

  test('HV-TRAP-15: no handler, or a stack that cannot take the frame, is the end of the domain', () => {
    const without = guest();
    without.vcpu.exception(TRAP_gp_fault);
    expect(crashed(without)).toBe(true);
    expect(without.domain.crashReason).toContain('exception 13');
    for (const rsp of [NOWHERE, XEN_VA + 4096, 2 ** 50, va(1)]) {
      const g = guest();
      handle(g, TRAP_gp_fault);
      g.vcpu.registers.set(RSP, rsp);
      g.vcpu.exception(TRAP_gp_fault);
      expect(crashed(g)).toBe(true);
      expect(g.vcpu.stop).toBe(true);
    }
  });

  test('HV-TRAP-16: int n needs DPL 1 from the kernel, 3 from user mode; else #GP at the instruction', () => {
    for (const [user, dpl, allowed] of [
      [false, 0, false],
      [false, 1, true],
      [true, 2, false],
      [true, 3, true],
    ] as const) {
      const g = guest();
      handle(g, 0x80, dpl);
      handle(g, TRAP_gp_fault, 0, HANDLER + 64);
      if (user) g.enterUser();
      g.vcpu.registers.set(RIP, TEXT + 2);
      g.vcpu.exception(0x80);
      expect(g.vcpu.registers.get(RIP)).toBe(allowed ? HANDLER : HANDLER + 64);
      if (allowed) expect(g.frame(3)[2]).toBe(TEXT + 2);
      else expect(g.frame(4).slice(2)).toEqual([0x80 * 8 + 2, TEXT]);
    }
  });

  test('HV-TRAP-17: the virtual IOPL is shown only to who asked for it', () => {
    const g = guest();
    handle(g, TRAP_invalid_op);
    g.vcpu.iopl = 3;
    g.vcpu.exception(TRAP_invalid_op);
    expect((g.frame(7)[4] as number) & 0x3000).toBe(0);
    g.call(__HYPERVISOR_vm_assist, 0, VMASST_TYPE_architectural_iopl);
    g.vcpu.exception(TRAP_invalid_op);
    expect((g.frame(7)[4] as number) & 0x3000).toBe(0x3000);
  });
});

describe('events', () => {
  test('HV-TRAP-20: an upcall is delivered when pending and not masked, and masks', () => {
    const g = guest();
    g.vcpu.eventCallback = HANDLER;
    g.vcpu.upcallMask = 1;
    g.xen.memory.st8(g.vcpu.infoAddress, 1);
    g.xen.enter(g.vcpu);
    expect(g.vcpu.registers.get(RIP)).toBe(TEXT);
    g.vcpu.upcallMask = 0;
    expect(g.vcpu.upcallDeliverable).toBe(true);
    g.xen.enter(g.vcpu);
    expect(g.vcpu.registers.get(RIP)).toBe(HANDLER);
    expect(g.vcpu.upcallMask).toBe(1);
    expect((g.frame(7)[4] as number) & 0x200).toBe(0x200);
  });

  test('HV-TRAP-21: without a callback it is the end of the domain', () => {
    const g = guest();
    g.vcpu.upcallMask = 0;
    g.xen.memory.st8(g.vcpu.infoAddress, 1);
    g.xen.enter(g.vcpu);
    expect(crashed(g)).toBe(true);
  });

  test('HV-TRAP-22: an NMI goes to trap entry 2, and no other comes before its iret', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0)).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_nmi_op, 0, g.longs(ARGS, 2 ** 48))).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_nmi_op, 0, g.words(ARGS, HANDLER, -1))).toBe(0);
    expect(g.vcpu.traps[TRAP_nmi]).toEqual({ flags: 4, cs: 0xe033, address: HANDLER });
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0)).toBe(0);
    g.xen.enter(g.vcpu);
    expect(g.vcpu.registers.get(RIP)).toBe(HANDLER);
    g.call(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0);
    g.vcpu.registers.set(RIP, TEXT);
    g.xen.enter(g.vcpu);
    expect(g.vcpu.registers.get(RIP)).toBe(TEXT);
    iret(g, {});
    g.xen.enter(g.vcpu);
    expect(g.vcpu.registers.get(RIP)).toBe(HANDLER);
    expect(g.call(__HYPERVISOR_nmi_op, 1)).toBe(0);
    expect(g.vcpu.traps[TRAP_nmi]).toBeUndefined();
    expect(g.call(__HYPERVISOR_nmi_op, 2)).toBe(-XEN_ENOSYS);
  });
});

describe('callbacks', () => {
  const register = (g: Guest, type: number, address: number, flags = 0) =>
    g.call(
      __HYPERVISOR_callback_op,
      CALLBACKOP_register,
      g.longs(ARGS, type + flags * 65536, address),
    );

  test('HV-TRAP-30: callback_op registers each, with its mask', () => {
    const g = guest();
    expect(register(g, CALLBACKTYPE_event, HANDLER)).toBe(0);
    expect(register(g, CALLBACKTYPE_failsafe, HANDLER + 1, 1)).toBe(0);
    expect(register(g, CALLBACKTYPE_syscall, HANDLER + 2)).toBe(0);
    expect(register(g, CALLBACKTYPE_syscall32, HANDLER + 3, 1)).toBe(0);
    expect(register(g, CALLBACKTYPE_nmi, HANDLER + 4)).toBe(0);
    expect([g.vcpu.eventCallback, g.vcpu.failsafeCallback]).toEqual([HANDLER, HANDLER + 1]);
    expect(g.vcpu.vgcfFlags & VGCF_failsafe_disables_events).not.toBe(0);
    expect(register(g, CALLBACKTYPE_failsafe, HANDLER)).toBe(0);
    expect(g.vcpu.vgcfFlags & VGCF_failsafe_disables_events).toBe(0);
    expect(register(g, CALLBACKTYPE_event, 2 ** 47)).toBe(-XEN_EINVAL);
    expect(register(g, 3, HANDLER)).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_callback_op, CALLBACKOP_register, NOWHERE)).toBe(-XEN_EFAULT);
  });

  test('HV-TRAP-31: only the NMI callback can be unregistered', () => {
    const g = guest();
    const unregister = (type: number) =>
      g.call(__HYPERVISOR_callback_op, CALLBACKOP_unregister, g.words(ARGS, type));
    register(g, CALLBACKTYPE_nmi, HANDLER);
    expect(unregister(CALLBACKTYPE_nmi)).toBe(0);
    expect(g.vcpu.traps[TRAP_nmi]).toBeUndefined();
    for (const type of [0, 1, 2, 5, 7]) expect(unregister(type)).toBe(-XEN_EINVAL);
    expect(unregister(3)).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_callback_op, 2, ARGS)).toBe(-XEN_ENOSYS);
  });

  test('HV-TRAP-32: set_callbacks passes over what is no address, and never fails', () => {
    const g = guest();
    expect(g.call(__HYPERVISOR_set_callbacks, HANDLER, 2 ** 47, HANDLER + 8)).toBe(0);
    const { eventCallback, failsafeCallback, syscallCallback } = g.vcpu;
    expect([eventCallback, failsafeCallback, syscallCallback]).toEqual([HANDLER, 0, HANDLER + 8]);
  });
});

describe('SYSCALL in user mode', () => {
  test('HV-TRAP-40: enters the syscall callback; it is no hypercall', () => {
    const g = guest();
    g.vcpu.syscallCallback = HANDLER;
    g.enterUser();
    const rax = g.call(__HYPERVISOR_xen_version, 0);
    expect(rax).toBe(__HYPERVISOR_xen_version);
    expect(g.vcpu.kernelMode).toBe(true);
    const [rcx, r11, rip, cs] = g.frame(4);
    expect([rcx, r11]).toEqual([TEXT + 2, 0x202]);
    expect(rip).toBe(TEXT + 2);
    expect((cs as number) % 2 ** 32).toBe(0xe033);
  });

  test('HV-TRAP-41: without a callback it is #UD at the instruction', () => {
    const g = guest();
    handle(g, TRAP_invalid_op);
    g.enterUser();
    g.call(__HYPERVISOR_xen_version, 0);
    expect(g.frame(3)[2]).toBe(TEXT);
  });
});

describe('iret', () => {
  test('HV-TRAP-50: to the kernel: all registers of the frame, IF becomes the mask', () => {
    const g = guest();
    iret(g, { rip: HANDLER, cs: 0xe030, rflags: 0x3002, rsp: STACK - 32 });
    const { registers: r } = g.vcpu;
    expect([r.get(RAX), r.get(R11), r.get(RCX)]).toEqual([1, 2, 3]);
    expect([r.get(RIP), r.get(RSP), r.cs, r.ss]).toEqual([HANDLER, STACK - 32, 0xe033, 0xe02b]);
    expect(r.low(RFLAGS)).toBe(0x202);
    expect(g.vcpu.upcallMask).toBe(1);
    expect(g.vcpu.kernelMode).toBe(true);
    iret(g, { cs: 0xe030, rflags: 0x202 });
    expect(g.vcpu.upcallMask).toBe(0);
  });

  test('HV-TRAP-51: RPL 3 means user mode, which needs page tables', () => {
    const g = guest();
    iret(g, { cs: 0xe033 });
    expect(g.vcpu.kernelMode).toBe(false);
    expect(crashed(g)).toBe(false);
    const without = guest();
    expect(without.call(__HYPERVISOR_mmuext_op, newUserBaseptr(without, 0), 1, 0, DOMID_SELF)).toBe(
      0,
    );
    iret(without, { cs: 0xe033 });
    expect(crashed(without)).toBe(true);
  });

  test('HV-TRAP-52: with VGCF_in_syscall rcx and r11 are what SYSRET needs them for', () => {
    const g = guest();
    iret(g, { flags: VGCF_in_syscall, rip: 0x1234, cs: 0x33, ss: 0, rflags: 0x246 });
    const { registers: r } = g.vcpu;
    expect([r.get(RCX), r.get(R11), r.cs, r.ss]).toEqual([0x1234, 0x246, 0xe033, 0xe02b]);
  });

  test('HV-TRAP-53: a frame that cannot be read is the end of the domain', () => {
    const g = guest();
    g.vcpu.registers.set(RSP, NOWHERE);
    g.call(__HYPERVISOR_iret);
    expect(crashed(g)).toBe(true);
  });

  test('HV-TRAP-54: selectors that the processor refuses are #GP where the frame leads', () => {
    for (const frame of [{ cs: 0xe02b }, { cs: 3 }, { ss: 3 }, { ss: 0xe033 }, { cs: 0x23 }]) {
      const g = guest();
      handle(g, TRAP_gp_fault);
      iret(g, { rip: 0x4000, ...frame });
      const selector = 'cs' in frame ? frame.cs : frame.ss;
      expect(g.frame(4).slice(2)).toEqual([selector & ~3, 0x4000]);
    }
  });

  test('HV-TRAP-55: with architectural_iopl the IOPL is taken from the frame', () => {
    const g = guest();
    g.call(__HYPERVISOR_vm_assist, 0, VMASST_TYPE_architectural_iopl);
    iret(g, { cs: 0xe030, rflags: 0x1202 });
    expect(g.vcpu.iopl).toBe(1);
  });
});

describe('the failsafe callback', () => {
  /** A descriptor of flat data, and one that is absent, in a GDT of one page. */
  const withGdt = (g: Guest): void => {
    const pfn = 20;
    g.words(va(pfn), 0, 0, 0xffff, 0x00cff300, 0xffff, 0x00cf7300);
    // A frame of descriptors must not be mapped writable.
    expect(
      g.call(__HYPERVISOR_update_va_mapping, va(pfn), g.mfn(pfn) * 4096 + 1, UVMF_INVLPG),
    ).toBe(0);
    expect(g.call(__HYPERVISOR_set_gdt, g.longs(ARGS, g.mfn(pfn)), 512)).toBe(0);
  };

  test('HV-TRAP-60: selectors that can be loaded stay', () => {
    const g = guest();
    withGdt(g);
    Object.assign(g.vcpu.registers, { ds: 0xb, es: 0xe02b, fs: 0, gs: 3 });
    g.xen.enter(g.vcpu);
    expect(g.vcpu.registers.get(RIP)).toBe(TEXT + 2);
    expect(g.vcpu.registers.ds).toBe(0xb);
  });

  test('HV-TRAP-61: one that cannot becomes 0, and the callback is told what they were', () => {
    const g = guest();
    withGdt(g);
    g.vcpu.failsafeCallback = HANDLER;
    g.vcpu.upcallMask = 0;
    Object.assign(g.vcpu.registers, { ds: 0xb, es: 0x13, fs: 0xe03b, gs: 0xe02b });
    g.vcpu.registers.set(RSP, STACK - 8);
    g.xen.enter(g.vcpu);
    const { registers: r } = g.vcpu;
    expect([r.ds, r.es, r.fs, r.gs]).toEqual([0xb, 0, 0, 0xe02b]);
    expect(r.get(RIP)).toBe(HANDLER);
    // Not aligned, unlike a bounce frame.
    expect(r.get(RSP)).toBe(STACK - 8 - 88);
    const frame = g.frame(11);
    expect(frame.slice(2, 6)).toEqual([0xb, 0x13, 0xe03b, 0xe02b]);
    expect(frame[6]).toBe(TEXT + 2);
    expect(frame.slice(7, 9)).toEqual([0xe030, 0x202]);
    expect(g.vcpu.upcallMask).toBe(0);
  });

  test('HV-TRAP-62: in user mode it is on kernel_sp; masks if it was asked to; without one the domain dies', () => {
    const g = guest();
    g.vcpu.failsafeCallback = HANDLER;
    g.vcpu.vgcfFlags = VGCF_failsafe_disables_events;
    g.vcpu.upcallMask = 0;
    g.enterUser();
    g.vcpu.registers.ds = 0x1b;
    g.xen.enter(g.vcpu);
    expect(g.vcpu.registers.get(RSP)).toBe(STACK - 88);
    expect(g.vcpu.upcallMask).toBe(1);
    expect(g.vcpu.kernelMode).toBe(true);
    const without = guest();
    without.vcpu.registers.ds = 0x1b;
    without.xen.enter(without.vcpu);
    expect(crashed(without)).toBe(true);
  });

  test('HV-TRAP-63: a guest that takes its descriptor away is told when it next gets a processor', () => {
    const entries: number[] = [];
    const machine = new Machine();
    const g = machine.guest({
      engine: {
        run: (vcpu, budget_ns) => {
          entries.push(vcpu.registers.get(RIP));
          vcpu.spend(budget_ns);
        },
      },
    });
    g.vcpu.failsafeCallback = HANDLER;
    g.vcpu.registers.ds = 0xb;
    machine.runFor(2e6);
    expect(entries[0]).toBe(HANDLER);
  });
});
