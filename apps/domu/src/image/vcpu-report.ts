/*
 * One vCPU of an image: registers, what the hypervisor was told of its traps and callbacks, its tables.
 */
import {
  cpu_user_regs,
  trap_info,
  VGCF_failsafe_disables_events,
  VGCF_i387_valid,
  VGCF_in_kernel,
  VGCF_online,
  VGCF_syscall_disables_events,
  vcpu_guest_context,
} from '@port-xen/abi';
import type { IndexedVcpu } from './image-index.ts';
import { hex, hex64, type NamedAddress, named, wordAt } from './names.ts';
import type { KernelSymbols } from './saved-kernel.ts';

/** An entry of the trap table. */
export interface TrapReport extends NamedAddress {
  readonly vector: number;
  readonly name: string;
  readonly cs: string;
  /** Who may raise it by `int`, and whether events are masked on entry. */
  readonly dpl: number;
  readonly masksEvents: boolean;
}

export interface VcpuReport {
  readonly id: number;
  readonly flags: readonly string[];
  readonly registers: Readonly<Record<string, NamedAddress>>;
  /** selectors, hexadecimal */
  readonly segments: Readonly<Record<string, string>>;
  readonly callbacks: Readonly<Record<'event' | 'failsafe' | 'syscall', NamedAddress>>;
  readonly kernelStack: NamedAddress;
  readonly bases: Readonly<Record<'fs' | 'gs_kernel' | 'gs_user', string>>;
  readonly gdt: { readonly entries: number; readonly pfns: readonly string[] };
  readonly ldt: { readonly entries: number; readonly base: string };
  /** Level 4 tables; the user's is absent when there is none. */
  readonly cr3_pfn: string;
  readonly cr1_pfn?: string;
  readonly vmAssist: string;
  readonly traps: readonly TrapReport[];
  readonly extended_bytes?: number;
  readonly xsave?: { readonly bytes: number; readonly xcr0: string; readonly xcr0_accum: string };
  readonly msrs?: readonly { readonly index: string; readonly value: string }[];
}

const C = vcpu_guest_context.offset;
const U = cpu_user_regs.offset;
const WORDS = [
  'rip',
  'rsp',
  'rflags',
  'rax',
  'rbx',
  'rcx',
  'rdx',
  'rsi',
  'rdi',
  'rbp',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;
const SELECTORS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const;
const FLAGS = [
  ['i387_valid', VGCF_i387_valid],
  ['in_kernel', VGCF_in_kernel],
  ['failsafe_disables_events', VGCF_failsafe_disables_events],
  ['syscall_disables_events', VGCF_syscall_disables_events],
  ['online', VGCF_online],
] as const;
const TRAPS = [
  'divide error',
  'debug',
  'NMI',
  'int3',
  'overflow',
  'bound',
  'invalid opcode',
  'no device',
  'double fault',
  'fpu segment',
  'invalid TSS',
  'segment not present',
  'stack',
  'general protection',
  'page fault',
  'spurious',
  'fpu',
  'alignment',
  'machine check',
  'simd',
];
const VECTORS = 256;
const MSR_ENTRY = 16;
const GDT_PER_PAGE = 512;

const trapsOf = (context: Uint8Array, symbols: KernelSymbols | undefined): TrapReport[] => {
  const traps: TrapReport[] = [];
  for (let i = 0; i < VECTORS; i++) {
    const at = C.trap_ctxt + i * trap_info.size;
    const address = wordAt(context, at + trap_info.offset.address_);
    if (address === 0n) continue;
    const flags = Number(wordAt(context, at + trap_info.offset.flags, 1));
    const vector = Number(wordAt(context, at + trap_info.offset.vector, 1));
    traps.push({
      vector,
      name: TRAPS[vector] ?? `vector ${vector}`,
      ...named(address, symbols),
      cs: hex(wordAt(context, at + trap_info.offset.cs, 2)),
      dpl: flags & 3,
      masksEvents: (flags & 4) !== 0,
    });
  }
  return traps;
};

const msrsOf = (entries: Uint8Array): { index: string; value: string }[] =>
  Array.from({ length: Math.floor(entries.length / MSR_ENTRY) }, (_, i) => ({
    index: hex(wordAt(entries, i * MSR_ENTRY, 4)),
    value: hex64(wordAt(entries, i * MSR_ENTRY + 8)),
  }));

/** What an image says of a vCPU; undefined when it says nothing that counts. */
export const vcpuReport = (
  id: number,
  { basic, extended, xsave, msrs }: IndexedVcpu,
  symbols: KernelSymbols | undefined,
): VcpuReport | undefined => {
  if (basic === undefined) return undefined;
  const word = (offset: number): bigint => wordAt(basic, offset);
  const name = (offset: number): NamedAddress => named(word(offset), symbols);
  const flags = Number(word(C.flags));
  const entries = Number(word(C.gdt_ents));
  const gdtPages = Math.min(16, Math.ceil(entries / GDT_PER_PAGE));
  const cr1 = word(C.ctrlreg + 8);
  return {
    id,
    flags: FLAGS.filter(([, bit]) => (flags & bit) !== 0).map(([flag]) => flag),
    registers: Object.fromEntries(WORDS.map((reg) => [reg, name(C.user_regs + U[reg])])),
    segments: Object.fromEntries(
      SELECTORS.map((reg) => [reg, hex(wordAt(basic, C.user_regs + U[reg], 2))]),
    ),
    callbacks: {
      event: name(C.event_callback_eip),
      failsafe: name(C.failsafe_callback_eip),
      syscall: name(C.syscall_callback_eip),
    },
    kernelStack: name(C.kernel_sp),
    bases: {
      fs: hex64(word(C.fs_base)),
      gs_kernel: hex64(word(C.gs_base_kernel)),
      gs_user: hex64(word(C.gs_base_user)),
    },
    gdt: {
      entries,
      pfns: Array.from({ length: gdtPages }, (_, i) => hex(word(C.gdt_frames + i * 8))),
    },
    ldt: { entries: Number(word(C.ldt_ents)), base: hex64(word(C.ldt_base)) },
    cr3_pfn: hex(word(C.ctrlreg + 24) >> 12n),
    ...((cr1 & 1n) === 0n ? {} : { cr1_pfn: hex(cr1 >> 12n) }),
    vmAssist: hex(word(C.vm_assist)),
    traps: trapsOf(basic, symbols),
    ...(extended === undefined ? {} : { extended_bytes: extended.length }),
    ...(xsave === undefined
      ? {}
      : {
          xsave: {
            bytes: xsave.length,
            xcr0: hex(wordAt(xsave, 0)),
            xcr0_accum: hex(wordAt(xsave, 8)),
          },
        }),
    ...(msrs === undefined ? {} : { msrs: msrsOf(msrs) }),
  };
};
