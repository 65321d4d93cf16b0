/*
 * Hypercalls by which a kernel tells Xen something that Xen keeps.
 */
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_segment_base,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  CALLBACKOP_register,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_virq,
  GNTTABOP_setup_table,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_SET_LDT,
  VCPUOP_initialise,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_stop_periodic_timer,
  VCPUOP_up,
} from '@port-xen/abi';
import type { KernelImage } from '@port-xen/kern';
import type { Made } from './two-lives.ts';

export interface Registration {
  /** What it belongs to. */
  readonly part: string;
  readonly name: string;
  readonly matches: (made: Made, image: KernelImage) => boolean;
}

const START = 'start of day';
const SPACE = 'each new program';
const SWITCH = 'each switch of threads';
const CONNECTION = 'connection to this Xen';

const of = (part: string, name: string, number: number, command?: number): Registration => ({
  part,
  name,
  matches: ({ call: [nr, cmd] }) => nr === number && (command === undefined || cmd === command),
});

const ofMmuext = (part: string, name: string, wanted: number): Registration => ({
  part,
  name,
  matches: ({ call: [nr], command }) => nr === __HYPERVISOR_mmuext_op && command === wanted,
});

export const REGISTRATIONS: readonly Registration[] = [
  of(START, 'set_trap_table', __HYPERVISOR_set_trap_table),
  of(START, 'set_callbacks', __HYPERVISOR_set_callbacks),
  of(START, 'callback_op register', __HYPERVISOR_callback_op, CALLBACKOP_register),
  of(START, 'set_gdt', __HYPERVISOR_set_gdt),
  ofMmuext(START, 'mmuext_op SET_LDT', MMUEXT_SET_LDT),
  of(START, 'set_segment_base', __HYPERVISOR_set_segment_base),
  of(START, 'set_debugreg', __HYPERVISOR_set_debugreg),
  of(START, 'vm_assist', __HYPERVISOR_vm_assist),
  ofMmuext(START, 'mmuext_op NEW_BASEPTR', MMUEXT_NEW_BASEPTR),
  of(START, 'vcpu_op initialise', __HYPERVISOR_vcpu_op, VCPUOP_initialise),
  of(START, 'vcpu_op up', __HYPERVISOR_vcpu_op, VCPUOP_up),
  ofMmuext(SPACE, 'mmuext_op PIN_L4_TABLE', MMUEXT_PIN_L4_TABLE),
  of(SWITCH, 'stack_switch', __HYPERVISOR_stack_switch),
  ofMmuext(SWITCH, 'mmuext_op NEW_USER_BASEPTR', MMUEXT_NEW_USER_BASEPTR),
  {
    part: CONNECTION,
    name: 'update_va_mapping of shared_info',
    matches: ({ call: [nr, va, pte] }, { data }) =>
      nr === __HYPERVISOR_update_va_mapping && va === data.HYPERVISOR_shared_info && pte !== 0,
  },
  of(CONNECTION, 'grant_table_op setup_table', __HYPERVISOR_grant_table_op, GNTTABOP_setup_table),
  of(CONNECTION, 'event_channel_op bind_virq', __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq),
  of(
    CONNECTION,
    'event_channel_op alloc_unbound',
    __HYPERVISOR_event_channel_op,
    EVTCHNOP_alloc_unbound,
  ),
  of(CONNECTION, 'set_timer_op', __HYPERVISOR_set_timer_op),
  of(CONNECTION, 'vcpu_op stop_periodic_timer', __HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer),
  of(
    CONNECTION,
    'vcpu_op register_runstate_memory_area',
    __HYPERVISOR_vcpu_op,
    VCPUOP_register_runstate_memory_area,
  ),
];
