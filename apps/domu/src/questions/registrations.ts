/*
 * Hypercalls by which a kernel tells Xen something that Xen keeps.
 */
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_mmuext_op,
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
  GNTTABOP_query_size,
  GNTTABOP_setup_table,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_SET_LDT,
  VCPUOP_initialise,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_stop_periodic_timer,
  VCPUOP_up,
  VIRQ_DEBUG,
  VIRQ_TIMER,
} from '@port-xen/abi';
import type { Made } from './two-lives.ts';

export interface Registration {
  /** What it belongs to. */
  readonly part: string;
  /** The package whose code makes it. */
  readonly by: string;
  readonly name: string;
  readonly matches: (made: Made, places: Places) => boolean;
}

/** Addresses at which the kernel maps Xen's pages. */
export interface Places {
  readonly sharedInfo: number;
  readonly grantTable: number;
}

const START = 'start of day';
const SPACE = 'each new program';
const SWITCH = 'each switch of threads';
const CONNECTION = 'connection to this Xen';

/** @param command first argument, when it has to be that one @param first word of the argument's structure, likewise */
const of =
  (part: string) =>
  (by: string, name: string, number: number, command?: number, first?: number): Registration => ({
    part,
    by,
    name,
    matches: ({ call: [nr, cmd], first: word }) =>
      nr === number &&
      (command === undefined || cmd === command) &&
      (first === undefined || word === first),
  });

const [start, space, switching, connection] = [
  of(START),
  of(SPACE),
  of(SWITCH),
  of(CONNECTION),
] as const;

const mmuext = (made: typeof start, by: string, name: string, command: number): Registration =>
  made(by, `mmuext_op ${name}`, __HYPERVISOR_mmuext_op, undefined, command);

const EVENT = __HYPERVISOR_event_channel_op;
const GRANT = __HYPERVISOR_grant_table_op;
const VCPU = __HYPERVISOR_vcpu_op;

/** A page of Xen's is mapped. */
const mapping = (by: string, what: string, place: keyof Places): Registration => ({
  part: CONNECTION,
  by,
  name: `update_va_mapping of ${what}`,
  matches: ({ call: [nr, va, pte] }, places) =>
    nr === __HYPERVISOR_update_va_mapping && va === places[place] && pte !== 0,
});

export const REGISTRATIONS: readonly Registration[] = [
  start('machdep', 'set_trap_table', __HYPERVISOR_set_trap_table),
  start('machdep, fuller', 'callback_op register', __HYPERVISOR_callback_op, CALLBACKOP_register),
  start('fuller', 'set_gdt', __HYPERVISOR_set_gdt),
  mmuext(start, 'fuller', 'SET_LDT', MMUEXT_SET_LDT),
  start('fuller', 'set_segment_base', __HYPERVISOR_set_segment_base),
  start('fuller', 'set_debugreg', __HYPERVISOR_set_debugreg),
  start('fuller', 'vm_assist', __HYPERVISOR_vm_assist),
  start('fuller', 'vcpu_op initialise', VCPU, VCPUOP_initialise),
  start('fuller', 'vcpu_op up', VCPU, VCPUOP_up),
  mmuext(space, 'pmap', 'PIN_L4_TABLE', MMUEXT_PIN_L4_TABLE),
  switching('kern', 'stack_switch', __HYPERVISOR_stack_switch),
  mmuext(switching, 'pmap', 'NEW_USER_BASEPTR', MMUEXT_NEW_USER_BASEPTR),
  mapping('machdep', 'shared_info', 'sharedInfo'),
  connection('xengnt', 'grant_table_op query_size', GRANT, GNTTABOP_query_size),
  connection('xengnt', 'grant_table_op setup_table', GRANT, GNTTABOP_setup_table),
  mapping('xengnt', 'the grant table', 'grantTable'),
  connection(
    'evtchn',
    'event_channel_op bind_virq VIRQ_DEBUG',
    EVENT,
    EVTCHNOP_bind_virq,
    VIRQ_DEBUG,
  ),
  connection(
    'clock',
    'event_channel_op bind_virq VIRQ_TIMER',
    EVENT,
    EVTCHNOP_bind_virq,
    VIRQ_TIMER,
  ),
  connection('xbd, xennet', 'event_channel_op alloc_unbound', EVENT, EVTCHNOP_alloc_unbound),
  connection('clock', 'set_timer_op', __HYPERVISOR_set_timer_op),
  connection('clock', 'vcpu_op stop_periodic_timer', VCPU, VCPUOP_stop_periodic_timer),
  connection(
    'clock',
    'vcpu_op register_runstate_memory_area',
    VCPU,
    VCPUOP_register_runstate_memory_area,
  ),
];
