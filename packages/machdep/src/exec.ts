/*
 * exec: a program from the kernel's image becomes a process (kern_exec.c, with the image instead of a file).
 *
 *     USER_TEXT …          text, read-only, copied from the image
 *     USER_DATA …          its variables, zeroed
 *     … VM_MAXUSER_ADDRESS  stack; argv's strings and pointers at its top
 *
 * The lwp starts by returning from a trap that never happened.
 */
import { FLAT_USER_CS, FLAT_USER_SS } from '@port-xen/abi';
import {
  L_USER,
  type Lwp,
  PAGE_SIZE,
  PRI_USER,
  type Proc,
  PSL_I,
  trapframe,
  USER_DATA,
  USER_TEXT,
  VM_MAXUSER_ADDRESS,
} from '@port-xen/kern';
import { BytesMemory, cString, st64 } from '@port-xen/layout';
import type { UserPmap } from '@port-xen/pmap';
import type { Machdep } from './machdep.ts';

const STACK_PAGES = 4;

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

/** Gives a page with content to a user address space. @returns false when there is no page */
const enterPage = (
  m: Machdep,
  pm: UserPmap,
  va: number,
  content: Uint8Array | undefined,
  writable: boolean,
): boolean => {
  const pfn = m.uvm.pageAlloc();
  if (pfn < 0) return false;
  m.pmap.clearPage(pfn * PAGE_SIZE);
  if (content !== undefined) {
    m.pmap.kenterPa(m.window, pfn * PAGE_SIZE, true);
    m.kern.cpu.memory.write(m.window, content);
    m.pmap.kremove(m.window);
  }
  m.pmap.enter(pm, va, pfn * PAGE_SIZE, writable);
  return true;
};

/**
 * Starts a program.
 * @param argv the program's name first @returns the process, or a sentence that says why not
 */
export const exec = (m: Machdep, argv: readonly string[]): { proc: Proc; lwp: Lwp } | string => {
  const { cpu, sched, syscalls } = m.kern;
  const name = argv[0] ?? '';
  const image = cpu.image.programs.find((candidate) => candidate.program.name === name);
  if (image === undefined) {
    const known = cpu.image.programs.map((candidate) => candidate.program.name).join(', ');
    return `no program ${JSON.stringify(name)}; there are ${known}`;
  }
  if (argv.join(' ').length > PAGE_SIZE / 2) return 'the arguments are too long';
  const proc = syscalls.newProc();
  const pm = proc === undefined ? undefined : m.pmap.create();
  if (proc === undefined || pm === undefined) return 'too many processes';

  for (let at = 0; at < image.size; at += PAGE_SIZE) {
    const text = new Uint8Array(PAGE_SIZE);
    cpu.memory.read(image.address + at, text);
    if (!enterPage(m, pm, USER_TEXT + at, text, false)) return 'out of memory';
  }
  for (let at = 0; at < image.program.data.size; at += PAGE_SIZE) {
    if (!enterPage(m, pm, USER_DATA + at, undefined, true)) return 'out of memory';
  }
  const stack = new Uint8Array(PAGE_SIZE);
  const vector = placeArguments(stack, VM_MAXUSER_ADDRESS, argv);
  for (let page = 1; page <= STACK_PAGES; page++) {
    const content = page === 1 ? stack : undefined;
    if (!enterPage(m, pm, VM_MAXUSER_ADDRESS - page * PAGE_SIZE, content, true))
      return 'out of memory';
  }

  const lwp = sched.create(name, 0, 0, PRI_USER, L_USER);
  lwp.l_pmap = pm.address;
  lwp.l_proc = proc.address;
  proc.p_lwp = lwp.address;
  const tf = trapframe.at(cpu.memory, lwp.l_stack - trapframe.size);
  cpu.memory.write(tf.address, new Uint8Array(trapframe.size));
  tf.tf_rdi = argv.length;
  tf.tf_rsi = vector;
  tf.tf_rip = image.entry;
  tf.tf_cs = FLAT_USER_CS;
  tf.tf_rflags = PSL_I;
  tf.tf_rsp = vector - 8;
  tf.tf_ss = FLAT_USER_SS;
  lwp.l_sp = tf.address - 8;
  st64(cpu.memory, lwp.l_sp, cpu.sym('trap_return'));
  return { proc, lwp };
};
