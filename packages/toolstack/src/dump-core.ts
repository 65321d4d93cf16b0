/*
 * `xl dump-core` (xg_core.c, docs/misc/dump-core-format.txt): an ELF64 file of type ET_CORE.
 *
 *     .note.Xen          NONE, HEADER {magic, vcpus, pages, page size}, XEN_VERSION, FORMAT_VERSION
 *     .note.prstatus     ours: the registers again, for debuggers
 *     .xen_prstatus      a vcpu_guest_context for each vCPU that is online
 *     .xen_shared_info   the page
 *     .xen_p2m           {pfn, gmfn} for each page that the domain has, ascending
 *     .xen_pages         the pages, in that order
 *     .shstrtab
 *
 * Xen's tools write no program headers; ours have them, for debuggers (core-segments.ts).
 *
 * Frames stand in it as they are on this host: a core is looked at, not restored.
 */
import {
  Elf64_Ehdr,
  Elf64_Phdr,
  Elf64_Shdr,
  EM_X86_64,
  ET_CORE,
  PT_LOAD,
  PT_NOTE,
  SHT_NOTE,
  SHT_PROGBITS,
  SHT_STRTAB,
  vcpu_guest_context,
  XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION,
  XEN_ELFNOTE_DUMPCORE_HEADER,
  XEN_ELFNOTE_DUMPCORE_NONE,
  XEN_ELFNOTE_DUMPCORE_XEN_VERSION,
} from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import { BytesMemory, bytes, cString, i64, struct, u32, u64 } from '@port-xen/layout';
import { type MappedRun, mappedRuns, NT_PRSTATUS, prstatusOf } from './core-segments.ts';
import { GuestFrames } from './guest-frames.ts';
import { readGuestP2m } from './guest-p2m.ts';

const PAGE = 4096;
/** XC_CORE_MAGIC: a PV domain's core. */
const CORE_MAGIC = 0xf00febed;
const FORMAT_VERSION = 1;
const CONTEXT_SIZE = 5168;
/** virt_start of XENVER_platform_parameters. */
const HYPERVISOR_VIRT_START = -0x8000_0000_0000;

const elf_note = struct('core_elf_note', { namesz: u32, descsz: u32, type: u32 });
/** Flags of a segment. */
const PF_W = 2;
const PF_R = 4;
const header_desc = struct('xen_dumpcore_elfnote_header_desc', {
  xch_magic: u64,
  xch_nr_vcpus: u64,
  xch_nr_pages: u64,
  xch_page_size: u64,
});
const version_desc = struct('xen_dumpcore_elfnote_xen_version_desc', {
  major_version: u64,
  minor_version: u64,
  extra_version: bytes(16),
  compile_info: bytes(144),
  capabilities: bytes(1024),
  changeset: bytes(64),
  virt_start: i64,
  pagesize: u64,
});
const format_desc = struct('xen_dumpcore_elfnote_format_version_desc', { version: u64 });
const core_p2m = struct('xen_dumpcore_p2m', { pfn: u64, gmfn: u64 });

const note = (owner: string, type: number, desc: Uint8Array): Uint8Array => {
  const name = cString(owner);
  const at = elf_note.size + 4 * Math.ceil(name.length / 4);
  const out = new Uint8Array(at + desc.length);
  const n = elf_note.at(new BytesMemory(out), 0);
  n.namesz = name.length;
  n.descsz = desc.length;
  n.type = type;
  out.set(name, elf_note.size);
  out.set(desc, at);
  return out;
};

