/*
 * The kernel as an ELF64 file: one segment for text (notes first), one for data (all bss), one for the notes; sections
 * and symbols for readelf and for people. p_paddr is the distance from KERNBASE (note PADDR_OFFSET 0).
 */

import {
  Elf64_Ehdr,
  Elf64_Phdr,
  Elf64_Shdr,
  Elf64_Sym,
  EM_X86_64,
  ET_EXEC,
  PT_LOAD,
  PT_NOTE,
  SHN_ABS,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_PROGBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
  STB_GLOBAL,
} from '@port-xen/abi';
import { BytesMemory, cString } from '@port-xen/layout';
import { join, notes } from './elf-notes.ts';
import { HYPERCALL_PAGE, KERNBASE, KERNTEXTOFF, type KernelImage, PAGE_SIZE } from './image.ts';

/** The ELF file of a kernel. */
export const elfFile = (image: KernelImage): Uint8Array => {
  const noteData = notes(image);
  const text = image.text.slice();
  text.set(noteData, 0);

  const names = new Strings();
  const sectionNames = new Strings();
  const symbols = [...image.symbols].sort((a, b) => a[1] - b[1]);
  const symtab = new Uint8Array((symbols.length + 1) * Elf64_Sym.size);
  symbols.forEach(([name, value], i) => {
    const sym = Elf64_Sym.at(new BytesMemory(symtab), (i + 1) * Elf64_Sym.size);
    sym.st_name = names.add(name);
    sym.st_info = STB_GLOBAL << 4;
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
      type: SHT_NOTE,
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
      type: SHT_PROGBITS,
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
      type: SHT_NOBITS,
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
      type: SHT_SYMTAB,
      flags: 0,
      addr: 0,
      at: symtabAt,
      size: symtab.length,
      link: 5,
      info: 1,
      entry: Elf64_Sym.size,
    },
    {
      name: '.strtab',
      type: SHT_STRTAB,
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
      type: SHT_STRTAB,
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

  const file = new Uint8Array(sectionsAt + sections.length * Elf64_Shdr.size);
  const memory = new BytesMemory(file);
  file.set(text, textAt);
  file.set(symtab, symtabAt);
  file.set(names.bytes(), strtabAt);
  file.set(sectionNames.bytes(), shstrtabAt);

  const header = Elf64_Ehdr.at(memory, 0);
  header.e_ident = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = 1;
  header.e_entry = image.sym(image.spec.entry);
  header.e_phoff = Elf64_Ehdr.size;
  header.e_shoff = sectionsAt;
  header.e_ehsize = Elf64_Ehdr.size;
  header.e_phentsize = Elf64_Phdr.size;
  header.e_phnum = 3;
  header.e_shentsize = Elf64_Shdr.size;
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
    const phdr = Elf64_Phdr.at(memory, Elf64_Ehdr.size + i * Elf64_Phdr.size);
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
    const shdr = Elf64_Shdr.at(memory, sectionsAt + i * Elf64_Shdr.size);
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
