import {
  FLAT_KERNEL_CS64,
  FLAT_KERNEL_SS,
  VGCF_in_kernel,
  VGCF_online,
  vcpu_guest_context,
} from '@port-xen/abi';
import { BytesMemory } from '@port-xen/layout';
import type { DomainLayout } from './domain-layout.ts';
import type { KernelImage } from './kernel-image.ts';

const PAGE = 4096;

/** Interrupts on: how Xen shows a domain whose events are masked by the byte in vcpu_info alone. */
const RFLAGS_IF = 0x200;

/**
 * The state in which vCPU 0 of a new domain starts: at the kernel's entry, on the boot stack, with rsi at start_info.
 *
 * @param l4Mfn of the boot page tables
 */
export const bootContext = (
  image: KernelImage,
  layout: DomainLayout,
  l4Mfn: number,
): Uint8Array => {
  const bytes = new Uint8Array(vcpu_guest_context.size);
  const context = vcpu_guest_context.at(new BytesMemory(bytes), 0);
  const stack = layout.virtBase + (layout.bootStackPfn + 1) * PAGE;
  const { user_regs } = context;
  user_regs.rip = image.entry;
  user_regs.rsp = stack;
  user_regs.rsi = layout.virtBase + layout.startInfoPfn * PAGE;
  user_regs.rflags = RFLAGS_IF;
  user_regs.cs = FLAT_KERNEL_CS64;
  user_regs.ss = FLAT_KERNEL_SS;
  context.kernel_ss = FLAT_KERNEL_SS;
  context.kernel_sp = stack;
  context.debugreg.set(6, 0xffff0ff0);
  context.debugreg.set(7, 0x400);
  context.flags = VGCF_in_kernel | VGCF_online;
  context.ctrlreg.set(3, l4Mfn * PAGE);
  return bytes;
};
