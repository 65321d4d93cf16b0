/*
 * Every hypercall that one vCPU can make and that returns: number → handler (pv_hypercall_table, xen/arch/x86/pv/hypercall.c).
 * multicall, iret and what the dispatcher does around them are elsewhere. What is not here is -ENOSYS.
 */
import {
  __HYPERVISOR_arch_0,
  __HYPERVISOR_callback_op,
  __HYPERVISOR_console_io,
  __HYPERVISOR_domctl,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_event_channel_op_compat,
  __HYPERVISOR_fpu_taskswitch,
  __HYPERVISOR_get_debugreg,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_kexec_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_nmi_op,
  __HYPERVISOR_physdev_op,
  __HYPERVISOR_platform_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_sched_op_compat,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_segment_base,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_sysctl,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_update_va_mapping_otherdomain,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  XEN_ENOSYS,
  XEN_EPERM,
} from '@port-xen/abi';
import { callbackOp, nmiOp, setCallbacks, setTrapTable } from './callback-op.ts';
import { setGdt, updateDescriptor } from './descriptors.ts';
import { eventChannelOp, eventChannelOpCompat } from './event-channel-op.ts';
import { grantTableOp } from './grant-table-op.ts';
import type { GuestVcpu } from './guest-vcpu.ts';
import type { HypercallArgs } from './hypercall-args.ts';
import { memoryOp } from './memory-op.ts';
import { mmuUpdate } from './mmu-update.ts';
import { mmuextOp } from './mmuext-op.ts';
import { physdevOp } from './physdev-op.ts';
import { domctlOp, platformOp, sysctlOp } from './privileged-op.ts';
import {
  fpuTaskswitch,
  getDebugreg,
  setDebugreg,
  setSegmentBase,
  stackSwitch,
} from './processor-state.ts';
import { schedOp, schedOpCompat } from './sched-op.ts';
import { setTimerOp } from './set-timer-op.ts';
import { updateVaMapping, updateVaMappingOtherdomain } from './update-va-mapping.ts';
import { vcpuOp } from './vcpu-op.ts';
import { vmAssist } from './vm-assist.ts';
import { xenVersion } from './xen-version.ts';

type Handler = (vcpu: GuestVcpu, args: HypercallArgs) => number;

const HANDLERS: readonly (readonly [number, Handler])[] = [
  [__HYPERVISOR_set_trap_table, (v, a) => setTrapTable(v, a.number(0))],
  [__HYPERVISOR_mmu_update, (v, a) => mmuUpdate(v, a.number(0), a.int(1), a.number(2), a.int(3))],
  [__HYPERVISOR_set_gdt, (v, a) => setGdt(v, a.number(0), a.int(1))],
  [__HYPERVISOR_stack_switch, stackSwitch],
  [__HYPERVISOR_set_callbacks, setCallbacks],
  [__HYPERVISOR_fpu_taskswitch, fpuTaskswitch],
  [__HYPERVISOR_sched_op_compat, (v, a) => schedOpCompat(v, a.int(0), a.int(1))],
  [__HYPERVISOR_platform_op, (v, a) => platformOp(v, a.number(0))],
  [__HYPERVISOR_set_debugreg, setDebugreg],
  [__HYPERVISOR_get_debugreg, getDebugreg],
  [
    __HYPERVISOR_update_descriptor,
    (v, a) => updateDescriptor(v, a.int(0), a.highOf(0), a.int(1), a.highOf(1)),
  ],
  [__HYPERVISOR_memory_op, (v, a) => memoryOp(v, a.int(0), a.number(1))],
  [
    __HYPERVISOR_update_va_mapping,
    (v, a) => updateVaMapping(v, a.number(0), a.int(1), a.highOf(1), a.number(2)),
  ],
  [__HYPERVISOR_set_timer_op, (v, a) => setTimerOp(v, a.int(0), a.highOf(0))],
  [__HYPERVISOR_event_channel_op_compat, (v, a) => eventChannelOpCompat(v, a.number(0))],
  [__HYPERVISOR_xen_version, (v, a) => xenVersion(v, a.int(0), a.number(1))],
  // Release builds let the control domain alone read and write the console.
  [__HYPERVISOR_console_io, () => -XEN_EPERM],
  [__HYPERVISOR_grant_table_op, (v, a) => grantTableOp(v, a.int(0), a.number(1), a.int(2))],
  [__HYPERVISOR_vm_assist, (v, a) => vmAssist(v, a.int(0), a.unsigned(1))],
  [
    __HYPERVISOR_update_va_mapping_otherdomain,
    (v, a) =>
      updateVaMappingOtherdomain(v, a.number(0), a.int(1), a.highOf(1), a.number(2), a.int(3)),
  ],
  [__HYPERVISOR_vcpu_op, (v, a) => vcpuOp(v, a.int(0), a.unsigned(1), a.number(2))],
  [__HYPERVISOR_set_segment_base, setSegmentBase],
  [__HYPERVISOR_mmuext_op, (v, a) => mmuextOp(v, a.number(0), a.int(1), a.number(2), a.int(3))],
  [__HYPERVISOR_nmi_op, (v, a) => nmiOp(v, a.int(0), a.number(1))],
  [__HYPERVISOR_sched_op, (v, a) => schedOp(v, a.int(0), a.number(1))],
  [__HYPERVISOR_callback_op, (v, a) => callbackOp(v, a.int(0), a.number(1))],
  [__HYPERVISOR_event_channel_op, (v, a) => eventChannelOp(v, a.int(0), a.number(1))],
  [__HYPERVISOR_physdev_op, (v, a) => physdevOp(v, a.int(0), a.number(1))],
  [__HYPERVISOR_sysctl, (v, a) => sysctlOp(v, a.number(0))],
  [__HYPERVISOR_domctl, (v, a) => domctlOp(v, a.number(0))],
  [__HYPERVISOR_kexec_op, () => -XEN_EPERM],
  // Machine checks.
  [__HYPERVISOR_arch_0, () => -XEN_EPERM],
];

const TABLE: readonly (Handler | undefined)[] = HANDLERS.reduce<(Handler | undefined)[]>(
  (table, [number, handler]) => {
    table[number] = handler;
    return table;
  },
  [],
);

/** Makes a hypercall and tells the trace. @param number unsigned @returns its result */
export const dispatch = (vcpu: GuestVcpu, number: number, args: HypercallArgs): number => {
  const handler = TABLE[number];
  const { trace } = vcpu.domain.xen.sim;
  if (!trace.on) return handler === undefined ? -XEN_ENOSYS : handler(vcpu, args);
  const given = [0, 1, 2, 3, 4].map((i) => args.number(i));
  const result = handler === undefined ? -XEN_ENOSYS : handler(vcpu, args);
  trace.emit('hypercall', vcpu.domain.domid, number, ...given, result);
  return result;
};
