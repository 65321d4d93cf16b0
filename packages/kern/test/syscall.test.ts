import { __HYPERVISOR_iret } from '@port-xen/abi';
import { ldU64, st64 } from '@port-xen/layout';
import { R8, R9, R10, RAX, RBX, RCX, RDI, RDX, RIP, RSI, RSP } from '@port-xen/vcpu';
import { describe, expect, test } from 'vitest';
import { ENOSYS, leaf, PSL_C, PSL_I, type Text } from '../src/index.ts';
import { KernelRun, MODES, type Toy, toyImage } from './kernel-run.ts';

const SYS_toy = 300;
const USER_RIP = 0x40_1000;
const USER_RSP = 0x7000;
const USER_CS = 0xe033;

const text: Text<Toy> = {
  toy_setup: leaf((m) => m.kern.syscalls.setHandler(SYS_toy, 'toy_call')),
  toy_call: leaf((m, a, b, c, d) => {
    for (const arg of [a, b, c, d]) m.write(arg);
    return a;
  }),
};

const image = toyImage(text);

/** Enters the kernel as Xen does for SYSCALL, and runs it until it leaves by iret. @returns rax and the flags there */
const syscall = (run: KernelRun, number: number, args: readonly number[], flags: number) => {
  const { registers: r, memory } = run.machine;
  // Xen's bounce frame: rcx, r11, rip, cs, rflags, rsp, ss.
  const bounce = r.get(RSP) - 0x100;
  [USER_RIP, flags, USER_RIP, USER_CS, flags, USER_RSP, 0xe02b].forEach((word, i) => {
    st64(memory, bounce + 8 * i, word);
  });
  [RDI, RSI, RDX, R10, R8, R9].forEach((register, i) => {
    r.set(register, args[i] ?? 0);
  });
  r.set(RCX, USER_RIP);
  r.set(RBX, 77);
  r.set(RAX, number);
  r.set(RSP, bounce);
  r.set(RIP, image.sym('syscall_entry'));
  const iret = image.hypercallPage + 32 * __HYPERVISOR_iret;
  for (let i = 0; r.get(RIP) !== iret; i++) {
    if (i > 100) throw new Error('expected the kernel to leave');
    run.step();
  }
  // flags, rip, cs, rflags, rsp, ss: what iret takes.
  const word = (i: number): number => ldU64(memory, r.get(RSP) + 8 * i);
  expect([word(1), word(4), r.get(RBX)]).toEqual([USER_RIP, USER_RSP, 77]);
  return { rax: r.get(RAX), flags: word(3) };
};

describe.each(MODES)('%s', (_, amnesia) => {
  test('KERN-14: arguments come in rdi, rsi, rdx, r10; a result is in rax with carry clear, an errno with carry set', () => {
    const run = new KernelRun(image, amnesia);
    run.call('toy_setup');
    expect(syscall(run, SYS_toy, [5, 6, 7, 8], PSL_I | PSL_C)).toEqual({ rax: 5, flags: PSL_I });
    expect(run.log).toEqual([5, 6, 7, 8]);
    expect(syscall(run, SYS_toy, [-13], PSL_I)).toEqual({ rax: 13, flags: PSL_I | PSL_C });
  });

  test('KERN-14: a number that nobody serves is ENOSYS', () => {
    for (const number of [0, SYS_toy, 447, 448, 2 ** 31, -1, 2 ** 52]) {
      const run = new KernelRun(image, amnesia);
      expect(syscall(run, number, [], PSL_I)).toEqual({ rax: ENOSYS, flags: PSL_I | PSL_C });
    }
  });
});
