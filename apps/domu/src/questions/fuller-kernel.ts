/*
 * The kernel, and fuller0: it registers with Xen, at boot and never again, what a PV kernel may register and ours has no use for. With it no
 * field of a vCPU's context compares nothing with nothing.
 *
 *     GDT, LDT            a page each, which nobody can write any more
 *     segment bases       fs, gs of the kernel, gs of programs
 *     debug register 0, vm_assist(writable_pagetables), callbacks of 32-bit programs
 *     vCPU 1              counts, and blocks for ever: no channel is bound to it. When it is set going again it counts again
 */
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_segment_base,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  CALLBACKOP_register,
  CALLBACKTYPE_syscall32,
  CALLBACKTYPE_sysenter,
  callback_register,
  DOMID_SELF,
  FLAT_KERNEL_CS,
  FLAT_KERNEL_SS,
  MMUEXT_SET_LDT,
  mmuext_op,
  SCHEDOP_block,
  SEGBASE_FS,
  SEGBASE_GS_KERNEL,
  SEGBASE_GS_USER,
  VCPUOP_initialise,
  VCPUOP_up,
  VGCF_in_kernel,
  VMASST_CMD_enable,
  VMASST_TYPE_writable_pagetables,
  vcpu_guest_context,
} from '@port-xen/abi';
import { Clock } from '@port-xen/clock';
import { type Kern, kassert, leaf, PAGE_SIZE, Panic, push64, raw } from '@port-xen/kern';
import { bytes, nest, st64, struct, u32, type View } from '@port-xen/layout';
import type { Pmap } from '@port-xen/pmap';
import { RDI, RIP } from '@port-xen/vcpu';
import type { KernelVariant } from '../kernel.ts';

const ENTRIES = PAGE_SIZE / 8;
/** A flat data segment of 4 GiB for ring 3: what makes a page of descriptors worth a look. */
const DESCRIPTOR_LOW = 0x0000_ffff;
const DESCRIPTOR_HIGH = 0x00cf_f300;
const RFLAGS_IF = 0x200;

export const fuller_data = struct('fuller_data', {
  gdt: bytes(PAGE_SIZE),
  ldt: bytes(PAGE_SIZE),
  /** vCPU 1's. */
  stack: bytes(PAGE_SIZE),
  context: nest(vcpu_guest_context),
  /** How often vCPU 1 has come round its loop. */
  rounds: u32,
});

interface Fuller {
  readonly kern: Kern;
  readonly pmap: Pmap;
  readonly data: number;
}

const dataOf = ({ kern, data }: Fuller): View<typeof fuller_data> =>
  fuller_data.at(kern.cpu.memory, data);

const ask = ({ kern }: Fuller, what: string, number: number, ...args: number[]): void => {
  const [a, b, c, d] = args;
  const rc = kern.cpu.hypercall(number, a, b, c, d);
  kassert(rc === 0, `fuller0: Xen refuses ${what}: error ${-rc}`);
};

/** A page of descriptors: written, then never to be written again, as Xen demands. @returns its frame */
const descriptors = ({ kern, pmap }: Fuller, va: number): number => {
  kern.cpu.memory.st32(va + 8, DESCRIPTOR_LOW);
  kern.cpu.memory.st32(va + 12, DESCRIPTOR_HIGH);
  const mfn = pmap.extractMfn(0, va);
  pmap.kreplaceMa(va, mfn, false);
  return mfn;
};

const registerTables = (m: Fuller): void => {
  const { args, cpu } = m.kern;
  const frames = args.words(0, 8);
  st64(cpu.memory, frames, descriptors(m, m.data + fuller_data.offset.gdt));
  ask(m, 'a GDT', __HYPERVISOR_set_gdt, frames, ENTRIES);
  const ldt = m.data + fuller_data.offset.ldt;
  descriptors(m, ldt);
  const op = args.at(mmuext_op);
  op.cmd = MMUEXT_SET_LDT;
  st64(cpu.memory, op.address + mmuext_op.offset.arg1, ldt);
  st64(cpu.memory, op.address + mmuext_op.offset.arg2, ENTRIES);
  ask(m, 'an LDT', __HYPERVISOR_mmuext_op, op.address, 1, 0, DOMID_SELF);
};

const registerRest = (m: Fuller): void => {
  const { args, cpu } = m.kern;
  const base = (which: number, address: number): void =>
    ask(m, 'a segment base', __HYPERVISOR_set_segment_base, which, address);
  base(SEGBASE_FS, m.data);
  base(SEGBASE_GS_KERNEL, m.data + fuller_data.offset.ldt);
  base(SEGBASE_GS_USER, m.data + fuller_data.offset.stack);
  ask(m, 'a breakpoint', __HYPERVISOR_set_debugreg, 0, cpu.sym('main'));
  const assist = VMASST_TYPE_writable_pagetables;
  ask(m, 'vm_assist', __HYPERVISOR_vm_assist, VMASST_CMD_enable, assist);
  for (const type of [CALLBACKTYPE_sysenter, CALLBACKTYPE_syscall32]) {
    const op = args.at(callback_register);
    op.type = type;
    op.address_ = cpu.sym('fuller_32bit');
    ask(m, 'a callback', __HYPERVISOR_callback_op, CALLBACKOP_register, op.address);
  }
};

const startSecond = (m: Fuller): void => {
  const { cpu } = m.kern;
  const { context } = dataOf(m);
  const stack = m.data + fuller_data.offset.context;
  context.flags = VGCF_in_kernel;
  context.user_regs.rip = cpu.sym('fuller_second');
  context.user_regs.rsp = stack;
  context.user_regs.rflags = RFLAGS_IF;
  context.user_regs.cs = FLAT_KERNEL_CS;
  context.user_regs.ss = FLAT_KERNEL_SS;
  context.kernel_ss = FLAT_KERNEL_SS;
  context.kernel_sp = stack;
  context.ctrlreg.set(3, m.pmap.mfnOf(m.pmap.ops.d.kpm_pdirpa) * PAGE_SIZE);
  ask(m, 'a second vCPU', __HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, context.address);
  // It holds a frame of this host's.
  cpu.memory.write(context.address, new Uint8Array(vcpu_guest_context.size));
  ask(m, 'that it runs', __HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0);
};

/** The last thing that attaches before devices are looked for. */
class FullerClock extends Clock {
  override initclocks(commandLine: string): void {
    super.initclocks(commandLine);
    this.cpu.call(this.cpu.sym('fuller_attach'));
  }
}

export const fullerKernel: KernelVariant = {
  clock: FullerClock,
  modules: {
    fuller: {
      data: fuller_data,
      align: PAGE_SIZE,
      text: {
        fuller_attach: leaf<Fuller>((m) => {
          registerTables(m);
          registerRest(m);
          startSecond(m);
        }),
        fuller_second: raw<Fuller>((m, cpu) => {
          const d = dataOf(m);
          d.rounds++;
          push64(cpu, cpu.sym('fuller_second'));
          cpu.registers.set(RDI, SCHEDOP_block);
          cpu.registers.set(RIP, cpu.stub(__HYPERVISOR_sched_op));
        }),
        fuller_32bit: raw<Fuller>(() => {
          throw new Panic('fuller0: expected no 32-bit programs');
        }),
      },
    },
  },
  link: (kern, data, { pmap }) => ({ fuller: { kern, pmap, data: data.fuller as number } }),
};
