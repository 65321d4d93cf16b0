/*
 * An ELF64 kernel made by hand: one segment from VIRT_BASE + 0x100000 on (some pages of bytes, then bss), one note segment.
 */
import { Elf64_Ehdr, Elf64_Phdr } from '@port-xen/abi';
import { BytesMemory, cString, st64 } from '@port-xen/layout';

export interface HandElf {
  readonly virtBase?: number;
  readonly text?: Uint8Array;
  readonly bssBytes?: number;
  readonly initP2m?: number;
  readonly suspendCancel?: boolean;
  readonly features?: string;
  readonly loader?: string;
  readonly entry?: number;
  readonly hypercallPage?: number;
  readonly withoutNotes?: boolean;
  readonly extraNotes?: readonly (readonly [type: number, description: Uint8Array])[];
}

/** Distance of the image from VIRT_BASE. */
export const IMAGE_OFFSET = 0x100000;

export const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  st64(new BytesMemory(bytes), 0, value);
  return bytes;
};

const note = (type: number, description: Uint8Array): Uint8Array => {
  const out = new Uint8Array(12 + 4 + Math.ceil(description.length / 4) * 4);
  const memory = new BytesMemory(out);
  memory.st32(0, 4);
  memory.st32(4, description.length);
  memory.st32(8, type);
  out.set(cString('Xen'), 12);
  out.set(description, 16);
  return out;
};

/** 0xffffffff80000000, the usual one. */
export const DEFAULT_BASE: number = -0x8000_0000;

export const handElf = (options: HandElf = {}): Uint8Array => {
  const virtBase = options.virtBase ?? DEFAULT_BASE;
  const text =
    options.text ?? Uint8Array.from({ length: 3 * 4096 + 100 }, (_, i) => (i * 7) & 0xff);
  const entry = options.entry ?? virtBase + IMAGE_OFFSET;
  const notes = options.withoutNotes
    ? []
    : [
        note(1, word(entry)),
        note(2, word(options.hypercallPage ?? virtBase + IMAGE_OFFSET + 0x1000)),
        note(3, word(virtBase)),
        note(4, word(0)),
        note(5, cString('xen-3.0')),
        note(6, cString('hand')),
        note(8, cString(options.loader ?? 'generic')),
        note(10, cString(options.features ?? '')),
        note(14, Uint8Array.of(options.suspendCancel === false ? 0 : 1, 0, 0, 0)),
        ...(options.initP2m === undefined ? [] : [note(15, word(options.initP2m))]),
        ...(options.extraNotes ?? []).map(([type, description]) => note(type, description)),
      ];
  const notesLength = notes.reduce((n, one) => n + one.length, 0);
  const notesAt = Elf64_Ehdr.size + 2 * Elf64_Phdr.size;
  const textAt = Math.ceil((notesAt + notesLength) / 4096) * 4096;
  const file = new Uint8Array(textAt + text.length);
  const memory = new BytesMemory(file);
  const header = Elf64_Ehdr.at(memory, 0);
  header.e_ident = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1);
  header.e_type = 2;
  header.e_machine = 62;
  header.e_version = 1;
  header.e_entry = entry;
  header.e_phoff = Elf64_Ehdr.size;
  header.e_phentsize = Elf64_Phdr.size;
  header.e_phnum = 2;
  const load = Elf64_Phdr.at(memory, Elf64_Ehdr.size);
  load.p_type = 1;
  load.p_flags = 7;
  load.p_offset = textAt;
  load.p_vaddr = virtBase + IMAGE_OFFSET;
  load.p_paddr = IMAGE_OFFSET;
  load.p_filesz = text.length;
  load.p_memsz = text.length + (options.bssBytes ?? 5000);
  const notePart = Elf64_Phdr.at(memory, Elf64_Ehdr.size + Elf64_Phdr.size);
  notePart.p_type = 4;
  notePart.p_offset = notesAt;
  notePart.p_filesz = notesLength;
  let at = notesAt;
  for (const one of notes) {
    file.set(one, at);
    at += one.length;
  }
  file.set(text, textAt);
  return file;
};
