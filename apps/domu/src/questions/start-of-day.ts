/*
 * Question 5: which start-of-day structures must be given to the hypervisor again?
 *
 * Two things are looked at: the hypercalls that register something, in each life; and each vCPU's state field by field, as the
 * hypervisor had it at the suspend and as it had it after the restore, before the guest ran.
 */
import {
  start_info,
  trap_info,
  vcpu_guest_context,
  xen_domctl_ext_vcpucontext,
} from '@port-xen/abi';
import { fuller_data } from './fuller-kernel.ts';
import { kernelData } from './kernel-data.ts';
import { REGISTRATIONS } from './registrations.ts';
import { type Still, type StillVcpu, startInfoPfn } from './still.ts';
import { table } from './table.ts';
import type { Lives } from './two-lives.ts';

const C = vcpu_guest_context.offset;
const X = xen_domctl_ext_vcpucontext.offset;
const TRAPS = 256;
const RDX = 96;
const RIP = 128;

/** A field, what it is for, and its bytes. */
interface FieldOfState {
  readonly what: string;
  readonly name: string;
  readonly of: (vcpu: StillVcpu) => Uint8Array;
  /** Which vCPU's. */
  readonly id: number;
}

const word =
  (at: number) =>
  ({ context }: StillVcpu): Uint8Array =>
    context.subarray(at, at + 8);

const field = (what: string, name: string, of: FieldOfState['of'], id = 0): FieldOfState => ({
  what,
  name,
  of,
  id,
});

/** General registers but rdx. */
const otherRegisters = ({ context }: StillVcpu): Uint8Array => {
  const bytes = context.slice(C.user_regs, C.trap_ctxt);
  bytes.fill(0, RDX, RDX + 8);
  return bytes;
};

const FIELDS: readonly FieldOfState[] = [
  field('trap table', 'trap_ctxt', ({ context }) => context.subarray(C.trap_ctxt, C.ldt_base)),
  field('callbacks', 'event_callback_eip', word(C.event_callback_eip)),
  field('', 'failsafe_callback_eip', word(C.failsafe_callback_eip)),
  field('', 'syscall_callback_eip', word(C.syscall_callback_eip)),
  field('', 'sysenter_callback_eip', ({ extended }) =>
    extended.subarray(X.sysenter_callback_eip, X.sysenter_callback_eip + 8),
  ),
  field('', 'syscall32_callback_eip', ({ extended }) =>
    extended.subarray(X.syscall32_callback_eip, X.syscall32_callback_eip + 8),
  ),
  field('kernel stack', 'kernel_ss', word(C.kernel_ss)),
  field('', 'kernel_sp', word(C.kernel_sp)),
  field("kernel's page tables", 'ctrlreg[3]', word(C.ctrlreg + 24)),
  field("program's page tables", 'ctrlreg[1]', word(C.ctrlreg + 8)),
  field('GDT', 'gdt_frames[0]', word(C.gdt_frames)),
  field('', 'gdt_ents', word(C.gdt_ents)),
  field('LDT', 'ldt_base', word(C.ldt_base)),
  field('', 'ldt_ents', word(C.ldt_ents)),
  field('segment bases', 'fs_base', word(C.fs_base)),
  field('', 'gs_base_kernel', word(C.gs_base_kernel)),
  field('', 'gs_base_user', word(C.gs_base_user)),
  field('debug registers', 'debugreg[0]', word(C.debugreg)),
  field('', 'debugreg[7]', word(C.debugreg + 56)),
  field('vm_assist', 'vm_assist', word(C.vm_assist)),
  field("start_info's frame", 'user_regs.rdx', word(C.user_regs + RDX)),
  field('other registers', 'user_regs', otherRegisters),
  field('vCPU 1', 'user_regs.rip', word(C.user_regs + RIP), 1),
  field('', 'kernel_sp', word(C.kernel_sp), 1),
  field('', 'ctrlreg[3]', word(C.ctrlreg + 24), 1),
];

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const show = (bytes: Uint8Array): string => {
  if (bytes.every((byte) => byte === 0)) return '0';
  if (bytes.length === TRAPS * trap_info.size) {
    const at = (i: number) => i * trap_info.size + trap_info.offset.address_;
    const handlers = Array.from({ length: TRAPS }, (_, i) => bytes.subarray(at(i), at(i) + 8));
    return `${handlers.filter((address) => address.some((byte) => byte !== 0)).length} handlers`;
  }
  if (bytes.length > 8) return `${bytes.length} bytes`;
  return `0x${hex(Uint8Array.from(bytes).reverse()).replace(/^0+/, '')}`;
};

