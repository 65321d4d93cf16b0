/*
 * What an attacker tries of hypercalls about its vCPUs: traps, callbacks, registers, scheduling, vcpu_op, versions.
 */
import * as abi from '@port-xen/abi';
import { RSP } from '@port-xen/vcpu';
import { ARGS, HANDLER, NOWHERE, STACK, TEXT, va } from '../cpu/machine.ts';
import type { Attacker } from './attacker.ts';
import { type Move, numberOf } from './move.ts';

const call = (name: string, weight: number, run: (g: Attacker) => number): Move => ({
  name,
  weight,
  run,
});

/** rax as a result: an address that it holds is no error. */
const errorOf = (rax: number): number => (rax < 0 && rax >= -200 ? rax : 0);

const vcpuId = (g: Attacker): number => (g.oneIn(30) ? g.below(5) : g.below(2));

const vcpuOp = (name: keyof typeof abi, weight: number, prepare: (g: Attacker) => number): Move =>
  call(`vcpu_op ${name}`, weight, (g) => {
    const id = name.includes('singleshot') ? (g.oneIn(8) ? 1 : 0) : vcpuId(g);
    return g.call(abi.__HYPERVISOR_vcpu_op, numberOf(name), id, prepare(g));
  });

const schedOp = (name: keyof typeof abi, weight: number, prepare: (g: Attacker) => number): Move =>
  call(`sched_op ${name}`, weight, (g) =>
    g.call(abi.__HYPERVISOR_sched_op, numberOf(name), prepare(g)),
  );

const version = (name: keyof typeof abi): Move =>
  call(`xen_version ${name}`, 1, (g) => {
    g.put(ARGS, g.oneIn(8) ? 1 : 0, 0);
    const arg = name === 'XENVER_pagesize' && !g.oneIn(3) ? 0 : g.at();
    return g.call(abi.__HYPERVISOR_xen_version, numberOf(name), arg);
  });

const address = (g: Attacker): number => (g.oneIn(10) ? g.wild() : HANDLER);

/** A context for vCPU 1, often as it should be. */
const putContext = (g: Attacker): number => {
  const bytes = g.context((m) => {
    m.st32(abi.vcpu_guest_context.offset.flags, g.pick([4, 4, 36, 0]));
    if (!g.oneIn(3)) return;
    const at = 4 * g.below(bytesOf / 4);
    m.st32(at, g.random.next());
  });
  try {
    g.vcpu.mmu.writeForXen(va(12), bytes);
  } catch {
    return NOWHERE;
  }
  return va(12);
};
const bytesOf = abi.vcpu_guest_context.size;