const notes = (hv: Hypervisor, vcpus: number, pages: number): Uint8Array => {
  const header = new Uint8Array(header_desc.size);
  const h = header_desc.at(new BytesMemory(header), 0);
  h.xch_magic = CORE_MAGIC;
  h.xch_nr_vcpus = vcpus;
  h.xch_nr_pages = pages;
  h.xch_page_size = PAGE;
  const version = new Uint8Array(version_desc.size);
  const v = version_desc.at(new BytesMemory(version), 0);
  v.major_version = hv.version.major;
  v.minor_version = hv.version.minor;
  v.extra_version = cString(hv.version.extra);
  v.capabilities = cString('xen-3.0-x86_64');
  v.virt_start = HYPERVISOR_VIRT_START;
  v.pagesize = PAGE;
  const format = new Uint8Array(format_desc.size);
  format_desc.at(new BytesMemory(format), 0).version = FORMAT_VERSION;
  return concatenate([
    note('Xen', XEN_ELFNOTE_DUMPCORE_NONE, new Uint8Array(0)),
    note('Xen', XEN_ELFNOTE_DUMPCORE_HEADER, header),
    note('Xen', XEN_ELFNOTE_DUMPCORE_XEN_VERSION, version),
    note('Xen', XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, format),
  ]);
};