/** A field's row: what it held before, and after. */
const row = ({ what, name, of, id }: FieldOfState, { suspended, restored }: Lives): string[] => {
  const in_ = ({ vcpus }: Still): Uint8Array => of(vcpus[id] as StillVcpu);
  const before = in_(suspended);
  const after = in_(restored);
  const same = hex(before) === hex(after);
  return [what, name, show(before), show(after), same ? 'as it was' : 'another frame'];
};

/** What the toolstack writes into start_info, field by field. */
const startInfoRows = ({ suspended, restored }: Lives): string[][] => {
  const { console, ...o } = start_info.offset;
  const pfn = startInfoPfn(suspended);
  const other: Readonly<Record<string, string>> = {
    shared_info: 'another frame',
    store_mfn: 'a pfn, then its frame',
    store_evtchn: 'another port',
    'console.domU.mfn': 'a pfn, then its frame',
    'console.domU.evtchn': 'another port',
  };
  const fields: readonly [what: string, name: string, at: number, bytes: number][] = [
    ['start_info', 'nr_pages', o.nr_pages, 8],
    ['', 'shared_info', o.shared_info, 8],
    ['', 'store_mfn', o.store_mfn, 8],
    ['', 'store_evtchn', o.store_evtchn, 4],
    ['', 'console.domU.mfn', console, 8],
    ['', 'console.domU.evtchn', console + 8, 4],
  ];
  return fields.map(([what, name, at, bytes]) => {
    const [before = '', after = ''] = [suspended, restored].map(({ memory }) =>
      show(memory.get(pfn)?.bytes.subarray(at, at + bytes) ?? new Uint8Array(0)),
    );
    return [what, name, before, after, before === after ? 'as it was' : (other[name] ?? '?')];
  });
};

const roundsOf = ({ guest }: Lives, { memory }: Still): number =>
  fuller_data.at(kernelData(guest, memory, 'fuller', fuller_data.size), 0).rounds;

/** The answer, as two tables. */
export const answerStartOfDay = (lives: Lives): string => {
  const { image } = lives.guest.engine;
  const made = (life: 0 | 1, { matches }: (typeof REGISTRATIONS)[number]): boolean =>
    lives.hypercalls.some((one) => one.life === life && matches(one, image));
  const calls = REGISTRATIONS.filter((one) => made(0, one) || made(1, one)).map((one) => [
    one.part,
    one.name,
    made(0, one) ? 'yes' : 'no',
    made(1, one) ? 'yes' : 'no',
  ]);
  return [
    'Hypercalls that register something: in the first life, and in the second until disk and network were served',
    '',
    table(['part of', 'hypercall', 'at boot', 'at the restore'], calls),
    '',
    'What Xen has of vCPU 0 and of vCPU 1, and what start_info says: at the suspend, and restored, before the guest ran',
    '',
    table(
      ['', 'field', 'suspended', 'restored', ''],
      [...FIELDS.map((one) => row(one, lives)), ...startInfoRows(lives)],
    ),
    '',
    `vCPU 1 counts how often it has been set going: ${roundsOf(lives, lives.suspended)} at the suspend, ${roundsOf(lives, lives.resumed)} when disk and network were served`,
  ].join('\n');
};
