/*
 * A kernel for a PV domain: where its segments go and where it is entered. The rules are libelf's (libelf-dominfo.c): a
 * segment goes to p_paddr - PADDR_OFFSET + VIRT_BASE; the lowest and highest addresses so reached bound the image; entry
 * and base must lie as they can.
 */
import { PT_LOAD } from '@port-xen/abi';
import type { SharedInfoName } from '@port-xen/hypervisor';
import { hex64, isCanonicalAddress } from '@port-xen/vcpu';
import { Elf64 } from './elf64.ts';
import { ToolstackError } from './toolstack-error.ts';
import { type XenNotes, xenNotes } from './xen-notes.ts';

/** A part of the image: the file's bytes, then zeroes up to `size`. */
interface KernelSegment {
  readonly va: number;
  readonly bytes: Uint8Array;
  readonly size: number;
}

export interface KernelImage {
  readonly notes: XenNotes;
  /** The Xen that it is for. */
  readonly interface: SharedInfoName;
  /** Where pfn 0 is mapped. */
  readonly virtBase: number;
  /** First and one past the last address of the image. */
  readonly start: number;
  readonly end: number;
  readonly entry: number;
  /** The page into which Xen writes its entry stubs. */
  readonly hypercallPage?: number;
  /** Where the kernel wants its P2M, if not right after the image. */
  readonly initP2m?: number;
  /** The kernel knows what it means that SCHEDOP_shutdown(suspend) returns 1. */
  readonly suspendCancel: boolean;
  readonly segments: readonly KernelSegment[];
}

/** What no PV domain of 64 bits is given. */
const IMPOSSIBLE: readonly string[] = ['auto_translated_physmap', 'supervisor_mode_kernel'];

const fail = (expected: string, found: string): never => {
  throw new ToolstackError(`kernel: expected ${expected}, found ${found}`);
};

/** @returns the Xen that it is for */
const checkNotes = (notes: XenNotes): SharedInfoName => {
  const { loader = '', guestOs = '', xenVersion = '', features = '' } = notes;
  if (!loader.startsWith('generic') && !guestOs.startsWith('linux')) {
    fail('a kernel for the generic loader', `loader ${JSON.stringify(loader)}`);
  }
  const name = (['xen-3.0', 'xen-2.0'] as const).find((known) => xenVersion.startsWith(known));
  if (name === undefined) {
    return fail('a kernel for xen-3.0 or xen-2.0', `Xen version ${JSON.stringify(xenVersion)}`);
  }
  const required = features.split(/[| ]/).filter((feature) => feature.startsWith('!'));
  const impossible = required.find((feature) => IMPOSSIBLE.includes(feature.slice(1)));
  if (impossible) fail('features that a PV domain can have', `${impossible.slice(1)} required`);
  return name;
};

const segmentsOf = (elf: Elf64, offset: number): KernelSegment[] =>
  elf.programs
    .filter((program) => program.p_type === PT_LOAD && (program.p_flags & 7) !== 0)
    .map((program, i) => {
      const { p_filesz, p_memsz, p_paddr, p_offset } = program;
      const va = p_paddr + offset;
      if (p_filesz > p_memsz) {
        fail(`segment ${i} to be no larger in the file than in memory`, `${p_filesz} > ${p_memsz}`);
      }
      if (!isCanonicalAddress(va) || p_memsz >= 2 ** 40) {
        fail(`segment ${i} within the address space`, `${p_memsz} bytes at ${hex64(va)}`);
      }
      return { va, size: p_memsz, bytes: elf.range(`segment ${i}`, p_offset, p_filesz) };
    });

const checkedPage = (what: string, va: number | undefined): number | undefined => {
  if (va === undefined || (isCanonicalAddress(va) && va % 4096 === 0)) return va;
  return fail(`${what} on a page boundary`, hex64(va));
};

/** Whether one address is below another as the processor counts them: the negative ones are the upper half. */
const isBelow = (a: number, b: number): boolean => (a < 0 === b < 0 ? a < b : a >= 0);

/**
 * Reads a kernel.
 *
 * @param file an ELF64 file, taken for hostile
 * @throws ToolstackError with what is wrong
 */
export const kernelImage = (file: Uint8Array): KernelImage => {
  const elf = new Elf64(file);
  const notes = xenNotes(elf);
  const name = checkNotes(notes);
  if (notes.paddrOffset !== undefined && notes.virtBase === undefined) {
    fail('VIRT_BASE where PADDR_OFFSET is given', 'none');
  }
  const virtBase = notes.virtBase ?? 0;
  const paddrOffset = notes.paddrOffset ?? (notes.modern ? 0 : virtBase);
  if (
    !isCanonicalAddress(virtBase) ||
    virtBase % 4096 !== 0 ||
    !Number.isSafeInteger(paddrOffset)
  ) {
    fail('VIRT_BASE on a page boundary and PADDR_OFFSET an address', `${hex64(virtBase)}`);
  }
  const segments = segmentsOf(elf, virtBase - paddrOffset);
  if (segments.length === 0) fail('a segment to load', 'none');
  const start = Math.min(...segments.map(({ va }) => va));
  const end = Math.max(...segments.map(({ va, size }) => va + size));
  const entry = notes.entry ?? elf.entry;
  if (start < virtBase || entry < start || entry > end || !isCanonicalAddress(end)) {
    fail(
      'VIRT_BASE, start, entry and end in this order',
      `${hex64(virtBase)}, ${hex64(start)}, ${hex64(entry)}, ${hex64(end)}`,
    );
  }
  const hypercallPage = checkedPage('HYPERCALL_PAGE', notes.hypercallPage);
  if (
    hypercallPage !== undefined &&
    (hypercallPage < start || hypercallPage + 4096 > Math.ceil(end / 4096) * 4096)
  ) {
    fail('HYPERCALL_PAGE within the image', hex64(hypercallPage));
  }
  const initP2m = notes.initP2m;
  if (initP2m !== undefined && initP2m >= start && initP2m < end) {
    fail('INIT_P2M outside the image', hex64(initP2m));
  }
  // Above VIRT_BASE, or not on a page boundary, it is passed over and the list goes to its usual place.
  const usable =
    initP2m !== undefined &&
    isCanonicalAddress(initP2m) &&
    initP2m % 4096 === 0 &&
    isBelow(initP2m, virtBase);
  return {
    notes,
    interface: name,
    virtBase,
    start,
    end,
    entry,
    ...(hypercallPage !== undefined && { hypercallPage }),
    ...(usable && { initP2m }),
    suspendCancel: notes.suspendCancel ?? false,
    segments,
  };
};
