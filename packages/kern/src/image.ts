/*
 * The linker. Addresses (pfn 0 is at KERNBASE):
 *
 *     KERNTEXTOFF   notes page          ELF notes, the GNU build id first: at a fixed place, so that whoever has only
 *                                       the guest's pages finds it
 *     + 0x1000      hypercall page      filled by the domain builder
 *     + 0x2000      text                a mark of 16 bytes per entry point and per step
 *     …             programs            a page-aligned text blob per user program
 *     …             data (bss)          each module's struct, zeroed
 */
import type { Memory } from '@port-xen/layout';
import { BytesMemory } from '@port-xen/layout';
import type { KernelSpec, LinkedEntry } from './kernel-spec.ts';
import { ENTRY_SIZE, writeMark } from './mark.ts';
import { type Program, SYSCALL_STUB_BYTES, USER_TEXT } from './program.ts';
import type { Text } from './text.ts';

export const KERNBASE = -0x8000_0000;
export const KERNTEXTOFF = KERNBASE + 0x20_0000;
export const PAGE_SIZE = 4096;
export const NOTES_ADDRESS = KERNTEXTOFF;
export const HYPERCALL_PAGE = KERNTEXTOFF + PAGE_SIZE;
const TEXT_ADDRESS = KERNTEXTOFF + 2 * PAGE_SIZE;

/** Where a program lies in the image, for exec. */
export interface ProgramImage {
  readonly program: Program;
  /** Kernel address of its text. */
  readonly address: number;
  /** Bytes, whole pages. */
  readonly size: number;
  /** User address of its entry point. */
  readonly entry: number;
}

const roundPage = (n: number): number => Math.ceil(n / PAGE_SIZE) * PAGE_SIZE;

/** A kernel's text laid out: every entry point of every module has an index and an address. */
export class KernelImage {
  readonly spec: KernelSpec;
  readonly buildId: Uint8Array;
  readonly entries: readonly LinkedEntry[];
  readonly hypercallPage: number = HYPERCALL_PAGE;
  /** The text segment: notes page, hypercall page, kernel text, programs. */
  readonly text: Uint8Array;
  /** Address of each module's data. */
  readonly data: Readonly<Record<string, number>>;
  readonly dataStart: number;
  readonly end: number;
  readonly programs: readonly ProgramImage[];
  readonly symbols: ReadonlyMap<string, number>;
  readonly #sorted: readonly (readonly [string, number])[];

  /** @param buildId 20 bytes that differ whenever the kernel's text differs */
  constructor(spec: KernelSpec, buildId: Uint8Array) {
    this.spec = spec;
    this.buildId = buildId;
    const entries: LinkedEntry[] = [];
    const symbols = new Map<string, number>();
    const marks: [address: number, index: number][] = [];
    const enter = (symbol: string, address: number): void => {
      if (symbols.has(symbol)) throw new Error(`symbol ${symbol} is defined twice`);
      symbols.set(symbol, address);
    };

    let at = TEXT_ADDRESS;
    for (const [module, { text }] of Object.entries(spec.modules)) {
      at = placeText(text ?? {}, module, at, entries, marks, enter);
    }
    at = roundPage(at);
    const programs: ProgramImage[] = [];
    const stubs: number[] = [];
    for (const program of spec.programs) {
      const start = at;
      stubs.push(start);
      const userMarks: [number, number][] = [];
      const end = placeText(
        program.text,
        program.name,
        ENTRY_SIZE,
        entries,
        userMarks,
        (symbol, a) => enter(`${program.name}:${symbol}`, USER_TEXT + a),
      );
      for (const [a, index] of userMarks) marks.push([start + a, index]);
      const entry = symbols.get(`${program.name}:${program.entry}`);
      if (entry === undefined) throw new Error(`program ${program.name} has no ${program.entry}`);
      at = start + roundPage(end);
      programs.push({ program, address: start, size: roundPage(end), entry });
      enter(`program:${program.name}`, start);
    }
    if (entries.length > 0xffff)
      throw new Error(`expected at most 65535 entries, found ${entries.length}`);

    this.dataStart = at;
    const data: Record<string, number> = {};
    for (const [module, { data: struct, align }] of Object.entries(spec.modules)) {
      if (struct === undefined) continue;
      const alignment = Math.max(align ?? 1, struct.align, 16);
      at = Math.ceil(at / alignment) * alignment;
      data[module] = at;
      enter(`${module}_data`, at);
      at += struct.size;
    }
    enter('hypercall_page', HYPERCALL_PAGE);
    this.end = roundPage(at);
    enter('end', this.end);
    this.entries = entries;
    this.programs = programs;
    this.data = data;
    this.symbols = symbols;
    this.#sorted = [...symbols].sort((a, b) => a[1] - b[1]);
    this.text = new Uint8Array(this.dataStart - KERNTEXTOFF);
    const memory: Memory = new BytesMemory(this.text, KERNTEXTOFF);
    for (const [address, index] of marks) writeMark(memory, address, index);
    for (const stub of stubs) memory.write(stub, SYSCALL_STUB_BYTES);
  }

  /** @throws Error for a symbol that no module defines: a bug of the kernel's author */
  sym(name: string): number {
    const address = this.symbols.get(name);
    if (address === undefined) throw new Error(`the kernel has no symbol ${name}`);
    return address;
  }

  symbolAt(address: number): string {
    let best: readonly [string, number] | undefined;
    for (const symbol of this.#sorted) {
      if (symbol[1] > address) break;
      best = symbol;
    }
    if (best === undefined || address >= this.end) return `0x${address.toString(16)}`;
    return address === best[1] ? best[0] : `${best[0]}+0x${(address - best[1]).toString(16)}`;
  }
}

const placeText = (
  // biome-ignore lint/suspicious/noExplicitAny: each module's text is bound to its own type
  text: Text<any>,
  module: string,
  start: number,
  entries: LinkedEntry[],
  marks: [number, number][],
  enter: (symbol: string, address: number) => void,
): number => {
  let at = start;
  const place = (
    symbol: string,
    linked: Omit<LinkedEntry, 'symbol' | 'module' | 'entry'>,
    entry: LinkedEntry['entry'],
  ): void => {
    enter(symbol, at);
    marks.push([at, entries.length]);
    entries.push({ symbol, module, entry, ...linked });
    at += ENTRY_SIZE;
  };
  for (const [symbol, entry] of Object.entries(text)) {
    if (entry.kind !== 'routine') {
      place(symbol, { step: '', enters: false, steps: {} }, entry);
      continue;
    }
    // The entry point makes the frame and runs the first step; each step has an address of its own after it.
    const names = Object.keys(entry.steps);
    for (let i = 0; i <= names.length; i++) {
      const steps = Object.fromEntries(names.map((other, j) => [other, j + 1 - i]));
      const step = names[Math.max(i - 1, 0)] ?? '';
      place(i === 0 ? symbol : `${symbol}.${step}`, { step, enters: i === 0, steps }, entry);
    }
  }
  return at;
};
