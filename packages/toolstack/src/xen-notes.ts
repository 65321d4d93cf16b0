/*
 * What a kernel says about itself to whoever loads it: ELF notes of owner "Xen" (xen/include/public/elfnote.h), in note
 * segments or else in note sections; or, in kernels from before the notes, a section `__xen_guest` of KEY=VALUE pairs.
 */
import {
  PT_NOTE,
  SHT_NOTE,
  XEN_ELFNOTE_BSD_SYMTAB,
  XEN_ELFNOTE_ENTRY,
  XEN_ELFNOTE_FEATURES,
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_GUEST_VERSION,
  XEN_ELFNOTE_HYPERCALL_PAGE,
  XEN_ELFNOTE_INIT_P2M,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_MOD_START_PFN,
  XEN_ELFNOTE_PADDR_OFFSET,
  XEN_ELFNOTE_SUSPEND_CANCEL,
  XEN_ELFNOTE_VIRT_BASE,
  XEN_ELFNOTE_XEN_VERSION,
} from '@port-xen/abi';
import { BytesMemory, ldI64, textOf } from '@port-xen/layout';
import type { Elf64 } from './elf64.ts';
import { ToolstackError } from './toolstack-error.ts';

/** What is not said is undefined. */
export interface XenNotes {
  /** Said in notes, not in a `__xen_guest` section. */
  readonly modern: boolean;
  readonly virtBase?: number;
  readonly paddrOffset?: number;
  readonly entry?: number;
  readonly hypercallPage?: number;
  readonly initP2m?: number;
  readonly guestOs?: string;
  readonly guestVersion?: string;
  readonly loader?: string;
  readonly xenVersion?: string;
  readonly features?: string;
  readonly bsdSymtab?: boolean;
  readonly modStartPfn?: boolean;
  readonly suspendCancel?: boolean;
}

type Draft = { -readonly [K in keyof XenNotes]?: XenNotes[K] };

const OWNER = 'Xen';
const HEADER = 12;

/** The most that is read of a text; what goes on after it is not a text for a loader. */
const MAX_TEXT = 4096;

const text = (bytes: Uint8Array): string => textOf(bytes.subarray(0, MAX_TEXT));

/** A numeric description: 1, 2, 4 or 8 bytes, little-endian; an 8-byte one is an address and signed. */
const number = (description: Uint8Array): number => {
  const memory = new BytesMemory(description);
  switch (description.length) {
    case 1:
      return memory.ld8(0);
    case 2:
      return memory.ld16(0);
    case 4:
      return memory.ld32(0) >>> 0;
    case 8:
      return ldI64(memory, 0);
    default:
      throw new ToolstackError(
        `kernel: expected a Xen note with a number of 1, 2, 4 or 8 bytes, found ${description.length} bytes`,
      );
  }
};

const take = (draft: Draft, type: number, description: Uint8Array): void => {
  switch (type) {
    case XEN_ELFNOTE_ENTRY:
      draft.entry = number(description);
      break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
      draft.hypercallPage = number(description);
      break;
    case XEN_ELFNOTE_VIRT_BASE:
      draft.virtBase = number(description);
      break;
    case XEN_ELFNOTE_PADDR_OFFSET:
      draft.paddrOffset = number(description);
      break;
    case XEN_ELFNOTE_INIT_P2M:
      draft.initP2m = number(description);
      break;
    case XEN_ELFNOTE_XEN_VERSION:
      draft.xenVersion = text(description);
      break;
    case XEN_ELFNOTE_GUEST_OS:
      draft.guestOs = text(description);
      break;
    case XEN_ELFNOTE_GUEST_VERSION:
      draft.guestVersion = text(description);
      break;
    case XEN_ELFNOTE_LOADER:
      draft.loader = text(description);
      break;
    case XEN_ELFNOTE_FEATURES:
      draft.features = text(description);
      break;
    case XEN_ELFNOTE_BSD_SYMTAB:
      draft.bsdSymtab = text(description) === 'yes';
      break;
    case XEN_ELFNOTE_MOD_START_PFN:
      draft.modStartPfn = number(description) !== 0;
      break;
    case XEN_ELFNOTE_SUSPEND_CANCEL:
      draft.suspendCancel = number(description) !== 0;
      break;
  }
};

