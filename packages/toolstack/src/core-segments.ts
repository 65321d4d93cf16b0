/*
 * What debuggers look for in a core and Xen's format does not have: program headers. Readers of Xen's format go by its sections and
 * do not look at them.
 *
 *     PT_NOTE   Xen's notes, and after them a NT_PRSTATUS for each vCPU: its registers as Linux lays them out (struct elf_prstatus)
 *     PT_LOAD   each run of pages that are mapped one after the other and lie in `.xen_pages` one after the other: as the kernel of
 *               vCPU 0 sees them, by its own page tables
 *
 * Frames that are not the domain's own (shared_info, grant table, Xen's) are not in a core, and the page tables that a top-level
 * table shows of itself are left out.
 */
import { _PAGE_PRESENT, _PAGE_RW, vcpu_guest_context } from '@port-xen/abi';
import { array, BytesMemory, bytes, i32, struct, u16, u32, u64 } from '@port-xen/layout';
import type { GuestFrames } from './guest-frames.ts';

const PAGE = 4096;
const ENTRIES = 512;
/** Top-level slots 256 to 271 are Xen's. */
const FIRST_XEN_SLOT = 256;
const LAST_XEN_SLOT = 271;
/** Bytes that an entry of each level is about. */
const SPAN = [0, 2 ** 12, 2 ** 21, 2 ** 30, 2 ** 39];
const TOP = 4;
/** e_phnum holds no more, and no kernel of sense needs as many. */
const RUNS_MAX = 60_000;

export const NT_PRSTATUS = 1;

const elf_prstatus = struct('elf_prstatus', {
  pr_info: array(i32, 3),
  pr_cursig: u16,
  pr_sigpend: u64,
  pr_sighold: u64,
  pr_pid: i32,
  pr_ppid: i32,
  pr_pgrp: i32,
  pr_sid: i32,
  pr_times: bytes(64),
  pr_reg: array(u64, 27),
  pr_fpvalid: i32,
  pad: u32,
});

/** user_regs_struct: where each register is in a vcpu_guest_context, and how many bytes of it. */
const { user_regs, fs_base, gs_base_kernel } = vcpu_guest_context.offset;
const REGISTERS: readonly (readonly [offset: number, length: number])[] = (() => {
  const quad = (at: number): readonly [number, number] => [user_regs + at, 8];
  const selector = (at: number): readonly [number, number] => [user_regs + at, 2];
  // r15 … r8, rax, rcx, rdx, rsi, rdi are the same fifteen, in the same order.
  const general = Array.from({ length: 15 }, (_, i) => quad(8 * i));
  return [
    ...general,
    quad(80),
    quad(128),
    selector(136),
    quad(144),
    quad(152),
    selector(160),
    [fs_base, 8],
    [gs_base_kernel, 8],
    selector(176),
    selector(168),
    selector(184),
    selector(192),
  ];
})();

/** The registers of a vCPU as a debugger reads them. @param context its vcpu_guest_context */
export const prstatusOf = (vcpu: number, context: Uint8Array): Uint8Array => {
  const out = new Uint8Array(elf_prstatus.size);
  const memory = new BytesMemory(out);
  const status = elf_prstatus.at(memory, 0);
  status.pr_pid = vcpu + 1;
  for (const [i, [offset, length]] of REGISTERS.entries()) {
    memory.write(status.pr_reg.address(i), context.subarray(offset, offset + length));
  }
  return out;
};

/** Pages that are mapped one after the other. */
export interface MappedRun {
  readonly va: number;
  /** Of the first, in `.xen_pages`. */
  readonly index: number;
  pages: number;
  readonly writable: boolean;
}

/**
 * What the page tables under a top-level table map.
 * @param indexOf where the page in a frame lies in `.xen_pages`; -1 for a frame that is not the domain's
 * @param pages how many pages the domain has: no more tables than that are looked at, whatever they say
 */
export const mappedRuns = (
  frames: GuestFrames,
  topMfn: number,
  indexOf: (mfn: number) => number,
  pages: number,
): MappedRun[] => {
  const runs: MappedRun[] = [];
  let tables = pages;
  const found = (va: number, index: number, writable: boolean): void => {
    const last = runs.at(-1);
    const follows =
      last !== undefined &&
      last.writable === writable &&
      va === last.va + last.pages * PAGE &&
      index === last.index + last.pages;
    if (follows) last.pages++;
    else if (runs.length < RUNS_MAX) runs.push({ va, index, pages: 1, writable });
  };
  const walk = (level: number, mfn: number, va: number): void => {
    if (tables-- <= 0) return;
    const table = new BytesMemory(frames.copy(mfn));
    for (let i = 0; i < ENTRIES; i++) {
      const low = table.ld32(8 * i);
      if ((low & _PAGE_PRESENT) === 0) continue;
      const next = (table.ld32(8 * i + 4) & 0xf_ffff) * 2 ** 20 + (low >>> 12);
      const index = indexOf(next);
      if (index < 0 || next === topMfn) continue;
      const at = va + i * (SPAN[level] as number);
      if (level === 1) found(at, index, (low & _PAGE_RW) !== 0);
      else if (level < TOP) walk(level - 1, next, at);
      else if (i < FIRST_XEN_SLOT) walk(level - 1, next, at);
      // Canonical: the upper half is negative.
      else if (i > LAST_XEN_SLOT) walk(level - 1, next, at - ENTRIES * (SPAN[TOP] as number));
    }
  };
  if (indexOf(topMfn) >= 0) walk(TOP, topMfn, 0);
  return runs;
};