export const CPU_MOVES: readonly Move[] = [
  call('set_trap_table', 4, (g) => {
    if (g.oneIn(20)) return g.call(abi.__HYPERVISOR_set_trap_table, g.anyVa());
    const entries = Array.from({ length: g.below(6) }, () => [
      g.pick([6, 7, 13, 14, 0x80, g.below(256)]) + (g.below(8) << 8),
      HANDLER,
    ]);
    g.put(ARGS, ...entries.flat(), 0, 0);
    return g.call(abi.__HYPERVISOR_set_trap_table, ARGS);
  }),
  call('set_callbacks', 2, (g) =>
    g.call(abi.__HYPERVISOR_set_callbacks, address(g), address(g), address(g)),
  ),
  call('callback_op CALLBACKOP_register', 4, (g) => {
    g.put(ARGS, g.below(9) + g.below(2) * 65536, address(g));
    return g.call(abi.__HYPERVISOR_callback_op, 0, g.at());
  }),
  call('callback_op CALLBACKOP_unregister', 2, (g) => {
    g.put(ARGS, g.pick([4, 4, g.below(9)]));
    return g.call(abi.__HYPERVISOR_callback_op, 1, g.at());
  }),
  call('nmi_op XENNMI_register_callback', 2, (g) => {
    g.put(ARGS, address(g));
    return g.call(abi.__HYPERVISOR_nmi_op, 0, g.at());
  }),
  call('nmi_op XENNMI_unregister_callback', 1, (g) => g.call(abi.__HYPERVISOR_nmi_op, 1, 0)),
  call('stack_switch', 2, (g) =>
    g.call(abi.__HYPERVISOR_stack_switch, 0xe02b, g.oneIn(20) ? g.wild() : STACK),
  ),
  ...([0, 1, 2, 3] as const).map((which) =>
    call(`set_segment_base ${['FS', 'GS_USER', 'GS_KERNEL', 'GS_USER_SEL'][which]}`, 1, (g) =>
      g.call(abi.__HYPERVISOR_set_segment_base, which, g.oneIn(3) ? g.wild() : va(g.pfn())),
    ),
  ),
  call('fpu_taskswitch', 1, (g) => g.call(abi.__HYPERVISOR_fpu_taskswitch, g.below(3))),
  call('set_debugreg', 2, (g) =>
    g.call(abi.__HYPERVISOR_set_debugreg, g.below(9), g.oneIn(3) ? g.wild() : va(g.pfn())),
  ),
  call('get_debugreg', 1, (g) => errorOf(g.call(abi.__HYPERVISOR_get_debugreg, g.below(9)))),
  call('vm_assist VMASST_CMD_enable', 2, (g) =>
    g.call(abi.__HYPERVISOR_vm_assist, 0, g.pick([0, 1, 2, 3, 4, 5, 32, g.wild()])),
  ),
  call('vm_assist VMASST_CMD_disable', 1, (g) =>
    g.call(abi.__HYPERVISOR_vm_assist, 1, g.pick([0, 1, 2, 3, 4, 5, 32, g.wild()])),
  ),
  call('set_timer_op', 2, (g) =>
    g.call(
      abi.__HYPERVISOR_set_timer_op,
      g.oneIn(3) ? g.wild() : g.machine.uptime_ns + g.below(1e7),
    ),
  ),
  call('physdev_op PHYSDEVOP_set_iopl', 1, (g) => {
    g.put(ARGS, g.below(5));
    return g.call(abi.__HYPERVISOR_physdev_op, abi.PHYSDEVOP_set_iopl, g.at());
  }),
  call('physdev_op PHYSDEVOP_set_iobitmap', 1, (g) => {
    g.put(ARGS, g.at(), g.below(65540));
    return g.call(abi.__HYPERVISOR_physdev_op, abi.PHYSDEVOP_set_iobitmap, g.at());
  }),
  call('physdev_op others', 3, (g) => g.call(abi.__HYPERVISOR_physdev_op, g.below(40), g.at())),
  call('console_io', 1, (g) =>
    g.call(abi.__HYPERVISOR_console_io, g.below(3), g.below(64), g.at()),
  ),
  call('domctl', 1, (g) => {
    g.putWords(
      ARGS,
      g.below(90),
      g.oneIn(3) ? 0 : abi.XEN_DOMCTL_INTERFACE_VERSION,
      g.someDomid(),
      0,
    );
    return g.call(abi.__HYPERVISOR_domctl, g.at());
  }),
  call('sysctl', 1, (g) => {
    g.putWords(ARGS, g.below(40), g.oneIn(3) ? 0 : abi.XEN_SYSCTL_INTERFACE_VERSION);
    return g.call(abi.__HYPERVISOR_sysctl, g.at());
  }),
  call('platform_op', 1, (g) => g.call(abi.__HYPERVISOR_platform_op, g.at())),
  ...(
    [
      'XENVER_version',
      'XENVER_extraversion',
      'XENVER_compile_info',
      'XENVER_capabilities',
      'XENVER_changeset',
      'XENVER_platform_parameters',
      'XENVER_get_features',
      'XENVER_pagesize',
      'XENVER_guest_handle',
      'XENVER_commandline',
      'XENVER_build_id',
    ] as const
  ).map(version),
  schedOp('SCHEDOP_yield', 1, () => 0),
  schedOp('SCHEDOP_block', 2, () => 0),
  schedOp('SCHEDOP_poll', 3, (g) => {
    g.putWords(va(13), ...Array.from({ length: 4 }, () => g.below(30)));
    g.put(ARGS, g.oneIn(20) ? g.anyVa() : va(13), g.below(4), g.oneIn(4) ? g.wild() : 0);
    return g.at();
  }),
  { ...schedOp('SCHEDOP_shutdown', 0.1, (g) => g.put(ARGS, g.below(6))), ends: true },
  schedOp('SCHEDOP_shutdown_code', 1, (g) => g.put(ARGS, g.below(9))),
  schedOp('SCHEDOP_remote_shutdown', 1, (g) => g.putWords(ARGS, g.someDomid(), 0)),
  schedOp('SCHEDOP_watchdog', 2, (g) => {
    g.putWords(ARGS, g.below(4), g.pick([0, 0, 1000, 10000]));
    return g.at();
  }),
  schedOp('SCHEDOP_pin_override', 1, () => ARGS),
  vcpuOp('VCPUOP_initialise', 2, putContext),
  vcpuOp('VCPUOP_up', 2, () => 0),
  {
    ...call('vcpu_op VCPUOP_down', 1, (g) =>
      g.call(abi.__HYPERVISOR_vcpu_op, abi.VCPUOP_down, g.oneIn(500) ? 0 : 1, 0),
    ),
    ends: true,
  },
  vcpuOp('VCPUOP_is_up', 1, () => 0),
  vcpuOp('VCPUOP_get_runstate_info', 1, (g) => g.at()),
  vcpuOp('VCPUOP_register_runstate_memory_area', 1, (g) =>
    g.put(ARGS, g.pick([0, va(g.dataPfn()), va(g.dataPfn()) + 4090, g.anyVa()])),
  ),
  vcpuOp('VCPUOP_register_vcpu_time_memory_area', 1, (g) =>
    g.put(ARGS, g.pick([0, va(g.dataPfn()), va(g.dataPfn()) + 4090, g.anyVa()])),
  ),
  vcpuOp('VCPUOP_set_periodic_timer', 1, (g) => g.put(ARGS, g.pick([1e6, 1e7, 1e9, g.wild()]))),
  vcpuOp('VCPUOP_stop_periodic_timer', 1, () => 0),
  vcpuOp('VCPUOP_set_singleshot_timer', 2, (g) =>
    g.put(ARGS, g.oneIn(3) ? g.wild() : g.machine.uptime_ns + g.below(1e7), g.below(3)),
  ),
  vcpuOp('VCPUOP_stop_singleshot_timer', 1, () => 0),
  vcpuOp('VCPUOP_register_vcpu_info', 1, (g) =>
    g.put(
      ARGS,
      g.oneIn(4) ? g.anyMfn() : g.mfn(g.dataPfn()),
      g.pick([0, 64, 4032, 4033, g.below(4096)]),
    ),
  ),
  vcpuOp('VCPUOP_send_nmi', 1, () => 0),
  vcpuOp('VCPUOP_get_physid', 1, (g) => g.at()),
  {
    name: 'iret',
    weight: 3,
    ends: true,
    run: (g) => {
      const vcpu = g.cpu(g.acting);
      const cs = g.pick([0xe030, 0xe030, 0xe033, 0xe02b, g.below(65536)]);
      g.put(
        va(9),
        1,
        2,
        3,
        g.pick([0, 0x100]),
        TEXT,
        cs,
        g.random.next(),
        STACK,
        g.pick([0xe02b, 0xe02b, 3]),
      );
      vcpu.registers.set(RSP, g.oneIn(2000) ? NOWHERE : va(9));
      g.call(abi.__HYPERVISOR_iret);
      return g.domain.isShutDown ? -1 : 0;
    },
  },
  {
    name: 'SYSCALL from user mode',
    weight: 2,
    ends: true,
    run: (g) => {
      const vcpu = g.cpu(g.acting);
      vcpu.mmu.kernelMode = false;
      vcpu.kernelSp = STACK;
      g.call(g.below(50), g.wild(), g.wild());
      return g.domain.isShutDown ? -1 : 0;
    },
  },
  {
    name: 'exception',
    weight: 3,
    ends: true,
    run: (g) => {
      const vcpu = g.cpu(g.acting);
      vcpu.kernelSp = STACK;
      vcpu.registers.set(RSP, g.oneIn(3000) ? g.wild() : STACK);
      vcpu.exception(
        g.oneIn(100) ? g.below(256) : g.pick([6, 7, 13, 14, 0x80]),
        g.below(99),
        g.anyVa(),
      );
      return g.domain.isShutDown ? -1 : 0;
    },
  },
  {
    name: 'enter the guest',
    weight: 3,
    ends: true,
    run: (g) => {
      const vcpu = g.cpu(0);
      vcpu.registers.set(RSP, STACK);
      if (vcpu.runnable) g.xen.enter(vcpu);
      return g.domain.isShutDown ? -1 : 0;
    },
  },
  {
    ends: true,
    ...call('any hypercall', 12, (g) =>
      errorOf(
        g.call(
          g.oneIn(20) ? g.wild() : g.below(56),
          g.wild(),
          g.wild(),
          g.wild(),
          g.wild(),
          g.wild(),
        ),
      ),
    ),
  },
];