/** Takes the Xen notes of one segment or section. @returns how many */
const takeNotes = (draft: Draft, notes: Uint8Array): number => {
  const memory = new BytesMemory(notes);
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  let taken = 0;
  let at = 0;
  while (at + HEADER <= notes.length) {
    const nameLength = memory.ld32(at) >>> 0;
    const length = memory.ld32(at + 4) >>> 0;
    const type = memory.ld32(at + 8) >>> 0;
    const description = at + HEADER + padded(nameLength);
    if (description + length > notes.length) {
      throw new ToolstackError(
        `kernel: expected a note within the ${notes.length} bytes of its segment, found ${nameLength} and ${length} bytes at offset ${at}`,
      );
    }
    const owner = notes.subarray(at + HEADER, at + HEADER + nameLength);
    if (nameLength === OWNER.length + 1 && textOf(owner) === OWNER) {
      take(draft, type, notes.subarray(description, description + length));
      taken++;
    }
    at = description + padded(length);
  }
  return taken;
};

const legacyNumber = (key: string, value: string): number => {
  const digits = /^0x([0-9a-f]{1,16})$/i.exec(value)?.[1];
  if (digits === undefined) {
    throw new ToolstackError(
      `kernel: expected ${key} in __xen_guest to be a hexadecimal number, found ${JSON.stringify(value)}`,
    );
  }
  return Number(BigInt.asIntN(64, BigInt(`0x${digits}`)));
};

/** Takes a `__xen_guest` section: KEY=VALUE pairs separated by commas. */
const takeLegacy = (draft: Draft, section: Uint8Array): void => {
  let hypercallFrame: number | undefined;
  for (const pair of text(section).split(',')) {
    const [key = '', value = ''] = pair.trim().split('=', 2);
    if (key === 'VIRT_BASE') draft.virtBase = legacyNumber(key, value);
    else if (key === 'ELF_PADDR_OFFSET') draft.paddrOffset = legacyNumber(key, value);
    else if (key === 'VIRT_ENTRY') draft.entry = legacyNumber(key, value);
    else if (key === 'INIT_P2M') draft.initP2m = legacyNumber(key, value);
    else if (key === 'HYPERCALL_PAGE') hypercallFrame = legacyNumber(key, value);
    else if (key === 'LOADER') draft.loader = value;
    else if (key === 'GUEST_OS') draft.guestOs = value;
    else if (key === 'GUEST_VER') draft.guestVersion = value;
    else if (key === 'XEN_VER') draft.xenVersion = value;
    else if (key === 'FEATURES') draft.features = value;
    else if (key === 'BSD_SYMTAB') draft.bsdSymtab = true;
  }
  if (hypercallFrame !== undefined) {
    draft.hypercallPage = (draft.virtBase ?? 0) + hypercallFrame * 4096;
  }
};

/** @throws ToolstackError if the kernel says nothing, or nothing that can be read */
export const xenNotes = (elf: Elf64): XenNotes => {
  const draft: Draft = {};
  let taken = 0;
  for (const program of elf.programs) {
    if (program.p_type !== PT_NOTE) continue;
    taken += takeNotes(draft, elf.range('a note segment', program.p_offset, program.p_filesz));
  }
  if (taken === 0) {
    for (const section of elf.sections) {
      if (section.sh_type === SHT_NOTE) taken += takeNotes(draft, elf.contents(section));
    }
  }
  if (taken > 0) return { ...draft, modern: true };
  const legacy = elf.sections.find((section) => elf.nameOf(section) === '__xen_guest');
  if (legacy === undefined) {
    throw new ToolstackError(
      'kernel: expected ELF notes of owner Xen or a section __xen_guest, found neither: not a kernel for Xen',
    );
  }
  takeLegacy(draft, elf.contents(legacy));
  return { ...draft, modern: false };
};
