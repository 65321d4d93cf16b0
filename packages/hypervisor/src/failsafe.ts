/*
 * The failsafe callback (load_segments, xen/arch/x86/domain.c). Xen loads ds, es, fs and gs when a vCPU gets a processor; one that
 * cannot be loaded, because the guest took its descriptor away, becomes null, and the guest kernel is entered with what they were:
 *
 *     low                                                                               high
 *     | rcx | r11 | ds | es | fs | gs | rip | cs, upcall mask << 32 | rflags | rsp | ss |
 *
 * The stack is the current one in guest-kernel mode, else kernel_sp, and is not aligned first.
 */
import { VGCF_failsafe_disables_events } from '@port-xen/abi';
import { R11, RCX, RIP, RSP } from '@port-xen/vcpu';
import type { GuestVcpu } from './guest-vcpu.ts';
import { isLoadable } from './segments.ts';
import { enterKernel, pushedCs, pushedFlags, pushFrame } from './trap.ts';

const FRAME_SIZE = 88;

/** Loads the data segments of a vCPU that gets a processor; enters the failsafe callback if one cannot be. */
export const loadSegments = (vcpu: GuestVcpu): void => {
  const { registers: r } = vcpu;
  const [ds, es, fs, gs] = [r.ds, r.es, r.fs, r.gs];
  if (!isLoadable(vcpu, ds)) r.ds = 0;
  if (!isLoadable(vcpu, es)) r.es = 0;
  if (!isLoadable(vcpu, fs)) r.fs = 0;
  if (!isLoadable(vcpu, gs)) r.gs = 0;
  if (r.ds === ds && r.es === es && r.fs === fs && r.gs === gs) return;
  const { frame } = vcpu;
  frame.bytes.fill(0);
  const put = (at: number, register: number): void => {
    frame.st32(at, r.low(register));
    frame.st32(at + 4, r.high(register));
  };
  put(0, RCX);
  put(8, R11);
  [ds, es, fs, gs].forEach((selector, i) => {
    frame.st32(16 + 8 * i, selector);
  });
  put(48, RIP);
  frame.st32(56, pushedCs(vcpu));
  frame.st32(60, vcpu.upcallMask);
  frame.st32(64, pushedFlags(vcpu));
  put(72, RSP);
  frame.st32(80, r.ss);
  const rsp = vcpu.kernelMode ? r.get(RSP) : vcpu.kernelSp;
  if (!pushFrame(vcpu, rsp - FRAME_SIZE, FRAME_SIZE)) return;
  const masks = (vcpu.vgcfFlags & VGCF_failsafe_disables_events) !== 0;
  enterKernel(vcpu, vcpu.failsafeCallback, masks);
};
