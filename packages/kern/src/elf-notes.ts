/*
 * The notes of a kernel: who it is, for people and for whoever restores it, and what Xen's domain builder asks for.
 *
 *     n_namesz u32 | n_descsz u32 | n_type u32 | name, padded to 4 | description, padded to 4
 */
import {
  XEN_ELFNOTE_ENTRY,
  XEN_ELFNOTE_FEATURES,
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_GUEST_VERSION,
  XEN_ELFNOTE_HYPERCALL_PAGE,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_PADDR_OFFSET,
  XEN_ELFNOTE_PAE_MODE,
  XEN_ELFNOTE_SUSPEND_CANCEL,
  XEN_ELFNOTE_VIRT_BASE,
  XEN_ELFNOTE_XEN_VERSION,
} from '@port-xen/abi';
import {
  array,
  BytesMemory,
  cString,
  i64,
  type Memory,
  struct,
  textOf,
  u32,
} from '@port-xen/layout';
import { HYPERCALL_PAGE, KERNBASE, type KernelImage, NOTES_ADDRESS, PAGE_SIZE } from './image.ts';

const elf_note = struct('elf_note', { n_namesz: u32, n_descsz: u32, n_type: u32 });
const word = array(i64, 1);

const NT_GNU_BUILD_ID = 3;

const align4 = (n: number): number => Math.ceil(n / 4) * 4;

const noteBytes = (owner: string, type: number, description: Uint8Array): Uint8Array => {
  const name = cString(owner);
  const head = elf_note.size;
  const out = new Uint8Array(head + align4(name.length) + align4(description.length));
  const note = elf_note.at(new BytesMemory(out), 0);
  note.n_namesz = name.length;
  note.n_descsz = description.length;
  note.n_type = type;
  out.set(name, head);
  out.set(description, head + align4(name.length));
  return out;
};

const wordBytes = (value: number): Uint8Array => {
  const out = new Uint8Array(word.size);
  struct('word', { value: i64 }).at(new BytesMemory(out), 0).value = value;
  return out;
};

/** Byte arrays one after the other. */
export const join = (parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** The notes: the build id, then what Xen's domain builder asks for (xen/include/public/elfnote.h). */
export const notes = (image: KernelImage): Uint8Array => {
  const xen = (type: number, description: Uint8Array): Uint8Array =>
    noteBytes('Xen', type, description);
  return join([
    noteBytes('GNU', NT_GNU_BUILD_ID, image.buildId),
    xen(XEN_ELFNOTE_XEN_VERSION, cString(image.spec.xenVersion ?? 'xen-3.0')),
    xen(XEN_ELFNOTE_GUEST_OS, cString(image.spec.name)),
    xen(XEN_ELFNOTE_GUEST_VERSION, cString(image.spec.version)),
    xen(XEN_ELFNOTE_LOADER, cString('generic')),
    xen(XEN_ELFNOTE_VIRT_BASE, wordBytes(KERNBASE)),
    xen(XEN_ELFNOTE_PADDR_OFFSET, wordBytes(0)),
    xen(XEN_ELFNOTE_ENTRY, wordBytes(image.sym(image.spec.entry))),
    xen(XEN_ELFNOTE_HYPERCALL_PAGE, wordBytes(HYPERCALL_PAGE)),
    xen(XEN_ELFNOTE_PAE_MODE, cString('yes')),
    xen(XEN_ELFNOTE_FEATURES, cString('')),
    xen(XEN_ELFNOTE_SUSPEND_CANCEL, new Uint8Array([1, 0, 0, 0])),
  ]);
};

/** Where the build id stands within the notes page: after its header and its owner's name "GNU\0". */
export const BUILD_ID_OFFSET: number = elf_note.size + 4;
export const BUILD_ID_SIZE = 20;

/** A note of the running kernel's own, as it stands in memory. @returns its description's text; '' when there is none */
export const ownNote = (memory: Memory, type: number): string => {
  for (let at = NOTES_ADDRESS; at < NOTES_ADDRESS + PAGE_SIZE; ) {
    const { n_namesz, n_descsz, n_type } = elf_note.at(memory, at);
    if (n_namesz === 0) break;
    const description = at + elf_note.size + align4(n_namesz);
    if (n_type === type) {
      const text = new Uint8Array(n_descsz);
      memory.read(description, text);
      return textOf(text);
    }
    at = description + align4(n_descsz);
  }
  return '';
};

/** The running kernel's build id, in hexadecimal. */
export const ownBuildId = (memory: Memory): string => {
  const id = new Uint8Array(BUILD_ID_SIZE);
  memory.read(NOTES_ADDRESS + BUILD_ID_OFFSET, id);
  return Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('');
};
