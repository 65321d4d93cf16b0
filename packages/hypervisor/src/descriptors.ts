/*
 * GDT and LDT of a vCPU: frames that hold descriptors only, typed seg_desc, so that nobody can write them but through
 * HYPERVISOR_update_descriptor.
 *
 *   GDT   up to 14 frames of 512 entries, named by MFN; entries from 7168 on are Xen's
 *   LDT   a page-aligned virtual address and up to 8192 entries; a page is typed when it is first used, and all are let go when the
 *         LDT or the address space changes
 */
import { XEN_EFAULT, XEN_EINVAL } from '@port-xen/abi';
import { makeDescriptorSafe } from './descriptor-check.ts';
import { PGT_seg_desc_page, PGT_writable_page } from './frame-table.ts';
import { copyFromGuest, isGuestAddress } from './guest-copy.ts';
import { PAGE_SIZE } from './machine-memory.ts';
import type { MemoryVcpu } from './memory-domain.ts';
import { pteFrame } from './page-entry.ts';

const ENTRIES_PER_PAGE = 512;
const FIRST_RESERVED_GDT_ENTRY = 7168;
const MAX_LDT_ENTRIES = 8192;

/** Frames that a GDT of that many entries takes. */
const gdtPages = (entries: number): number => Math.ceil(entries / ENTRIES_PER_PAGE);

/**
 * HYPERVISOR_set_gdt.
 * @param frameList guest address of u64 MFNs
 * @returns 0; -EINVAL: too many entries, or a frame that is not the domain's or cannot be descriptors; -EFAULT
 */
export const setGdt = (vcpu: MemoryVcpu, frameList: number, entries: number): number => {
  const count = entries >>> 0;
  if (count > FIRST_RESERVED_GDT_ENTRY) return -XEN_EINVAL;
  const bytes = new Uint8Array(gdtPages(count) * 8);
  if (bytes.length > 0 && !copyFromGuest(vcpu, frameList, bytes)) return -XEN_EFAULT;
  const view = new DataView(bytes.buffer);
  const mfns: number[] = [];
  for (let at = 0; at < bytes.length; at += 8) {
    mfns.push(view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true));
  }
  return installGdt(vcpu, mfns, count);
};

/**
 * Gives a vCPU a GDT in place of the one it has.
 * @param mfns any Numbers, one per 512 entries
 * @returns 0 or -EINVAL, the old one being kept
 */
export const installGdt = (vcpu: MemoryVcpu, mfns: readonly number[], entries: number): number => {
  const { host, domid } = vcpu.domain;
  const pages = gdtPages(entries);
  if (entries > FIRST_RESERVED_GDT_ENTRY || mfns.length < pages) return -XEN_EINVAL;
  for (let i = 0; i < pages; i++) {
    if (host.types.getPageAndType(mfns[i] as number, domid, PGT_seg_desc_page) === 0) continue;
    for (let taken = 0; taken < i; taken++) host.types.putPageAndType(mfns[taken] as number);
    return -XEN_EINVAL;
  }
  destroyGdt(vcpu);
  for (let i = 0; i < pages; i++) vcpu.gdtFrames[i] = mfns[i] as number;
  vcpu.gdtEntries = entries;
  return 0;
};

/** Leaves a vCPU without a GDT. */
export const destroyGdt = (vcpu: MemoryVcpu): void => {
  vcpu.gdtEntries = 0;
  vcpu.gdtFrames.forEach((mfn, i) => {
    vcpu.gdtFrames[i] = -1;
    if (mfn >= 0) vcpu.domain.host.types.putPageAndType(mfn);
  });
};

/**
 * MMUEXT_SET_LDT.
 * @returns 0, or -EINVAL: more than 8192 entries, or an address that is not a page of the guest's
 */
export const setLdt = (vcpu: MemoryVcpu, base: number, entries: number): number => {
  const count = entries >>> 0;
  if (count > MAX_LDT_ENTRIES) return -XEN_EINVAL;
  if (count !== 0 && (base % PAGE_SIZE !== 0 || !isGuestAddress(base))) return -XEN_EINVAL;
  const address = count === 0 ? 0 : base;
  if (vcpu.ldtBase === address && vcpu.ldtEntries === count) return 0;
  destroyLdt(vcpu);
  vcpu.ldtBase = address;
  vcpu.ldtEntries = count;
  return 0;
};

/** Lets go the LDT pages that were faulted in; they are faulted in again when used. */
export const destroyLdt = (vcpu: MemoryVcpu): void => {
  vcpu.ldtFrames.forEach((mfn, page) => {
    vcpu.ldtFrames[page] = -1;
    if (mfn >= 0) vcpu.domain.host.types.putPageAndType(mfn);
  });
};

/**
 * Makes an LDT page usable, as the processor is about to load a selector from it.
 * @returns whether it is; false is the guest's fault at that address
 */
export const faultLdt = (vcpu: MemoryVcpu, page: number): boolean => {
  if (page < 0 || page * ENTRIES_PER_PAGE >= vcpu.ldtEntries) return false;
  if ((vcpu.ldtFrames[page] as number) >= 0) return true;
  const { host, domid } = vcpu.domain;
  const { words } = host.memory;
  const entry = vcpu.mmu.kernelEntry(vcpu.ldtBase + page * PAGE_SIZE);
  if (entry < 0) return false;
  const mfn = pteFrame(words[entry] as number, words[entry + 1] as number);
  if (host.types.getPageAndType(mfn, domid, PGT_seg_desc_page) !== 0) return false;
  vcpu.ldtFrames[page] = mfn;
  return true;
};

/**
 * HYPERVISOR_update_descriptor: writes one descriptor, made safe, to a frame of descriptors or to an ordinary one.
 * @param addressLow machine address, two halves
 * @returns 0 or -EINVAL: not aligned, not a safe descriptor, not the domain's frame, a page table
 */
export const updateDescriptor = (
  vcpu: MemoryVcpu,
  addressLow: number,
  addressHigh: number,
  low: number,
  high: number,
): number => {
  const { host, domid } = vcpu.domain;
  const descriptor = Int32Array.of(low, high);
  if ((addressLow & 7) !== 0 || !makeDescriptorSafe(descriptor, 0)) return -XEN_EINVAL;
  const mfn = (addressHigh >>> 0) * 2 ** 20 + (addressLow >>> 12);
  if (!host.types.getPage(mfn, domid)) return -XEN_EINVAL;
  const { table } = host;
  const current = table.type[table.index(mfn)];
  const type = current === PGT_seg_desc_page ? PGT_seg_desc_page : PGT_writable_page;
  const result = host.types.getPageType(mfn, type);
  if (result === 0) {
    host.markDirty(mfn);
    const at = host.memory.wordIndex(mfn) + ((addressLow & 0xff8) >> 2);
    host.memory.words.set(descriptor, at);
    host.types.putPageType(mfn);
  }
  host.types.putPage(mfn);
  return result === 0 ? 0 : -XEN_EINVAL;
};
