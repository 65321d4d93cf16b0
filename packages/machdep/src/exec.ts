/*
 * exec: a program from the kernel's image becomes what a process runs (kern_exec.c, with the image instead of a file).
 *
 *     USER_TEXT …          text: the image's own pages, shown read-only
 *     USER_DATA …          its variables, zero-filled
 *     … VM_MAXUSER_ADDRESS  stack, zero-filled but for its top page: argv's strings and pointers
 *
 * A new process starts by returning from a trap that never happened.
 */
import { FLAT_USER_CS, FLAT_USER_SS } from '@port-xen/abi';
import {
  E2BIG,
  ENOENT,
  ENOMEM,
  KERNBASE,
  L_USER,
  PAGE_SIZE,
  PRI_USER,
  type Proc,
  type ProgramImage,
  PSL_I,
  type Trapframe,
  trapframe,
  USER_DATA,
  USER_TEXT,
  VM_MAXUSER_ADDRESS,
} from '@port-xen/kern';
import { BytesMemory, cString, st64 } from '@port-xen/layout';
import { SPACE_SPARE } from '@port-xen/uvm';
import type { Machdep } from './machdep.ts';

/** Room for a stack; only what is touched takes memory. */
const STACK_PAGES = 64;
/** The stack's top page, and one for anons. */
const TOP_PAGES = 2;
/** Bytes that argv's strings may have, their NULs included. */
export const ARG_MAX = 1024;

/** What a process is to run: its memory and where it starts. */
export interface Loaded {
  readonly vmspace: number;
  readonly image: ProgramImage;
  readonly argc: number;
  readonly argv: number;
}

/** Why there is no program to run. */
export interface Refused {
  readonly error: number;
  readonly why: string;
}

const OUT_OF_MEMORY: Refused = { error: ENOMEM, why: 'out of memory' };

export const isRefused = (loaded: Loaded | Refused): loaded is Refused => 'error' in loaded;

/** The stack page's content: strings, then the pointers to them. @returns the address of argv */
const placeArguments = (page: Uint8Array, top: number, argv: readonly string[]): number => {
  const base = top - PAGE_SIZE;
  const memory = new BytesMemory(page, base);
  let at = top;
  const pointers = argv.map((text) => {
    const bytes = cString(text);
    at -= bytes.length;
    memory.write(at, bytes);
    return at;
  });
  const vector = Math.floor(at / 16) * 16 - 8 * Math.ceil((argv.length + 2) / 2) * 2;
  pointers.forEach((pointer, i) => {
    st64(memory, vector + 8 * i, pointer);
  });
  return vector;
};

/** Puts a page with content into an address space that nobody runs in yet. @returns false when there is no memory */
const putPage = (m: Machdep, vmspace: number, va: number, content: Uint8Array): boolean => {
  const { maps, pages, anons } = m.uvm;
  const e = maps.lookup(maps.at(vmspace), va);
  const pfn = pages.pageAllocUser();
  if (e === undefined || pfn < 0) return false;
  const index = anons.alloc(pfn, va);
  if (index < 0) {
    pages.pageFree(pfn);
    return false;
  }
  maps.setAnon(e, va, index);
  m.pmap.kenterPa(m.window, pfn * PAGE_SIZE, true);
  m.kern.cpu.memory.write(m.window, content);
  m.pmap.kremove(m.window);
  return true;
};

const pagesIn = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);

/** Pages of a program's variables. */
const dataPages = (image: ProgramImage): number => Math.max(1, pagesIn(image.program.data.size));

const programOf = (m: Machdep, argv: readonly string[]): ProgramImage | undefined =>
  m.kern.cpu.image.programs.find((candidate) => candidate.program.name === argv[0]);

/** Pages that {@link load} takes at most. */
export const costOf = (m: Machdep, argv: readonly string[]): number => {
  const { maps } = m.uvm;
  const image = programOf(m, argv);
  const data = image === undefined ? 0 : maps.costOf(dataPages(image));
  return SPACE_SPARE + data + maps.costOf(STACK_PAGES) + TOP_PAGES;
};

