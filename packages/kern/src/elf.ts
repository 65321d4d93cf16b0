/*
 * The kernel as an ELF64 file: one segment for text (notes first), one for data (all bss), one for the notes; sections
 * and symbols for readelf and for people. p_paddr is the distance from KERNBASE (note PADDR_OFFSET 0).
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
  bytes,
  cString,
  i64,
  struct,
  u8,
  u16,
  u32,
  u64,
} from '@port-xen/layout';
import { HYPERCALL_PAGE, KERNBASE, KERNTEXTOFF, type KernelImage, PAGE_SIZE } from './image.ts';

const elf64_ehdr = struct('elf64_ehdr', {
  e_ident: bytes(16),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: i64,
  e_phoff: u64,
  e_shoff: u64,
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
});

const elf64_phdr = struct('elf64_phdr', {
  p_type: u32,
  p_flags: u32,
  p_offset: u64,
  p_vaddr: i64,
  p_paddr: u64,
  p_filesz: u64,
  p_memsz: u64,
  p_align: u64,
});

const elf64_shdr = struct('elf64_shdr', {
  sh_name: u32,
  sh_type: u32,
  sh_flags: u64,
  sh_addr: i64,
  sh_offset: u64,
  sh_size: u64,
  sh_link: u32,
  sh_info: u32,
  sh_addralign: u64,
  sh_entsize: u64,
});

const elf64_sym = struct('elf64_sym', {
  st_name: u32,
  st_info: u8,
  st_other: u8,
  st_shndx: u16,
  st_value: i64,
  st_size: u64,
});

const elf_note = struct('elf_note', { n_namesz: u32, n_descsz: u32, n_type: u32 });
const word = array(i64, 1);

const ET_EXEC = 2;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const SHT = { progbits: 1, symtab: 2, strtab: 3, note: 7, nobits: 8 };
const NT_GNU_BUILD_ID = 3;
const STB_GLOBAL_NOTYPE = 0x10;
const SHN_ABS = 0xfff1;

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

const join = (parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** The notes: the build id, then what Xen's domain builder asks for (xen/include/public/elfnote.h). */
const notes = (image: KernelImage): Uint8Array => {
  const xen = (type: number, description: Uint8Array): Uint8Array =>
    noteBytes('Xen', type, description);
  return join([
    noteBytes('GNU', NT_GNU_BUILD_ID, image.buildId),
    xen(XEN_ELFNOTE_XEN_VERSION, cString('xen-3.0')),
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

/** The ELF file of a kernel. */
export const elfFile = (image: KernelImage): Uint8Array => {
  const noteData = notes(image);
  const text = image.text.slice();
  text.set(noteData, 0);

  const names = new Strings();
  const sectionNames = new Strings();
  const symbols = [...image.symbols].sort((a, b) => a[1] - b[1]);
  const symtab = new Uint8Array((symbols.length + 1) * elf64_sym.size);
  symbols.forEach(([name, value], i) => {
    const sym = elf64_sym.at(new BytesMemory(symtab), (i + 1) * elf64_sym.size);
    sym.st_name = names.add(name);
    sym.st_info = STB_GLOBAL_NOTYPE;
    sym.st_shndx = SHN_ABS;
    sym.st_value = value;
  });

  const textAt = PAGE_SIZE;
  const symtabAt = textAt + text.length;
  const strtabAt = symtabAt + symtab.length;
  const sections = [
    { name: '', type: 0, flags: 0, addr: 0, at: 0, size: 0, link: 0, info: 0, entry: 0 },
    {
      name: '.note',
      type: SHT.note,
      flags: 2,
      addr: KERNTEXTOFF,
      at: textAt,
      size: noteData.length,
      link: 0,
      info: 0,
      entry: 0,
    },
    {
      name: '.text',
      type: SHT.progbits,
      flags: 6,
      addr: HYPERCALL_PAGE,
      at: textAt + PAGE_SIZE,
      size: text.length - PAGE_SIZE,
      link: 0,
      info: 0,
      entry: 0,
    },
    {
      name: '.bss',
      type: SHT.nobits,
      flags: 3,
      addr: image.dataStart,
      at: symtabAt,
      size: image.end - image.dataStart,
      link: 0,
      info: 0,
      entry: 0,
    },
    {
      name: '.symtab',
      type: SHT.symtab,
      flags: 0,
      addr: 0,
      at: symtabAt,
      size: symtab.length,
      link: 5,
      info: 1,
      entry: elf64_sym.size,
    },
    {
      name: '.strtab',
      type: SHT.strtab,
      flags: 0,
      addr: 0,
      at: strtabAt,
      size: names.size,
      link: 0,
      info: 0,
      entry: 0,
    },
    {
      name: '.shstrtab',
      type: SHT.strtab,
      flags: 0,
      addr: 0,
      at: 0,
      size: 0,
      link: 0,
      info: 0,
      entry: 0,
    },
  ];
  const nameOffsets = sections.map((section) => sectionNames.add(section.name));
  const shstrtabAt = strtabAt + names.size;
  Object.assign(sections[6] as object, { at: shstrtabAt, size: sectionNames.size });
  const sectionsAt = Math.ceil((shstrtabAt + sectionNames.size) / 8) * 8;

  const file = new Uint8Array(sectionsAt + sections.length * elf64_shdr.size);
  const memory = new BytesMemory(file);
  file.set(text, textAt);
  file.set(symtab, symtabAt);
  file.set(names.bytes(), strtabAt);
  file.set(sectionNames.bytes(), shstrtabAt);

  const header = elf64_ehdr.at(memory, 0);
  header.e_ident = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = 1;
  header.e_entry = image.sym(image.spec.entry);
  header.e_phoff = elf64_ehdr.size;
  header.e_shoff = sectionsAt;
  header.e_ehsize = elf64_ehdr.size;
  header.e_phentsize = elf64_phdr.size;
  header.e_phnum = 3;
  header.e_shentsize = elf64_shdr.size;
  header.e_shnum = sections.length;
  header.e_shstrndx = 6;

  const segment = (
    i: number,
    type: number,
    flags: number,
    at: number,
    address: number,
    filesz: number,
    memsz: number,
  ): void => {
    const phdr = elf64_phdr.at(memory, elf64_ehdr.size + i * elf64_phdr.size);
    phdr.p_type = type;
    phdr.p_flags = flags;
    phdr.p_offset = at;
    phdr.p_vaddr = address;
    phdr.p_paddr = address - KERNBASE;
    phdr.p_filesz = filesz;
    phdr.p_memsz = memsz;
    phdr.p_align = PAGE_SIZE;
  };
  segment(0, PT_LOAD, 5, textAt, KERNTEXTOFF, text.length, text.length);
  segment(1, PT_LOAD, 6, symtabAt, image.dataStart, 0, image.end - image.dataStart);
  segment(2, PT_NOTE, 4, textAt, KERNTEXTOFF, noteData.length, noteData.length);

  sections.forEach((section, i) => {
    const shdr = elf64_shdr.at(memory, sectionsAt + i * elf64_shdr.size);
    shdr.sh_name = nameOffsets[i] as number;
    shdr.sh_type = section.type;
    shdr.sh_flags = section.flags;
    shdr.sh_addr = section.addr;
    shdr.sh_offset = section.at;
    shdr.sh_size = section.size;
    shdr.sh_link = section.link;
    shdr.sh_info = section.info;
    shdr.sh_addralign = 1;
    shdr.sh_entsize = section.entry;
  });
  return file;
};

/** A string table in the making: offset 0 is the empty string. */
class Strings {
  readonly #parts: Uint8Array[] = [new Uint8Array(1)];
  size = 1;

  add(text: string): number {
    if (text === '') return 0;
    const at = this.size;
    const part = cString(text);
    this.#parts.push(part);
    this.size += part.length;
    return at;
  }

  bytes(): Uint8Array {
    return join(this.#parts);
  }
}
