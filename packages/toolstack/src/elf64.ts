/*
 * The tables of an ELF64 file (ELF-64 Object File Format 1.5): program headers and section headers, each checked against
 * the length of the file before anybody looks through it. The file is taken for hostile.
 */
import {
  Elf64_Ehdr,
  Elf64_Phdr,
  Elf64_Shdr,
  EM_X86_64,
  ET_DYN,
  ET_EXEC,
  SHT_NOBITS,
} from '@port-xen/abi';
import { BytesMemory, textOf, type View } from '@port-xen/layout';
import { ToolstackError } from './toolstack-error.ts';

export type ProgramHeader = View<typeof Elf64_Phdr>;
export type SectionHeader = View<typeof Elf64_Shdr>;

const fail = (expected: string, found: string): never => {
  throw new ToolstackError(`kernel: expected ${expected}, found ${found}`);
};

/** An ELF64 file for x86-64, its tables known to lie within it. */
export class Elf64 {
  readonly file: Uint8Array;
  readonly entry: number;
  readonly programs: readonly ProgramHeader[];
  readonly sections: readonly SectionHeader[];
  readonly #names: SectionHeader | undefined;

  /** @throws ToolstackError */
  constructor(file: Uint8Array) {
    this.file = file;
    const memory = new BytesMemory(file);
    if (file.length < Elf64_Ehdr.size) {
      fail(`an ELF64 header of ${Elf64_Ehdr.size} bytes`, `a file of ${file.length} bytes`);
    }
    const header = Elf64_Ehdr.at(memory, 0);
    const ident = Array.from(header.e_ident.subarray(0, 7));
    if (ident.join() !== [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].join()) {
      fail('an ELF64 file, little-endian, version 1', `a file that begins with ${ident.join(' ')}`);
    }
    if (header.e_machine !== EM_X86_64) fail('machine 62 (x86-64)', `machine ${header.e_machine}`);
    if (header.e_type !== ET_EXEC && header.e_type !== ET_DYN) {
      fail('an executable (type 2 or 3)', `type ${header.e_type}`);
    }
    this.entry = header.e_entry;
    this.programs = this.#table(
      'program headers',
      header.e_phoff,
      header.e_phnum,
      header.e_phentsize,
      Elf64_Phdr.size,
    ).map((at) => Elf64_Phdr.at(memory, at));
    this.sections = this.#table(
      'section headers',
      header.e_shoff,
      header.e_shnum,
      header.e_shentsize,
      Elf64_Shdr.size,
    ).map((at) => Elf64_Shdr.at(memory, at));
    this.#names = this.sections[header.e_shstrndx];
  }

  /**
   * The bytes [offset, offset + length) of the file.
   * @param what for the sentence if they leave the file
   * @throws ToolstackError
   */
  range(what: string, offset: number, length: number): Uint8Array {
    if (offset + length > this.file.length) {
      fail(
        `${what} within the ${this.file.length} bytes of the file`,
        `${length} bytes at offset ${offset}`,
      );
    }
    return this.file.subarray(offset, offset + length);
  }

  /** The bytes of a section; none of a section without any in the file. */
  contents(section: SectionHeader): Uint8Array {
    if (section.sh_type === SHT_NOBITS) return new Uint8Array(0);
    return this.range('a section', section.sh_offset, section.sh_size);
  }

  /** The section's name; empty if it has none that can be read. */
  nameOf(section: SectionHeader): string {
    if (this.#names === undefined) return '';
    return textOf(this.contents(this.#names).subarray(section.sh_name, section.sh_name + 64));
  }

  #table(what: string, offset: number, count: number, entry: number, size: number): number[] {
    if (count === 0) return [];
    if (entry < size) fail(`${what} of ${size} bytes each`, `${entry}`);
    this.range(what, offset, count * entry);
    return Array.from({ length: count }, (_, i) => offset + i * entry);
  }
}
