/*
 * What a vCPU's context (struct vcpu_guest_context and domctl.h's extended states) carries from one host to the next beside registers and
 * page tables: what the guest registered with Xen, and parts of the processor that Xen switches for it. It begins as that of a new vCPU.
 */
import { FLAT_KERNEL_SS } from '@port-xen/abi';
import { DR_CONTROL_RESERVED_ONE, DR_STATUS_RESERVED_ONE } from './processor-state.ts';

const GDT_FRAMES = 16;
const LDT_FRAMES = 16;
/** XSAVE area: legacy image and header. */
const XSAVE_SIZE = 576;

/** The area after FNINIT. */
const initialXsave = (): Uint8Array => {
  const area = new Uint8Array(XSAVE_SIZE);
  area[0] = 0x7f;
  area[1] = 3;
  area[24] = 0x80;
  area[25] = 0x1f;
  return area;
};

/** An entry of the guest's trap table. */
export interface TrapEntry {
  readonly flags: number;
  readonly cs: number;
  readonly address: number;
}

export class GuestContext {
  readonly gdtFrames: Int32Array = new Int32Array(GDT_FRAMES).fill(-1);
  gdtEntries = 0;
  ldtBase = 0;
  ldtEntries = 0;
  readonly ldtFrames: Int32Array = new Int32Array(LDT_FRAMES).fill(-1);

  readonly traps: (TrapEntry | undefined)[] = [];
  eventCallback = 0;
  failsafeCallback = 0;
  syscallCallback = 0;
  syscall32Callback = 0;
  syscall32Masks = false;
  sysenterCallback = 0;
  sysenterMasks = false;
  /** VGCF_failsafe_disables_events, VGCF_syscall_disables_events, and what else its context came with. */
  vgcfFlags = 0;
  kernelSs: number = FLAT_KERNEL_SS;
  kernelSp = 0;
  fsBase = 0;
  gsBaseKernel = 0;
  gsBaseUser = 0;
  /** 0 … 3: virtual, the processor's own is always 0. */
  iopl = 0;
  /** CR0.TS. */
  taskSwitched = false;
  readonly debugRegisters: number[] = [
    0,
    0,
    0,
    0,
    0,
    0,
    DR_STATUS_RESERVED_ONE,
    DR_CONTROL_RESERVED_ONE,
  ];
  readonly xsave: Uint8Array = initialXsave();
  xcr0Accum = 3;
}
