/*
 * ELF64 (System V gABI, chapters 4 and 5): the structs and numbers of a kernel's file and of a core dump. Not Xen's own, but both
 * sides of the hypercall line read it: the linker writes kernels, the domain builder loads them.
 */
import { bytes, i64, struct, u8, u16, u32, u64 } from '@port-xen/layout';

/** `Elf64_Ehdr`. */
export const Elf64_Ehdr = struct('Elf64_Ehdr', {
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

/** `Elf64_Phdr`. */
export const Elf64_Phdr = struct('Elf64_Phdr', {
  p_type: u32,
  p_flags: u32,
  p_offset: u64,
  p_vaddr: i64,
  p_paddr: i64,
  p_filesz: u64,
  p_memsz: u64,
  p_align: u64,
});

/** `Elf64_Shdr`. */
export const Elf64_Shdr = struct('Elf64_Shdr', {
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

/** `Elf64_Sym`. */
export const Elf64_Sym = struct('Elf64_Sym', {
  st_name: u32,
  st_info: u8,
  st_other: u8,
  st_shndx: u16,
  st_value: i64,
  st_size: u64,
});

export const ET_EXEC = 2;
export const ET_DYN = 3;
export const ET_CORE = 4;
export const EM_X86_64 = 62;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const STB_GLOBAL = 1;
export const SHN_ABS = 0xfff1;
