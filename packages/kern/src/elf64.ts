/*
 * ELF64 (System V ABI, gABI chapters 4 and 5): the structs and numbers that a kernel's file needs.
 */
import { bytes, i64, struct, u8, u16, u32, u64 } from '@port-xen/layout';

export const elf64_ehdr = struct('elf64_ehdr', {
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

export const elf64_phdr = struct('elf64_phdr', {
  p_type: u32,
  p_flags: u32,
  p_offset: u64,
  p_vaddr: i64,
  p_paddr: u64,
  p_filesz: u64,
  p_memsz: u64,
  p_align: u64,
});

export const elf64_shdr = struct('elf64_shdr', {
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

export const elf64_sym = struct('elf64_sym', {
  st_name: u32,
  st_info: u8,
  st_other: u8,
  st_shndx: u16,
  st_value: i64,
  st_size: u64,
});

export const ET_EXEC = 2;
export const EM_X86_64 = 62;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const SHT = { progbits: 1, symtab: 2, strtab: 3, note: 7, nobits: 8 };
export const STB_GLOBAL_NOTYPE = 0x10;
export const SHN_ABS = 0xfff1;
