/*
 * Question 5: which start-of-day structures must be given to the hypervisor again?
 *
 * Two things are looked at: the hypercalls that register something, in each life; and the vCPU's context field by field, as the
 * hypervisor had it at the suspend and as it had it after the restore, before the guest ran.
 */
import { vcpu_guest_context } from '@port-xen/abi';
import { table } from './table.ts';
import type { Lives, Made } from './two-lives.ts';

/** Hypercalls that register something, by number and, where it has one, sub-operation. */
const REGISTRATIONS: readonly (readonly [string, (call: Made['call']) => boolean])[] = [
  ['set_trap_table', ([nr]) => nr === 0],
  ['set_gdt', ([nr]) => nr === 2],
  ['set_callbacks', ([nr]) => nr === 4],
  ['callback_op register', ([nr, cmd]) => nr === 30 && cmd === 0],
  ['vm_assist', ([nr]) => nr === 21],
  ['vcpu_op stop_periodic_timer', ([nr, cmd]) => nr === 24 && cmd === 7],
  ['set_timer_op', ([nr]) => nr === 15],
  ['event_channel_op bind_virq', ([nr, cmd]) => nr === 32 && cmd === 1],
  ['event_channel_op alloc_unbound', ([nr, cmd]) => nr === 32 && cmd === 6],
  ['grant_table_op setup_table', ([nr, cmd]) => nr === 20 && cmd === 2],
];

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const show = (bytes: Uint8Array): string => {
  if (bytes.every((byte) => byte === 0)) return '0';
  if (bytes.length > 8) return `${bytes.length} bytes`;
  return `0x${hex(Uint8Array.from(bytes).reverse()).replace(/^0+/, '')}`;
};

/** The context's fields that start of day fills, and those that hold frames. */
const FIELDS = [
  'trap_ctxt',
  'event_callback_eip',
  'failsafe_callback_eip',
  'syscall_callback_eip',
  'kernel_ss',
  'kernel_sp',
  'ctrlreg',
  'gdt_frames',
  'gdt_ents',
  'ldt_base',
  'ldt_ents',
  'vm_assist',
  'fs_base',
  'gs_base_kernel',
  'gs_base_user',
] as const;

const fieldBytes = (context: Uint8Array, field: (typeof FIELDS)[number]): Uint8Array => {
  const offsets = Object.values(vcpu_guest_context.offset).sort((a, b) => a - b);
  const from = vcpu_guest_context.offset[field];
  const to = offsets.find((offset) => offset > from) ?? vcpu_guest_context.size;
  return context.subarray(from, to);
};

/** The answer, as two tables. */
export const answerStartOfDay = (lives: Lives): string => {
  const counts = REGISTRATIONS.map(([name, matches]) => {
    const of = (life: 0 | 1): number =>
      lives.hypercalls.filter((made) => made.life === life && matches(made.call)).length;
    return [name, of(0), of(1)] as const;
  });
  const calls = counts
    .filter(([, first, second]) => first + second > 0)
    .map(([name, first, second]) => [name, first > 0 ? 'yes' : 'no', second > 0 ? 'yes' : 'no']);
  const context = FIELDS.map((field) => {
    const before = fieldBytes(lives.suspended.context, field);
    const after = fieldBytes(lives.restored.context, field);
    const same = hex(before) === hex(after);
    return [
      field,
      show(before),
      show(after),
      same ? 'as it was' : 'other frames, by the toolstack',
    ];
  });
  return [
    'Hypercalls that register something: in the first life, and in the second until the disk was served',
    '',
    table(['hypercall', 'at boot', 'at the restore'], calls),
    '',
    'The context of vCPU 0: at the suspend, and restored, before the guest ran',
    '',
    table(['field', 'suspended', 'restored', ''], context),
  ].join('\n');
};