/** Lays a program's memory out. @returns false when there is no memory; what was laid out stays in the space */
const layOut = (m: Machdep, vmspace: number, image: ProgramImage, stack: Uint8Array): boolean => {
  const { maps } = m.uvm;
  const vm = maps.at(vmspace);
  const bottom = VM_MAXUSER_ADDRESS - STACK_PAGES * PAGE_SIZE;
  return (
    maps.mapObject(vm, USER_TEXT, pagesIn(image.size), image.address - KERNBASE) &&
    maps.mapAnon(vm, USER_DATA, dataPages(image)) &&
    maps.mapAnon(vm, bottom, STACK_PAGES) &&
    putPage(m, vmspace, VM_MAXUSER_ADDRESS - PAGE_SIZE, stack)
  );
};

/**
 * Makes an address space with a program in it.
 * @param argv the program's name first @returns it, or why not; then nothing is left of it
 */
export const load = (m: Machdep, argv: readonly string[]): Loaded | Refused => {
  const { programs } = m.kern.cpu.image;
  const name = argv[0] ?? '';
  const image = programOf(m, argv);
  if (image === undefined) {
    const known = programs.map((candidate) => candidate.program.name).join(', ');
    return { error: ENOENT, why: `no program ${JSON.stringify(name)}; there are ${known}` };
  }
  if (argv.reduce((sum, text) => sum + text.length + 1, 0) > ARG_MAX) {
    return { error: E2BIG, why: 'the arguments are too long' };
  }
  const vmspace = m.uvm.maps.create();
  if (vmspace === 0) return OUT_OF_MEMORY;
  const stack = new Uint8Array(PAGE_SIZE);
  const vector = placeArguments(stack, VM_MAXUSER_ADDRESS, argv);
  if (layOut(m, vmspace, image, stack)) {
    return { vmspace, image, argc: argv.length, argv: vector };
  }
  m.uvm.discard(vmspace);
  return OUT_OF_MEMORY;
};

/** The registers with which a program starts. */
export const startFrame = (tf: Trapframe, loaded: Loaded): void => {
  tf.memory.write(tf.address, new Uint8Array(trapframe.size));
  tf.tf_rdi = loaded.argc;
  tf.tf_rsi = loaded.argv;
  tf.tf_rip = loaded.image.entry;
  tf.tf_cs = FLAT_USER_CS;
  tf.tf_rflags = PSL_I;
  tf.tf_rsp = loaded.argv - 8;
  tf.tf_ss = FLAT_USER_SS;
};

/** An lwp for a process, that starts by `trap_return` from the frame that is filled in by `fill`. */
export const startLwp = (
  m: Machdep,
  proc: Proc,
  vmspace: number,
  name: string,
  fill: (tf: Trapframe) => void,
): void => {
  const { cpu, sched } = m.kern;
  const lwp = sched.create(name, 0, 0, PRI_USER, L_USER);
  lwp.l_pmap = m.uvm.maps.at(vmspace).vm_pmap;
  lwp.l_proc = proc.address;
  proc.p_lwp = lwp.address;
  proc.p_vmspace = vmspace;
  const tf = trapframe.at(cpu.memory, lwp.l_stack - trapframe.size);
  fill(tf);
  lwp.l_sp = tf.address - 8;
  st64(cpu.memory, lwp.l_sp, cpu.sym('trap_return'));
};

/** Starts the first program. @param argv the program's name first @returns the process, or a sentence that says why not */
export const execInit = (m: Machdep, argv: readonly string[]): Proc | string => {
  const loaded = load(m, argv);
  if (isRefused(loaded)) return loaded.why;
  const proc = m.kern.syscalls.newProc();
  if (proc === undefined) return 'too many processes';
  startLwp(m, proc, loaded.vmspace, loaded.image.program.name, (tf) => startFrame(tf, loaded));
  return proc;
};