const concatenate = (parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

interface Section {
  readonly name: string;
  readonly type: number;
  readonly size: number;
  readonly align: number;
  readonly entry: number;
}

/** The ELF header, the section headers after it, then room for so many program headers, and where each section lies. */
const headers = (
  sections: readonly Section[],
  segments: number,
  names: Uint8Array,
): [Uint8Array, number[]] => {
  const count = sections.length + 1;
  const phoff = Elf64_Ehdr.size + count * Elf64_Shdr.size;
  const out = new Uint8Array(phoff + segments * Elf64_Phdr.size);
  const memory = new BytesMemory(out);
  const e = Elf64_Ehdr.at(memory, 0);
  e.e_ident = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  e.e_type = ET_CORE;
  e.e_machine = EM_X86_64;
  e.e_version = 1;
  e.e_phoff = phoff;
  e.e_shoff = Elf64_Ehdr.size;
  e.e_ehsize = Elf64_Ehdr.size;
  e.e_phentsize = Elf64_Phdr.size;
  e.e_phnum = segments;
  e.e_shentsize = Elf64_Shdr.size;
  e.e_shnum = count;
  e.e_shstrndx = sections.length;
  const offsets: number[] = [];
  let at = out.length;
  for (const [i, section] of sections.entries()) {
    at = Math.ceil(at / section.align) * section.align;
    const s = Elf64_Shdr.at(memory, Elf64_Ehdr.size + (i + 1) * Elf64_Shdr.size);
    s.sh_name = nameOffset(names, section.name);
    s.sh_type = section.type;
    s.sh_offset = at;
    s.sh_size = section.size;
    s.sh_addralign = section.align;
    s.sh_entsize = section.entry;
    offsets.push(at);
    at += section.size;
  }
  return [out, offsets];
};

/** Fills in the program headers: the notes, then a segment for each run. */
const segmentHeaders = (
  head: Uint8Array,
  notesAt: number,
  noteBytes: number,
  pagesAt: number,
  runs: readonly MappedRun[],
): void => {
  const memory = new BytesMemory(head);
  const { e_phoff } = Elf64_Ehdr.at(memory, 0);
  const first = Elf64_Phdr.at(memory, e_phoff);
  first.p_type = PT_NOTE;
  first.p_flags = PF_R;
  first.p_offset = notesAt;
  first.p_filesz = noteBytes;
  first.p_align = 4;
  for (const [i, { va, index, pages, writable }] of runs.entries()) {
    const p = Elf64_Phdr.at(memory, e_phoff + (i + 1) * Elf64_Phdr.size);
    p.p_type = PT_LOAD;
    p.p_flags = writable ? PF_R | PF_W : PF_R;
    p.p_offset = pagesAt + index * PAGE;
    p.p_vaddr = va;
    p.p_filesz = pages * PAGE;
    p.p_memsz = pages * PAGE;
    p.p_align = PAGE;
  }
};

/** Where `.xen_pages` is among the sections: before the last. */
const PAGES = -2;

/** The frame of a vCPU's top-level table; -1 when there is no vCPU. */
const topOf = (context: Uint8Array | undefined): number =>
  context === undefined
    ? -1
    : Math.floor(vcpu_guest_context.at(new BytesMemory(context), 0).ctrlreg.get(3) / PAGE);

const nameOffset = (names: Uint8Array, name: string): number =>
  String.fromCharCode(...names).indexOf(`\0${name}\0`) + 1;

/**
 * A core of a domain, in pieces to be written one after the other. The domain should not run meanwhile.
 * @throws XenError when there is no such domain, ToolstackError when it has published no P2M yet
 */
export function* dumpCore(hv: Hypervisor, domid: number): Generator<Uint8Array> {
  const info = hv.domctl.getDomainInfo(domid);
  const frames = new GuestFrames(hv, domid);
  const sharedInfo = frames.copy(info.sharedInfoMfn);
  const { maxPfn, mfnOf, pfnOf } = readGuestP2m(hv, domid, new BytesMemory(sharedInfo));
  const pfns: number[] = [];
  for (let pfn = 0; pfn <= maxPfn; pfn++) {
    const mfn = mfnOf[pfn] as number;
    if (mfn >= 0 && pfnOf(mfn) === pfn) pfns.push(pfn);
  }
  const contexts = Array.from({ length: info.onlineVcpus }, (_, id) =>
    hv.domctl.getVcpuContext(domid, id),
  );
  const noteBytes = notes(hv, contexts.length, pfns.length);
  const registers = concatenate(
    contexts.map((context, id) => note('CORE', NT_PRSTATUS, prstatusOf(id, context))),
  );
  const indexOf = new Map(pfns.map((pfn, i) => [mfnOf[pfn] as number, i]));
  const runs = mappedRuns(frames, topOf(contexts[0]), (mfn) => indexOf.get(mfn) ?? -1, pfns.length);
  const order = [
    '.note.Xen',
    '.note.prstatus',
    '.xen_prstatus',
    '.xen_shared_info',
    '.xen_p2m',
    '.xen_pages',
  ];
  const names = cString(`\0${[...order, '.shstrtab'].join('\0')}`);
  const section = (
    name: string,
    size: number,
    align: number,
    entry = 0,
    type = SHT_PROGBITS,
  ): Section => ({ name, type, size, align, entry });
  const [head, offsets] = headers(
    [
      section('.note.Xen', noteBytes.length, 4, 0, SHT_NOTE),
      section('.note.prstatus', registers.length, 4, 0, SHT_NOTE),
      section('.xen_prstatus', contexts.length * CONTEXT_SIZE, 8, CONTEXT_SIZE),
      section('.xen_shared_info', PAGE, 8, PAGE),
      section('.xen_p2m', pfns.length * core_p2m.size, 8, core_p2m.size),
      section('.xen_pages', pfns.length * PAGE, PAGE, PAGE),
      section('.shstrtab', names.length, 1, 0, SHT_STRTAB),
    ],
    1 + runs.length,
    names,
  );
  const pagesAt = offsets.at(PAGES) as number;
  const notesAt = offsets[0] as number;
  segmentHeaders(head, notesAt, noteBytes.length + registers.length, pagesAt, runs);
  const p2m = new Uint8Array(pfns.length * core_p2m.size);
  const memory = new BytesMemory(p2m);
  for (const [i, pfn] of pfns.entries()) {
    const entry = core_p2m.at(memory, i * core_p2m.size);
    entry.pfn = pfn;
    entry.gmfn = mfnOf[pfn] as number;
  }
  let at = 0;
  const place = (offset: number, part: Uint8Array): Uint8Array => {
    const padded = new Uint8Array(offset - at + part.length);
    padded.set(part, offset - at);
    at = offset + part.length;
    return padded;
  };
  yield place(0, head);
  const parts = [noteBytes, registers, concatenate(contexts), sharedInfo, p2m];
  for (const [i, part] of parts.entries()) {
    yield place(offsets[i] as number, part);
  }
  yield place(pagesAt, new Uint8Array(0));
  for (const pfn of pfns) yield frames.copy(mfnOf[pfn] as number);
  yield names;
}
