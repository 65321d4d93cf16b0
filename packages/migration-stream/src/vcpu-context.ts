/*
 * A vcpu_guest_context in a stream names pages by pfn where Xen has MFNs:
 *
 *     user_regs.rdx    of vCPU 0 only: start_info, the third argument of the hypercall that suspends
 *     gdt_frames[i]    for each 512 entries of the GDT
 *     ctrlreg[3]       the kernel's level 4 table, pfn << 12
 *     ctrlreg[1]       the user's, pfn << 12 | 1; 0 when there is none
 *
 * Everything else (registers, trap table, callbacks, stack, LDT) holds guest virtual addresses and goes as
 * it is. On the way back vCPUs are put online, and a ctrlreg[1] without bit 0 is left alone.
 */
import {
  cpu_user_regs,
  FIRST_RESERVED_GDT_ENTRY,
  VGCF_online,
  vcpu_guest_context,
} from '@port-xen/abi';
import { BytesMemory, ldU64, st64 } from '@port-xen/layout';
import { FrameError } from './frame-error.ts';
import { PAGE_SIZE } from './page-type.ts';
import { frameFor, type RestoredFrames } from './restored-frames.ts';

const RDX = vcpu_guest_context.offset.user_regs + cpu_user_regs.offset.rdx;
const FLAGS = vcpu_guest_context.offset.flags;
const GDT_FRAMES = vcpu_guest_context.offset.gdt_frames;
const GDT_ENTS = vcpu_guest_context.offset.gdt_ents;
const CR1 = vcpu_guest_context.offset.ctrlreg + 8;
const CR3 = vcpu_guest_context.offset.ctrlreg + 3 * 8;
const GDT_ENTRIES_PER_PAGE = 512;

/** The pfn of a frame of the domain, -1 for others. */
export type MfnToPfn = (mfn: number) => number;

/**
 * vCPU 0's context as a stream has it: a copy.
 *
 * @param context 5168 bytes, as XEN_DOMCTL_getvcpucontext gives them
 * @throws FrameError for a frame that is not the domain's
 */
export const canonicaliseVcpu0 = (context: Uint8Array, mfnToPfn: MfnToPfn): Uint8Array => {
  const memory = copyOf(context);
  st64(memory, RDX, pfnOf('suspend record', ldU64(memory, RDX), mfnToPfn));
  return canonical(0, memory, mfnToPfn);
};

/** Any other vCPU's. */
export const canonicaliseVcpu = (
  vcpu: number,
  context: Uint8Array,
  mfnToPfn: MfnToPfn,
): Uint8Array => canonical(vcpu, copyOf(context), mfnToPfn);

/**
 * vCPU 0's context as Xen is given it: a copy, and the pfn of start_info ({@link patchStartInfo}).
 *
 * @param context 5168 bytes, from a stream
 * @throws FrameError for a page that the domain has not, or of a wrong type
 */
export const localiseVcpu0 = (
  context: Uint8Array,
  frames: RestoredFrames,
): { context: Uint8Array; startInfoPfn: number } => {
  const memory = copyOf(context);
  const startInfoPfn = ldU64(memory, RDX);
  st64(memory, RDX, frameFor(frames, 'Start Info', startInfoPfn, 0));
  return { context: localised(memory, frames), startInfoPfn };
};

/** Any other vCPU's. */
export const localiseVcpu = (context: Uint8Array, frames: RestoredFrames): Uint8Array =>
  localised(copyOf(context), frames);

const canonical = (vcpu: number, memory: BytesMemory, mfnToPfn: MfnToPfn): Uint8Array => {
  const whose = (what: string) => `${what} of vcpu${vcpu}`;
  const count = gdtPages(memory);
  for (let i = 0; i < count; i++) {
    const at = GDT_FRAMES + i * 8;
    st64(memory, at, pfnOf(whose(`frame ${i} of the GDT`), ldU64(memory, at), mfnToPfn));
  }
  const cr3 = ldU64(memory, CR3);
  st64(memory, CR3, pfnOf(whose('cr3'), Math.floor(cr3 / PAGE_SIZE), mfnToPfn) * PAGE_SIZE);
  const cr1 = ldU64(memory, CR1);
  if (cr1 !== 0) {
    const pfn = pfnOf(whose('cr1'), Math.floor(cr1 / PAGE_SIZE), mfnToPfn);
    st64(memory, CR1, pfn * PAGE_SIZE + 1);
  }
  return memory.bytes;
};

const localised = (memory: BytesMemory, frames: RestoredFrames): Uint8Array => {
  memory.st32(FLAGS, memory.ld32(FLAGS) | VGCF_online);
  const count = gdtPages(memory);
  for (let i = 0; i < count; i++) {
    const at = GDT_FRAMES + i * 8;
    st64(memory, at, frameFor(frames, `GDT frame ${i}`, ldU64(memory, at), 0));
  }
  const cr3 = Math.floor(ldU64(memory, CR3) / PAGE_SIZE);
  st64(memory, CR3, frameFor(frames, 'cr3', cr3, 4) * PAGE_SIZE);
  if ((memory.ld32(CR1) & 1) !== 0) {
    const cr1 = Math.floor(ldU64(memory, CR1) / PAGE_SIZE);
    st64(memory, CR1, frameFor(frames, 'cr1', cr1, 4) * PAGE_SIZE);
  }
  return memory.bytes;
};

/** Pages of the GDT. */
const gdtPages = (memory: BytesMemory): number => {
  const entries = ldU64(memory, GDT_ENTS);
  if (entries > FIRST_RESERVED_GDT_ENTRY) {
    const words = `GDT entry count (${entries}) out of range (max ${FIRST_RESERVED_GDT_ENTRY})`;
    throw new FrameError(words, `at most ${FIRST_RESERVED_GDT_ENTRY}`, `${entries}`);
  }
  return Math.ceil(entries / GDT_ENTRIES_PER_PAGE);
};

const pfnOf = (what: string, mfn: number, mfnToPfn: MfnToPfn): number => {
  const pfn = mfn < 2 ** 31 ? mfnToPfn(mfn) : -1;
  if (pfn >= 0) return pfn;
  throw new FrameError(`Bad mfn for ${what}`, 'a frame of the domain', `0x${mfn.toString(16)}`);
};

const copyOf = (context: Uint8Array): BytesMemory => {
  if (context.length !== vcpu_guest_context.size) {
    throw new RangeError(
      `expected a vcpu_guest_context of ${vcpu_guest_context.size} bytes, found ${context.length}`,
    );
  }
  return new BytesMemory(context.slice());
};
