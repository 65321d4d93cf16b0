/*
 * What is compared for question 5: fields of a vCPU's state, as domain 0 reads it, and of start_info.
 */
import {
  cpu_user_regs,
  start_info,
  vcpu_guest_context,
  xen_domctl_ext_vcpucontext,
} from '@port-xen/abi';
import type { Page } from './snapshot.ts';
import { type Still, type StillVcpu, startInfoPfn } from './still.ts';

const C = vcpu_guest_context.offset;
const X = xen_domctl_ext_vcpucontext.offset;
const S = start_info.offset;
const RDX = C.user_regs + cpu_user_regs.offset.rdx;
const RIP = C.user_regs + cpu_user_regs.offset.rip;

/** What the bytes of a field are. A ring's page is named by its pfn at the suspend, by its frame later. */
export type FieldKind = 'word' | 'port' | 'ring' | 'bytes';

export interface StateField {
  /** What it is for; '' where the line above says it. */
  readonly what: string;
  readonly name: string;
  readonly kind: FieldKind;
  readonly of: (still: Still) => Uint8Array;
}

const ofVcpu = (
  what: string,
  name: string,
  of: (vcpu: StillVcpu) => Uint8Array,
  kind: FieldKind = 'word',
): StateField => ({ what, name, kind, of: ({ vcpus }) => of(vcpus[0] as StillVcpu) });

const word = (what: string, name: string, at: number, id = 0): StateField => ({
  what,
  name,
  kind: 'word',
  of: ({ vcpus }) => (vcpus[id] as StillVcpu).context.subarray(at, at + 8),
});

const extended = (name: string, at: number): StateField =>
  ofVcpu('', name, (vcpu) => vcpu.extended.subarray(at, at + 8));

const inStartInfo = (what: string, name: string, at: number, kind: FieldKind): StateField => ({
  what,
  name,
  kind,
  of: (still) =>
    (still.memory.get(startInfoPfn(still)) as Page).bytes.subarray(
      at,
      at + (kind === 'port' ? 4 : 8),
    ),
});

/** Bytes but the word at an offset. */
const withoutWord = (bytes: Uint8Array, at: number): Uint8Array =>
  Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 8)]);

/** General registers but rdx. */
const otherRegisters = ({ context }: StillVcpu): Uint8Array =>
  withoutWord(context.subarray(C.user_regs, C.trap_ctxt), RDX - C.user_regs);

/** A context but the frame of its page tables. */
const restOf = ({ context }: StillVcpu): Uint8Array => withoutWord(context, C.ctrlreg + 24);

export const TRAP_TABLE: StateField = ofVcpu(
  'trap table',
  'trap_ctxt',
  ({ context }) => context.subarray(C.trap_ctxt, C.ldt_base),
  'bytes',
);

export const STATE_FIELDS: readonly StateField[] = [
  TRAP_TABLE,
  word('callbacks', 'event_callback_eip', C.event_callback_eip),
  word('', 'failsafe_callback_eip', C.failsafe_callback_eip),
  word('', 'syscall_callback_eip', C.syscall_callback_eip),
  extended('sysenter_callback_eip', X.sysenter_callback_eip),
  extended('syscall32_callback_eip', X.syscall32_callback_eip),
  word('kernel stack', 'kernel_ss', C.kernel_ss),
  word('', 'kernel_sp', C.kernel_sp),
  word("kernel's page tables", 'ctrlreg[3]', C.ctrlreg + 24),
  word("program's page tables", 'ctrlreg[1]', C.ctrlreg + 8),
  word('GDT', 'gdt_frames[0]', C.gdt_frames),
  word('', 'gdt_ents', C.gdt_ents),
  word('LDT', 'ldt_base', C.ldt_base),
  word('', 'ldt_ents', C.ldt_ents),
  word('segment bases', 'fs_base', C.fs_base),
  word('', 'gs_base_kernel', C.gs_base_kernel),
  word('', 'gs_base_user', C.gs_base_user),
  word('debug registers', 'debugreg[0]', C.debugreg),
  word('', 'debugreg[7]', C.debugreg + 56),
  word('vm_assist', 'vm_assist', C.vm_assist),
  word("start_info's frame", 'user_regs.rdx', RDX),
  ofVcpu('other registers', 'user_regs but rdx', otherRegisters, 'bytes'),
  word('vCPU 1', 'user_regs.rip', RIP, 1),
  word('', 'kernel_sp', C.kernel_sp, 1),
  word('', 'ctrlreg[3]', C.ctrlreg + 24, 1),
  {
    what: '',
    name: 'all but ctrlreg[3]',
    kind: 'bytes',
    of: ({ vcpus }) => restOf(vcpus[1] as StillVcpu),
  },
  inStartInfo('start_info', 'nr_pages', S.nr_pages, 'word'),
  inStartInfo('', 'shared_info', S.shared_info, 'word'),
  inStartInfo('', 'store_mfn', S.store_mfn, 'ring'),
  inStartInfo('', 'store_evtchn', S.store_evtchn, 'port'),
  inStartInfo('', 'console.domU.mfn', S.console, 'ring'),
  inStartInfo('', 'console.domU.evtchn', S.console + 8, 'port'),
];
