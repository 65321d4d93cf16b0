/*
 * The smallest domain that has everything a save has to do with: a console, a disk's ring, grants, two event channels, a mapped
 * shared_info. Its text is addresses and nothing else: 64 bytes a step, at whose end a SYSCALL stands, so that a hypercall
 * that Xen continues is made again. All it knows is in its pages.
 *
 *     VIRT_BASE + 2 MiB   0 notes   1 hypercall page   2 text   3 data   4 shared_info   5 grant table   6 ring
 *                         7 I/O page   8 P2M frame list list   9 P2M frame list
 */
import { start_info } from '@port-xen/abi';
import { BytesMemory, cString, st64 } from '@port-xen/layout';

export const VIRT_BASE = -0x8000_0000;
const LOAD = VIRT_BASE + 0x20_0000;
const PAGE = 4096;
const PAGES = 10;
export const STEP_BYTES = 64;
const FILE_TEXT = 4096;

const pageAt = (n: number): number => LOAD + n * PAGE;
export const TEXT = pageAt(2);
export const DATA = pageAt(3);
export const SHARED_INFO = pageAt(4);
export const GRANT_TABLE = pageAt(5);
export const RING = pageAt(6);
export const IO_PAGE = pageAt(7);
export const FRAME_LIST_LIST = pageAt(8);
export const FRAME_LIST = pageAt(9);
export const START_INFO_BYTES: number = start_info.size;

const note = (type: number, description: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(12 + 4 + Math.ceil(description.length / 4) * 4);
  const memory = new BytesMemory(bytes);
  memory.st32(0, 4);
  memory.st32(4, description.length);
  memory.st32(8, type);
  bytes.set(cString('Xen'), 12);
  bytes.set(description, 16);
  return bytes;
};

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  st64(new BytesMemory(bytes), 0, value);
  return bytes;
};

/** The kernel as an ELF64 file with Xen notes. */
export const plainKernel = (): Uint8Array => {
  const notes = [
    note(1, word(TEXT)),
    note(2, word(pageAt(1))),
    note(3, word(VIRT_BASE)),
    note(4, word(0)),
    note(5, cString('xen-3.0')),
    note(6, cString('plain')),
    note(8, cString('generic')),
    note(14, new Uint8Array([1, 0, 0, 0])),
  ];
  const file = new Uint8Array(FILE_TEXT + 3 * PAGE);
  const memory = new BytesMemory(file);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  memory.st16(16, 2);
  memory.st16(18, 62);
  memory.st32(20, 1);
  st64(memory, 24, TEXT);
  st64(memory, 32, 64);
  memory.st16(52, 64);
  memory.st16(54, 56);
  memory.st16(56, 3);
  memory.st16(58, 64);
  let notesBytes = 0;
  for (const part of notes) {
    file.set(part, FILE_TEXT + notesBytes);
    notesBytes += part.length;
  }
  for (let at = STEP_BYTES; at <= PAGE; at += STEP_BYTES) {
    file.set([0x0f, 0x05], FILE_TEXT + 2 * PAGE + at - 2);
  }
  const segment = (
    i: number,
    type: number,
    flags: number,
    at: number,
    va: number,
    filesz: number,
    memsz: number,
  ) => {
    const p = 64 + i * 56;
    memory.st32(p, type);
    memory.st32(p + 4, flags);
    st64(memory, p + 8, at);
    st64(memory, p + 16, va);
    st64(memory, p + 24, va - VIRT_BASE);
    st64(memory, p + 32, filesz);
    st64(memory, p + 40, memsz);
    st64(memory, p + 48, PAGE);
  };
  segment(0, 1, 5, FILE_TEXT, LOAD, 3 * PAGE, 3 * PAGE);
  segment(1, 1, 6, FILE_TEXT, DATA, 0, (PAGES - 3) * PAGE);
  segment(2, 4, 4, FILE_TEXT, LOAD, notesBytes, notesBytes);
  return file;
};
