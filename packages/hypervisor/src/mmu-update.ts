/*
 * HYPERVISOR_mmu_update: page-table entries and M2P entries, by machine address.
 *
 *   request   ptr u64 | val u64; ptr & 7: 0 entry, 1 M2P, 2 entry keeping A and D, 3 entry
 *   foreigndom  bits 15…0: whose frames L1 entries name; bits 31…16: whose tables, plus one, 0 for the caller's
 *
 * The frame that holds the entry decides what is checked: a page table's entry as its level demands, a writable page nothing.
 */
import {
  __HYPERVISOR_mmu_update,
  DOMID_IO,
  MMU_MACHPHYS_UPDATE,
  MMU_NORMAL_PT_UPDATE,
  MMU_PT_UPDATE_NO_TRANSLATE,
  MMU_PT_UPDATE_PRESERVE_AD,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@port-xen/abi';
import { runBatch } from './batch.ts';
import { mayActFor, pageOwner } from './foreign-domain.ts';
import {
  PGT_l1_page_table,
  PGT_l4_page_table,
  PGT_validated,
  PGT_writable_page,
} from './frame-table.ts';
import type { MemoryDomain, MemoryVcpu } from './memory-domain.ts';

/** What one mmu_update call is about. */
interface Target {
  readonly vcpu: MemoryVcpu;
  /** Whose tables. */
  readonly tableOwner: number;
  /** Whose frames. */
  readonly frameOwner: number;
  /** An upper-level entry was changed: linear mappings make that visible as data. */
  flush: boolean;
}

/** @returns 0 or the first failure's -errno; `*pdone` counts what was done */
export const mmuUpdate = (
  vcpu: MemoryVcpu,
  requests: number,
  count: number,
  pdone: number,
  foreigndom: number,
): number => {
  const { domain } = vcpu;
  const tables = foreigndom >>> 16;
  const tableOwner = tables === 0 ? domain.domid : tables - 1;
  if (!domain.host.domains.has(tableOwner)) return -XEN_ESRCH;
  const frameOwner = pageOwner(domain, foreigndom & 0xffff);
  if (frameOwner < 0) return -XEN_ESRCH;
  const target: Target = { vcpu, tableOwner, frameOwner, flush: false };
  const batch = { nr: __HYPERVISOR_mmu_update, requests, size: 16, count, pdone, foreigndom };
  const result = runBatch(vcpu, batch, (request) => perform(target, request));
  if (target.flush) {
    for (const other of domain.host.domains.get(tableOwner)?.vcpus ?? []) other?.mmu.flush();
  }
  return result;
};

const perform = (target: Target, request: DataView): number => {
  const pointerLow = request.getInt32(0, true);
  const pointerHigh = request.getInt32(4, true);
  const low = request.getInt32(8, true);
  const high = request.getInt32(12, true);
  const mfn = (pointerHigh >>> 0) * 2 ** 20 + (pointerLow >>> 12);
  const command = pointerLow & 7;
  switch (command) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_PRESERVE_AD:
    case MMU_PT_UPDATE_NO_TRANSLATE:
      if (!allowed(target)) return -XEN_EPERM;
      return updateEntry(
        target,
        mfn,
        (pointerLow & 0xff8) >> 3,
        low,
        high,
        command === MMU_PT_UPDATE_PRESERVE_AD,
      );
    case MMU_MACHPHYS_UPDATE:
      if (target.tableOwner !== target.vcpu.domain.domid) return -XEN_EPERM;
      if (!mayActFor(target.vcpu.domain, target.frameOwner)) return -XEN_EPERM;
      return machphysUpdate(target.vcpu.domain, target.frameOwner, mfn, low, high);
    default:
      return -XEN_ENOSYS;
  }
};

/** Anybody may name DOMID_IO, which owns nothing here; other domains only a privileged caller. */
const allowed = (target: Target): boolean => {
  const { domain } = target.vcpu;
  const frames = target.frameOwner === DOMID_IO || mayActFor(domain, target.frameOwner);
  return frames && mayActFor(domain, target.tableOwner);
};

const updateEntry = (
  target: Target,
  mfn: number,
  slot: number,
  low: number,
  high: number,
  preserveAd: boolean,
): number => {
  const { host } = target.vcpu.domain;
  const { tableOwner, frameOwner } = target;
  const { types, table } = host;
  if (!types.getPage(mfn, tableOwner)) return -XEN_EINVAL;
  const i = table.index(mfn);
  const type = table.type[i] as number;
  const live = (table.typeRefs[i] as number) > 0 && (table.flags[i] as number) & PGT_validated;
  let result = -XEN_EINVAL;
  if (live && type >= PGT_l1_page_table && type <= PGT_l4_page_table) {
    if (type === PGT_l1_page_table || frameOwner === tableOwner) {
      result = host.tables.modify(type, mfn, slot, low, high, preserveAd, frameOwner);
      if (result === 0 && type > PGT_l1_page_table) target.flush = true;
    }
  } else if (!live || type === PGT_writable_page) {
    result = types.getPageType(mfn, PGT_writable_page);
    if (result === 0) {
      host.tables.store(mfn, host.memory.wordIndex(mfn) + slot * 2, low, high);
      types.putPageType(mfn);
    }
  }
  types.putPage(mfn);
  return result;
};

/**
 * MMU_MACHPHYS_UPDATE: an M2P entry of a frame of `owner`'s, any 64 bits.
 * @returns 0 or -EINVAL: not its frame
 */
export const machphysUpdate = (
  domain: MemoryDomain,
  owner: number,
  mfn: number,
  low: number,
  high: number,
): number => {
  const { host } = domain;
  if (!host.types.getPage(mfn, owner)) return -XEN_EINVAL;
  host.m2p.setPair(mfn, low, high);
  if (high === 0) host.domains.get(owner)?.logDirty?.mark(low);
  host.types.putPage(mfn);
  return 0;
};
